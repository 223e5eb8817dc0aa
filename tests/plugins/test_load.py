"""`--load FILE` and `PLAIT_LOAD`: what files may do, and what is said when they are wrong."""

from __future__ import annotations

import os
from typing import Any

import pytest

ROUTINE = """from __future__ import annotations
import attrs
from plait.backends.python_routine import python_routine
from plait.ir import Layer, Value, layer

@layer("plus_one")
@attrs.define(eq=False)
class PlusOne(Layer):
    \"\"\"x + 1.\"\"\"
    x: Value
    def infer(self):
        return self.x.type
    def reference(self, x):
        return x + 1

@python_routine("cpu/f32/nchw/twice", layer="plus_one")
def twice(layer, x):
    \"\"\"In two steps.\"\"\"
    return x + 0.5 + 0.5
"""
PLUS = "ir 1\nnet @main(%x: f32[1x2x3x4] nchw) -> (%y: f32[1x2x3x4] nchw) {\n  %y = plus_one(%x)\n}\n"


def test_before_and_after_the_command_and_by_the_environment(site: Any, pass_text: Any) -> None:
    site.write("one.py", pass_text("one"))
    site.write("two.py", pass_text("two"))
    pipeline = ("opt", "tiny.ir", "-p", "one,two")
    assert site.plait("--load", "one.py", *pipeline, "--load", "two.py").code == 0
    assert site.plait(*pipeline, PLAIT_LOAD=f"one.py{os.pathsep}two.py").code == 0
    assert site.plait(*pipeline, "--load", "two.py", PLAIT_LOAD="one.py").code == 0
    assert site.plait("profile", "ls", "--load", "one.py").code == 0
    outcome = site.plait(*pipeline, "--load", "one.py")
    assert outcome.code == 2 and "unknown pass 'two'" in outcome.err
    listed = [line.split() for line in site.plait("passes", "--load", "one.py").out.splitlines()]
    assert ["one", "one.py", "Do", "nothing."] in listed


def test_in_python(site: Any, pass_text: Any) -> None:
    site.write("one.py", pass_text("one"))
    script = "from plait.passes.registry import pass_named; print(pass_named('one').__doc__)"
    assert site.python("-c", script, PLAIT_LOAD="one.py").out == "Do nothing.\n"


def test_a_routine_is_measured_selected_and_run(site: Any) -> None:
    site.write("plus.py", ROUTINE)
    site.write("plus.ir", PLUS)
    listed = site.plait("routines", "--layer", "plus_one", "--load", "plus.py").out.splitlines()[1:]
    assert [" ".join(line.split()) for line in listed] == [
        "plus_one cpu/any/nchw/reference plait NumPy semantics of the layer",
        "plus_one cpu/f32/nchw/twice plus.py In two steps.",
    ]
    outcome = site.plait("tune", "plus.ir", "-o", "plus.plait", "--routine", "cpu/twice", "--load", "plus.py")
    assert outcome.code == 0, outcome.err
    assert "cpu/f32/nchw/twice" in outcome.out and "not measured" not in outcome.err
    outcome = site.plait("compare", "plus.plait", "--load", "plus.py")
    assert outcome.code == 0 and "cpu/f32/nchw/twice" in outcome.out
    outcome = site.plait("run", "plus.plait", "--load", "plus.py")
    assert outcome.code == 0 and "y " in outcome.out
    outcome = site.plait("run", "plus.plait")
    assert outcome.code == 3 and "unknown layer 'plus_one'" in outcome.err


WRONG = {
    "syntax": (
        "import os\n\ndef f(:\n    pass\n",
        "wrong.py:3:7: error[P601]: the file cannot be loaded: SyntaxError: invalid syntax\ndef f(:\n      ^\n",
    ),
    "exception": (
        "import json\n\n\ndef f():\n    json.loads(3)\n\nf()\n",
        "wrong.py:5:1: error[P601]: the file cannot be loaded: TypeError: the JSON object must be str, bytes or "
        "bytearray, not int\njson.loads(3)\n^^^^^^^^^^^^^\n",
    ),
    "no message": (
        "assert 1 == 2\n",
        "wrong.py:1:1: error[P601]: the file cannot be loaded: AssertionError\nassert 1 == 2\n^^^^^^^^^^^^^\n",
    ),
    "exit": (
        "import sys\nsys.exit(7)\n",
        "wrong.py:2:1: error[P601]: the file cannot be loaded: SystemExit: 7\nsys.exit(7)\n^^^^^^^^^^^\n",
    ),
    "encoding": (
        "# coding: nope\n",
        "wrong.py: error[P601]: the file cannot be loaded: SyntaxError: unknown encoding: nope\n",
    ),
    "our own error": (
        "import plait\n\nplait.parse('ir 2')\n",
        "wrong.py:3:1: error[P601]: the file cannot be loaded: IRError\nplait.parse('ir 2')\n^^^^^^^^^^^^^^^^^^^\n"
        "<text>:1:4: error[P005]: text form version 2 is not supported\nir 2\n   ^\n  hint: this is version 1\n",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_that_is_wrong(site: Any, case: str) -> None:
    text, message = WRONG[case]
    site.write("wrong.py", text)
    outcome = site.plait("opt", "tiny.ir", "--load", "wrong.py")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == message
    assert site.plait("opt", "tiny.ir", PLAIT_LOAD="wrong.py").err == outcome.err


def test_a_file_that_is_not_there(site: Any) -> None:
    outcome = site.plait("layers", "--load", "none.py")
    assert outcome.code == 2
    assert outcome.err == "none.py: error[P601]: the file cannot be read: No such file or directory\n"
    outcome = site.plait("layers", "--load", ".")
    assert (outcome.code, outcome.err) == (2, ".: error[P601]: the file cannot be read: Is a directory\n")


def test_a_name_that_is_taken(site: Any, pass_text: Any) -> None:
    site.write("one.py", pass_text("one"))
    site.write("two.py", pass_text("one"))
    site.write("three.py", pass_text("dce"))
    outcome = site.plait("opt", "tiny.ir", "--load", "one.py", "--load", "one.py", "--load", "two.py")
    assert (outcome.code, outcome.err) == (
        2,
        "two.py:4:1: error[P602]: pass 'one' is registered by both Mine in one.py and Mine in two.py\n"
        "@register_pass\n^^^^^^^^^^^^^^\n  hint: remove one of them, or rename it\n",
    )
    outcome = site.plait("opt", "tiny.ir", "--load", "three.py")
    assert (outcome.code, outcome.err) == (
        2,
        "three.py:4:1: error[P602]: pass 'dce' is registered by both plait.passes.dce:Dce (built in) and "
        "Mine in three.py\n@register_pass\n^^^^^^^^^^^^^^\n  hint: remove one of them, or rename it\n",
    )
