"""Running of one case."""

from __future__ import annotations

from collections.abc import Callable

from plait.ir.diagnostics import Diagnostic, PlaitError
from plait.ir.module import Module
from plait.ir.text import parse_module, print_module
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.testing.check_lines import filecheck
from plait.testing.equivalence import NotComputable, assert_equivalent
from plait.testing.ir_files.canonical import check_equal, check_round_trip
from plait.testing.ir_files.cases import Case
from plait.testing.ir_files.errors import CaseFailed, check_errors


def run_case(case: Case, update: Callable[[str], None] | None = None) -> None:
    """Run a case and check all that it states; see the package's documentation.

    Args:
        update: takes the text of the result instead of its comparison with that after `// ==>`.

    Raises:
        AssertionError: something is not as stated (`CaseFailed`, `CheckFailed`).
        PlaitError: the module or the pipeline is wrong, and the case expects no error.
    """
    if case.errors:
        check_errors(case.errors, _diagnostics(case), case.file)
        return
    module = parse_module(case.text, case.file, allow_unknown=case.allow_unknown)
    before = module.clone()
    _run(case, module)
    if update is not None and case.arrow is not None:
        update(print_module(module, locations=False))
    elif case.expected is not None:
        check_equal(parse_module(case.expected, case.file, allow_unknown=case.allow_unknown), module, case.file)
    if case.checks is not None:
        filecheck(print_module(module), case.checks, file=case.file, first_line=case.first + 1)
    check_round_trip(module, allow_unknown=case.allow_unknown)
    if case.pipeline is not None:
        if _run(case, module):
            raise CaseFailed(f"{case.file}: the pipeline is not idempotent; a second run gives\n{module}")
        if case.keeps_numbers:
            check_same_numbers(before, module)


def check_same_numbers(before: Module, after: Module) -> None:
    """Fail if the modules compute different numbers; ones that cannot be computed pass.

    Raises:
        AssertionError: the first value that differs.
    """
    if "main" in before.functions:
        try:
            assert_equivalent(after, before)
        except NotComputable:
            return  # An opaque layer, or weights that are not at hand.


def _run(case: Case, module: Module) -> bool:
    """Run the pipeline; returns whether it changed the module."""
    if case.pipeline is None:
        return False
    return PassManager(Pipeline.parse(case.pipeline), check_changed=True).run(module)


def _diagnostics(case: Case) -> tuple[Diagnostic, ...]:
    try:
        _run(case, parse_module(case.text, case.file, allow_unknown=case.allow_unknown))
    except PlaitError as error:
        return error.diagnostics
    return ()
