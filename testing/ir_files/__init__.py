"""Tests written as `*.ir` files: a text, a pipeline, and what must come out.

A file has cases, separated by lines `// ----- title of the next case`. A case is a module and directives:

| directive | meaning |
|---|---|
| `// RUN: fuse-activation,dce` | the pipeline that runs on the module; without it the module is only read |
| `// ==>` | what follows is the expected module, compared in a canonical spelling |
| `// CHECK: text` and its kin | the printed result must have these lines; see `plait.testing.check_lines` |
| `// error@+1: P103 text` | a diagnostic at the line that many below (above: `@-1`), whose message has this text |
| `// error@+1:8: P103 text` | the same, at that very column |
| `// KEEPS: no numbers` | the pipeline may change what is computed |
| `// ALLOW: unknown layers` | layers that are not registered are read |

The canonical spelling has no locations, and numbers values and constants. Beside what it states, each case with a
pipeline checks that this is idempotent, reports changes truly, keeps the module valid, and computes the same numbers as
before; each case without errors that the text reads back as it was printed.

Cases with `error` must give exactly these diagnostics. With `RUN` they come from the pipeline, and those without a
place in the file match at any line.

`plait.testing.pytest_plugin` runs them in pytest; `cases` and `runner` know nothing of it.
"""

from plait.testing.ir_files.canonical import canonical_text
from plait.testing.ir_files.cases import Case, CaseError, read_cases
from plait.testing.ir_files.errors import CaseFailed
from plait.testing.ir_files.runner import run_case

__all__ = ["Case", "CaseError", "CaseFailed", "canonical_text", "read_cases", "run_case"]
