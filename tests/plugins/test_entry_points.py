"""Distributions with entry points: lazy, and when something is wrong with one."""

from __future__ import annotations

import json
from typing import Any

LAYER = """from __future__ import annotations
import attrs
from plait.ir import Layer, Value, layer
@layer({name!r})
@attrs.define(eq=False)
class Mine(Layer):
    \"\"\"x + 1.\"\"\"
    x: Value
    def infer(self):
        return self.x.type
    def reference(self, x):
        return x + 1
"""
BROKEN = "import os\n\nimport no_such_module\n"


def test_a_pass_is_imported_when_it_is_asked_for(site: Any, pass_text: Any) -> None:
    site.install("good", {"good.py": pass_text("good")}, {"plait.passes": {"good": "good:Mine"}})
    script = (
        "import sys; from plait.passes.registry import known_passes, pass_named; "
        "assert 'good' in known_passes() and 'good' not in sys.modules; print(pass_named('good').__doc__)"
    )
    assert site.python("-c", script).out == "Do nothing.\n"
    assert site.plait("opt", "tiny.ir", "-p", "good").code == 0
    rows = json.loads(site.plait("passes", "--json").out)["passes"]
    assert [r["owner"] for r in rows if r["name"] == "good"] == ["good 1.0"]
    assert {r["owner"] for r in rows if r["name"] != "good"} == {"plait"}


def test_a_broken_pass_spoils_only_itself(site: Any) -> None:
    site.install("bad", {"bad.py": BROKEN}, {"plait.passes": {"bad": "bad:Mine"}})
    outcome = site.plait("opt", "tiny.ir", "-p", "cse")
    assert (outcome.code, outcome.err) == (0, "")
    outcome = site.plait("opt", "tiny.ir", "-p", "bad")
    assert outcome.code == 2
    assert outcome.err == (
        f"{site.site}/bad.py:3:1: error[P601]: plug-in 'bad' (plait.passes) of bad 1.0 cannot be loaded: "
        "ModuleNotFoundError: No module named 'no_such_module'\n"
        "import no_such_module\n"
        "^^^^^^^^^^^^^^^^^^^^^\n"
    )
    outcome = site.plait("passes")
    assert outcome.code == 0 and "cse" in outcome.out
    assert outcome.err == (
        "warning: plug-in 'bad' (plait.passes) of bad 1.0 cannot be loaded: "
        f"ModuleNotFoundError: No module named 'no_such_module' ({site.site}/bad.py:3)\n"
    )


def test_a_module_that_is_not_there_and_an_attribute_that_is_missing(site: Any, pass_text: Any) -> None:
    points = {"gone": "gone:Mine", "less": "less:Missing", "odd": "less:attrs", "named": "less:Mine", "bare": "less"}
    site.install("less", {"less.py": pass_text("less-pass")}, {"plait.passes": points})

    def error(name: str) -> str:
        outcome = site.plait("opt", "tiny.ir", "-p", name)
        assert outcome.code == 2
        start = f"error[P601]: plug-in {name!r} (plait.passes) of less 1.0 cannot be loaded: "
        assert outcome.err.startswith(start) and outcome.err.count("\n") == 1
        return str(outcome.err.removeprefix(start).strip())

    assert error("gone") == "ModuleNotFoundError: No module named 'gone'"
    assert error("less") == "less has no 'Missing'"
    assert "is not a pass" in error("odd") and "is not a pass" in error("bare")
    assert error("named") == "the pass calls itself 'less-pass'"


def test_a_broken_layer_module_is_warned_of_once(site: Any) -> None:
    site.install("bad", {"bad.py": BROKEN}, {"plait.layers": {"mine": "bad"}, "plait.routines": {"bad": "bad"}})
    site.write("mine.ir", "ir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = mine(%x)\n}\n")
    outcome = site.plait("run", "tiny.ir")
    assert outcome.code == 0
    warning = (
        "warning: plug-in 'mine' (plait.layers) of bad 1.0 cannot be loaded: "
        f"ModuleNotFoundError: No module named 'no_such_module' ({site.site}/bad.py:3)\n"
    )
    assert outcome.err.startswith(warning) and outcome.err.count("warning") == 1
    outcome = site.plait("routines", "--layer", "relu")
    assert outcome.code == 0 and outcome.err.count("warning") == 1
    outcome = site.plait("run", "mine.ir")
    assert outcome.code == 2 and "error[P601]: plug-in 'mine' (plait.layers) of bad 1.0 cannot be" in outcome.err


def test_a_pass_that_is_built_in_or_in_another_plugin(site: Any, pass_text: Any) -> None:
    site.install("a-one", {"one.py": pass_text("twice")}, {"plait.passes": {"twice": "one:Mine", "dce": "one:Dce"}})
    site.install("b-two", {"two.py": pass_text("twice")}, {"plait.passes": {"twice": "two:Mine"}}, "2.1")
    assert site.plait("opt", "tiny.ir", "-p", "cse").code == 0
    outcome = site.plait("opt", "tiny.ir", "-p", "cse,twice")
    assert (outcome.code, outcome.err) == (
        2,
        "error[P602]: pass 'twice' is registered by both one:Mine (a-one 1.0) and two:Mine (b-two 2.1)\n"
        "  hint: remove one of them, or rename it\n",
    )
    outcome = site.plait("opt", "tiny.ir", "-p", "default")
    assert (outcome.code, outcome.err) == (
        2,
        "error[P602]: pass 'dce' is registered by both plait.passes.dce:Dce (built in) and one:Dce (a-one 1.0)\n"
        "  hint: remove one of them, or rename it\n",
    )


def test_a_layer_that_is_built_in_or_in_another_plugin(site: Any) -> None:
    site.install("a-one", {"one.py": LAYER.format(name="plus")}, {"plait.layers": {"a": "one"}})
    site.install("b-two", {"two.py": LAYER.format(name="plus")}, {"plait.layers": {"b": "two"}})
    site.install("c-three", {"three.py": LAYER.format(name="relu")}, {"plait.layers": {"c": "three"}})
    site.write("plus.ir", "ir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = plus(%x)\n}\n")
    site.write("tanh.ir", "ir 1\nnet @main(%x: f32[2]) -> (%y: f32[2]) {\n  %y = tanh(%x)\n}\n")
    twice = "layer 'plus' is registered by both one:Mine (a-one 1.0) and two:Mine (b-two 1.0)"
    taken = (
        "layer 'relu' is registered by both plait.ir.layers.activations:Relu (built in) and three:Mine (c-three 1.0)"
    )
    places = {"plus": f"{site.site}/two.py:4", "relu": f"{site.site}/three.py:4"}
    warnings = f"warning: {twice} ({places['plus']})\nwarning: {taken} ({places['relu']})\n"
    outcome = site.plait("run", "tanh.ir")
    assert outcome.code == 0 and outcome.err.startswith(warnings)
    for file, message, place in (("plus.ir", twice, places["plus"]), ("tiny.ir", taken, places["relu"])):
        outcome = site.plait("run", file)
        assert outcome.code == 2
        assert outcome.err.startswith(f"{warnings}{place}:1: error[P602]: {message}\n")


def test_a_plugin_for_another_version(site: Any, pass_text: Any) -> None:
    site.install(
        "new",
        {"new.py": pass_text("new")},
        {"plait.passes": {"new": "new:Mine"}, "plait.layers": {"new": "new"}, "plait.api": {"2": "new"}},
    )
    site.install(
        "both",
        {"both.py": pass_text("both")},
        {"plait.passes": {"both": "both:Mine"}, "plait.api": {"1": "both", "2": "both"}},
    )
    assert site.plait("opt", "tiny.ir", "-p", "both").code == 0
    told = "of new 1.0 is for version 2 of the plug-in interface, plait has 1"
    outcome = site.plait("opt", "tiny.ir", "-p", "new")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        f"error[P603]: plug-in 'new' (plait.passes) {told}\n  hint: install another release of new\n"
    )
    outcome = site.plait("layers")
    assert (outcome.code, outcome.err) == (0, f"warning: plug-in 'new' (plait.layers) {told}\n")


MORE = """import plait
from plait.passes.selection import solver

def read(path):
    size = int(path.read_text())
    return plait.parse(f"ir 1\\nnet @main(%x: f32[Nx{size}]) -> (%y: f32[Nx{size}]) {{\\n  %y = relu(%x)\\n}}")

def wrong(path):
    return 3

def solve(problem, options=None):
    return solver("greedy")(problem)

def fails(problem, options=None):
    return problem.no_such_thing

number = 3
"""


def test_frontends(site: Any) -> None:
    points = {"size": "more:read", "onnx": "more:read", "wrong": "more:wrong", "number": "more:number"}
    site.install("more", {"more.py": MORE}, {"plait.frontends": points})
    for suffix in points:
        site.write(f"net.{suffix}", "5")
    site.write("bad.size", "five")

    def read(file: str, *options: str) -> tuple[int, str]:
        outcome = site.plait("import", file, "-o", "-", *options)
        return outcome.code, outcome.out + outcome.err

    text = "ir 1\nnet @main(%x: f32[Nx5]) -> (%y: f32[Nx5]) {\n  %y = relu(%x) : f32[Nx5]\n}\n"
    assert read("net.size") == (0, text)
    assert read("net.size", "--dim", "N=2") == (0, text.replace("N", "2"))
    unfit = "error[P601]: plug-in 'number' (plait.frontends) of more 1.0 cannot be loaded: 3 cannot be called\n"
    assert read("net.number") == (2, unfit)
    code, message = read("net.onnx")
    taken = "frontend 'onnx' is registered by both plait.frontends.onnx:import_onnx (built in) and more:read (more 1.0)"
    assert code == 2 and message.startswith(f"error[P602]: {taken}\n")
    assert read("net.wrong") == (
        4,
        "net.wrong: error[P301]: the frontend for .wrong gave int, not a module\n"
        "  hint: the frontend is more:wrong (more 1.0)\n",
    )
    assert read("bad.size") == (
        4,
        "bad.size: error[P301]: cannot be read as a .size file: "
        "ValueError: invalid literal for int() with base 10: 'five'\n"
        "  hint: the frontend is more:read (more 1.0)\n",
    )


def test_solvers(site: Any) -> None:
    points = {"mine": "more:solve", "number": "more:number", "exact": "more:solve", "fails": "more:fails"}
    site.install("more", {"more.py": MORE}, {"plait.solvers": points})
    assert "predicted" in site.plait("tune", "tiny.ir", "--solver", "mine").out
    outcome = site.plait("tune", "tiny.ir", "--solver", "number")
    unfit = "error[P601]: plug-in 'number' (plait.solvers) of more 1.0 cannot be loaded: 3 cannot be called\n"
    assert (outcome.code, outcome.err) == (2, unfit)
    outcome = site.plait("tune", "tiny.ir", "--solver", "exact")
    assert outcome.code == 2 and outcome.err.startswith("error[P602]: solver 'exact' is registered by both plait.")
    outcome = site.plait("tune", "tiny.ir", "--solver", "fails")
    assert outcome.code == 70 and "; this is a defect of more 1.0, please report it" in outcome.err
    outcome = site.plait("tune", "tiny.ir", "--solver", "none")
    assert outcome.code == 2 and "known are exact, greedy," in outcome.err and ", fails, mine" in outcome.err


def test_the_list_of_plugins(site: Any, pass_text: Any) -> None:
    assert site.plait("plugins").err == "note: no plug-ins are installed\n"
    site.install("good", {"good.py": pass_text("good")}, {"plait.passes": {"good": "good:Mine"}})
    site.install("bad", {"bad.py": BROKEN}, {"plait.layers": {"bad": "bad"}})
    rows = json.loads(site.plait("plugins", "--json").out)["plugins"]
    assert [(r["group"], r["name"], r["owner"], r["problem"]) for r in rows] == [
        (
            "plait.layers",
            "bad",
            "bad 1.0",
            "P601: cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("plait.passes", "good", "good 1.0", ""),
    ]
    assert "good 1.0" in site.plait("plugins").out
