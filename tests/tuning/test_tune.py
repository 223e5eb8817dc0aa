"""Tuning with fixed costs: what is chosen, what is written into the module, and what the report says of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from plait.backends.errors import DescriptorError, RoutineError
from plait.backends.null import FixedCosts
from plait.backends.null.costs import hashed_cost
from plait.backends.profiling.job import Job, Result
from plait.backends.program import Program
from plait.backends.reference import evaluate
from plait.frontends.onnx import import_onnx
from plait.ir.diagnostics import IRError
from plait.ir.dtypes import Quantized
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.text.printer import print_module
from plait.ir.verify import verify
from plait.passes.manager import PassManager
from plait.passes.pipeline import Pipeline
from plait.passes.selection import check, known_solvers
from plait.passes.selection.solution import Solution
from plait.testing.compare import assert_close
from plait.testing.random_models import random_model
from plait.tuning import Tuned, TuningReport, tune, tuner

CHEAP = {"*": 50.0, "cpu/*/*/reference": 900.0, "adapt *": 4.0}
"""Costs on which those of each test lie."""

NEEDS = {"highs": "scipy", "toulbar2": "pytoulbar2"}
"""What solvers need that is not always installed."""


def parse(text: str) -> Module:
    return parse_module("ir 1\n" + text)


def tuned(text: str, costs: dict[str, float | None], **options: object) -> Tuned:
    return tune(parse(text), FixedCosts({**CHEAP, **costs}), **options)  # type: ignore[arg-type]


def body(result: Tuned) -> list[str]:
    """The lines of the net, long ones joined."""
    text = print_module(result.module).replace("\n      via", " via")
    return [line.strip() for line in text[text.index("net @") :].splitlines()[:-1]]


def check_report(result: Tuned) -> None:
    """What holds for every tuning."""
    report = result.report
    verify(result.module)
    assert check(result.problem.problem, result.solution) == ()
    assert math.fsum(row.cost_us for row in report.rows) == report.predicted_us
    assert report.predicted_us <= report.single_layout_us
    assert report.status == "optimal"
    assert report.bound_us is not None and math.isclose(report.bound_us, report.predicted_us, rel_tol=1e-12)
    layers = list(result.module.main)
    assert [(r.index, r.name, r.op, r.routine, r.cost_us) for r in report.rows] == [
        (i, layer.results[0].name, layer.op, layer.via, layer.cost_us) for i, layer in enumerate(layers)
    ]
    assert sum(layer.op == "adapt" for layer in layers) == report.adapts
    single = result.single_layout_module
    assert math.fsum(layer.cost_us or 0.0 for layer in single.main) == report.single_layout_us
    assert all(row.runner_up_loss_us is None or row.runner_up_loss_us >= -1e-9 for row in report.rows)
    for module in (result.module, single):
        Program(module)


RELU = "net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {\n  %y = relu(%x)\n}\n"
CHAIN = """net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {
  %a = relu(%x)
  %b = sigmoid(%a)
  %y = tanh(%b)
}
"""
FAN = """net @main(%x: f32[1x32x4x4] nchw) -> (%p: f32[1x32x4x4] nchw, %q: f32[1x32x4x4] nchw, %r: f32[1x32x4x4] nchw) {
  %a = relu(%x)
  %p = sigmoid(%a)
  %q = tanh(%a)
  %r = gelu(%a)
}
"""


# --- what is written ---


def test_without_conversions() -> None:
    result = tuned(RELU, {"relu cpu:nchw16c": 49})
    assert body(result) == [
        "net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {",
        "%y = relu(%x) : f32[1x32x4x4] nchw via cpu/f32/nchw/vector !50.00us",
    ]
    check_report(result)


def test_conversions_around_a_layer() -> None:
    result = tuned(RELU, {"relu cpu:nchw16c": 41})
    assert body(result) == [
        "net @main(%x: f32[1x32x4x4] nchw) -> (%y: f32[1x32x4x4] nchw) {",
        "%x.nchw16c = adapt(%x) : f32[1x32x4x4] nchw16c via cpu/f32/nchw16c/from_nchw !4.00us",
        "%y.nchw16c = relu(%x.nchw16c) : f32[1x32x4x4] nchw16c via cpu/f32/nchw16c/vector !41.00us",
        "%y = adapt(%y.nchw16c) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nchw16c !4.00us",
    ]
    assert (result.report.predicted_us, result.report.adapts, result.module.main.output_names) == (49.0, 2, ["y"])
    check_report(result)


def test_the_module_that_is_tuned_is_not_changed() -> None:
    module = parse(CHAIN)
    before = print_module(module)
    tune(module, FixedCosts())
    assert print_module(module) == before


def test_conversions_between_layers() -> None:
    result = tuned(CHAIN, {"sigmoid cpu:nhwc": 10, "tanh cpu:nhwc": 40})
    assert body(result)[1:] == [
        "%a = relu(%x) : f32[1x32x4x4] nchw via cpu/f32/nchw/vector !50.00us",
        "%a.nhwc = adapt(%a) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/from_nchw !4.00us",
        "%b = sigmoid(%a.nhwc) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !10.00us",
        "%y.nhwc = tanh(%b) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !40.00us",
        "%y = adapt(%y.nhwc) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nhwc !4.00us",
    ]
    check_report(result)


def test_a_shared_conversion_is_made_and_counted_once() -> None:
    costs = {f"{op} cpu:nhwc": 41.0 for op in ("sigmoid", "tanh", "gelu")}
    result = tuned(
        FAN,
        {
            **costs,
            "adapt cpu:nchw16c": 90,
            "adapt cpu/f32/nhwc/from_nchw": 20,
            "adapt cpu/f32/nchw/from_nhwc": 0.5,
            "relu cpu:nhwc": 900,
            "relu cpu:nchw16c": 900,
        },
    )
    assert body(result)[1:] == [
        "%a = relu(%x) : f32[1x32x4x4] nchw via cpu/f32/nchw/vector !50.00us",
        "%a.nhwc = adapt(%a) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/from_nchw !20.00us",
        "%p.nhwc = sigmoid(%a.nhwc) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !41.00us",
        "%q.nhwc = tanh(%a.nhwc) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !41.00us",
        "%r.nhwc = gelu(%a.nhwc) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !41.00us",
        "%p = adapt(%p.nhwc) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nhwc !0.50us",
        "%q = adapt(%q.nhwc) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nhwc !0.50us",
        "%r = adapt(%r.nhwc) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nhwc !0.50us",
    ]
    assert result.report.predicted_us == 50 + 20 + 3 * 41.5
    check_report(result)


def test_a_conversion_in_two_steps() -> None:
    result = tuned(
        RELU, {"relu cpu:nchw16c": 10, "adapt cpu/f32/nchw16c/from_nchw": 90, "adapt cpu/f32/nchw/from_nchw16c": 5}
    )
    assert body(result)[1:] == [
        "%x.nhwc = adapt(%x) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/from_nchw !4.00us",
        "%x.nchw16c = adapt(%x.nhwc) : f32[1x32x4x4] nchw16c via cpu/f32/nchw16c/from_nhwc !4.00us",
        "%y.nchw16c = relu(%x.nchw16c) : f32[1x32x4x4] nchw16c via cpu/f32/nchw16c/vector !10.00us",
        "%y = adapt(%y.nchw16c) : f32[1x32x4x4] nchw via cpu/f32/nchw/from_nchw16c !5.00us",
    ]
    check_report(result)


def test_arguments_and_outputs_keep_their_formats() -> None:
    text = RELU.replace("(%x: f32[1x32x4x4] nchw)", "(%x: f32[1x32x4x4] nhwc)").replace(
        "(%y: f32[1x32x4x4] nchw)", "(%y: f32[1x32x4x4] nchw16c)"
    )
    module = parse_module(
        "ir 1\n" + text.replace("%y = relu(%x)", "%y = relu(%x) : f32[1x32x4x4] nchw16c"), check=False
    )
    result = tune(module, FixedCosts({**CHEAP, "relu cpu:nhwc": 40}))
    assert body(result) == [
        "net @main(%x: f32[1x32x4x4] nhwc) -> (%y: f32[1x32x4x4] nchw16c) {",
        "%y.nhwc = relu(%x) : f32[1x32x4x4] nhwc via cpu/f32/nhwc/vector !40.00us",
        "%y = adapt(%y.nhwc) : f32[1x32x4x4] nchw16c via cpu/f32/nchw16c/from_nhwc !4.00us",
    ]
    check_report(result)


def test_an_argument_that_is_an_output_stays() -> None:
    result = tuned(RELU.replace("-> (", "-> (%x: f32[1x32x4x4] nchw, "), {"relu cpu:nhwc": 1})
    assert [v.name for v in result.module.main.outputs] == ["x", "y"]
    assert result.module.main.outputs[0] is result.module.main.arguments[0]
    check_report(result)


def test_one_value_twice_as_output() -> None:
    result = tuned(RELU.replace("-> (", '-> ("again" = %y: f32[1x32x4x4] nchw, '), {"relu cpu:nhwc": 1})
    first, second = result.module.main.outputs
    assert first is second and result.report.adapts == 2
    assert result.module.main.output_names == ["again", "y"]
    check_report(result)


def test_only_the_best_variant_is_a_candidate() -> None:
    text = (
        'weights "w" {\n  @w : f32[64x32x1x1]\n}\n'
        "net @main(%x: f32[1x32x4x4] nchw16c) -> (%y: f32[1x64x4x4] nchw16c) {\n"
        "  %y = conv2d(%x, @w) : f32[1x64x4x4] nchw16c\n}\n"
    )
    result = tuned(
        text, {"cpu/nchw16c/direct[tile=0x1]": 9, "cpu/nchw16c/direct[tile=0x2]": 7, "cpu/nchw16c/direct[tile=0x4]": 8}
    )
    (layer,) = result.module.main
    assert (layer.via, layer.cost_us) == ("cpu/f32/nchw16c/direct[tile=0x2]", 7.0)
    direct = [c for c in next(iter(result.problem.candidates.values())) if "/direct" in c.path]
    assert len(direct) == 1


def test_equal_layers_are_measured_once() -> None:
    costs = FixedCosts(CHEAP)
    text = CHAIN.replace("sigmoid", "relu").replace("tanh", "relu")
    result = tune(parse(text), costs)
    # Four routines of relu and six conversions.
    assert len(costs.jobs) == result.report.entries == result.report.measured == 10
    assert {j.signature.partition("(")[0] for j in costs.jobs} == {"relu", "adapt"}


def test_threads_are_part_of_every_job() -> None:
    costs = FixedCosts()
    report = tune(parse(RELU), costs, threads=3).report
    assert {j.threads for j in costs.jobs} == {3}
    assert report.threads == 3 and report.device.endswith("-t3")


# --- failures ---


def test_failed_measurements_are_no_candidates() -> None:
    result = tuned(RELU, {"relu cpu:nchw/vector": None, "relu cpu:nhwc": 60})
    assert [r.routine for r in result.report.rows] == [
        "cpu/f32/nchw16c/from_nchw",
        "cpu/f32/nchw16c/vector",
        "cpu/f32/nchw/from_nchw16c",
    ]
    assert result.report.failures == (
        "cpu/f32/nchw/vector on relu(x f32[1x32x4x4]) : f32[1x32x4x4]: failed no cost in the table",
    )


def test_a_layer_without_any_routine() -> None:
    with pytest.raises(RoutineError) as caught:
        tuned(CHAIN, {"relu *": None, "tanh *": None})
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("P403", "no routine can run %a (relu)"),
        ("P403", "no routine can run %y (tanh)"),
    ]


def test_choices_that_no_conversion_connects() -> None:
    with pytest.raises(RoutineError, match=r"error\[P403\]: no plan: infeasible"):
        tuned(CHAIN, {"adapt *": None}, routines=["cpu:nhwc@sigmoid,b"])


def test_symbolic_dimensions() -> None:
    with pytest.raises(IRError) as caught:
        tune(parse("net @main(%x: f32[NxK]) -> (%y: f32[NxK]) {\n  %y = relu(%x)\n}\n"), FixedCosts())
    (found,) = caught.value.diagnostics
    assert (found.code, found.hint) == ("P104", "--dim K=1 --dim N=1")


# --- patterns ---


def chosen(*patterns: str, text: str = CHAIN, **costs: float) -> list[str]:
    result = tuned(text, {"cpu:nchw/vector": 1.0, **costs}, routines=patterns)
    check_report(result)
    return [r.routine.removeprefix("cpu/f32/").removesuffix("/vector") for r in result.report.rows if r.op != "adapt"]


@pytest.mark.parametrize(
    "patterns, layouts",
    [
        ((), ["nchw", "nchw", "nchw"]),
        (("cpu:nhwc",), ["nhwc", "nhwc", "nhwc"]),
        (("cpu:chl",), ["nhwc", "nhwc", "nhwc"]),
        (("cpu:nhwc@1",), ["nchw", "nhwc", "nchw"]),
        (("cpu:nhwc@1..2",), ["nchw", "nhwc", "nhwc"]),
        (("cpu:nhwc@b",), ["nchw", "nhwc", "nchw"]),
        (("cpu:nhwc@a,y",), ["nhwc", "nchw", "nhwc"]),
        (("cpu:nhwc", "cpu:nchw16c@1"), ["nhwc", "nchw16c", "nhwc"]),
        (("cpu:nchw16c@1", "cpu:nhwc"), ["nhwc", "nhwc", "nhwc"]),
        (("cpu:nhwc@0..2", "cpu:nchw16c@b", "cpu:nchw/vector@2"), ["nhwc", "nchw16c", "nchw"]),
        (("cpu/reference@0", "cpu:nhwc@1"), ["cpu/any/nchw/reference", "nhwc", "nchw"]),
    ],
)
def test_patterns_restrict_the_layers_they_name(patterns: tuple[str, ...], layouts: list[str]) -> None:
    assert chosen(*patterns) == layouts


def test_patterns_for_all_layers_leave_those_without_such_routines() -> None:
    assert chosen("cpu:nhwc", text=CHAIN.replace("sigmoid(%a)", "softmax(%a) {axis = 1}")) == ["nhwc", "nchw", "nhwc"]


def test_patterns_never_measure_what_they_exclude() -> None:
    costs = FixedCosts()
    tune(parse(RELU), costs, routines=["cpu/f32/nhwc/vector"])
    assert {j.routine for j in costs.jobs} == {
        "cpu/f32/nhwc/vector",
        "cpu/f32/nhwc/from_nchw",
        "cpu/f32/nchw/from_nhwc",
    }


@pytest.mark.parametrize(
    "pattern, message",
    [
        ("opencl", "--routine 'opencl' matches no routine"),
        ("cpu/magic", "--routine 'cpu/magic' matches no routine"),
        ("cpu/gemm@1", "--routine 'cpu/gemm@1' matches no routine of %b (sigmoid)"),
        ("cpu/gemm@0,b", "--routine 'cpu/gemm@0,b' matches no routine of %a (relu)"),
    ],
)
def test_patterns_that_match_nothing(pattern: str, message: str) -> None:
    with pytest.raises(DescriptorError) as caught:
        tuned(CHAIN, {}, routines=[pattern])
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == ("P404", message)
    assert found.hint


def test_patterns_for_layers_that_are_not_there() -> None:
    with pytest.raises(DescriptorError, match="names no layer"):
        tuned(CHAIN, {}, routines=["cpu:nhwc@7..9"])
    with pytest.raises(DescriptorError, match="names no layer"):
        tuned(CHAIN, {}, routines=["cpu:nhwc@conv*"])


def test_patterns_that_others_override_are_no_error() -> None:
    assert chosen("cpu:nhwc@1", "cpu:nchw16c") == ["nchw16c", "nchw16c", "nchw16c"]


def test_malformed_patterns() -> None:
    with pytest.raises(DescriptorError, match="is a second dtype"):
        tuned(CHAIN, {}, routines=["cpu:f32:f32"])


# --- reports ---


def test_runners_up() -> None:
    result = tuned(RELU, {"relu cpu:nchw/vector": 20, "relu cpu:nhwc": 15})
    (row,) = result.report.rows
    assert (row.routine, row.runner_up, row.runner_up_loss_us) == ("cpu/f32/nchw/vector", "cpu/f32/nhwc/vector", 3.0)


def test_the_single_layout_plan() -> None:
    report = tuned(CHAIN, {"relu cpu:nhwc": 1, "tanh cpu:nchw16c": 1}).report
    assert (report.predicted_us, report.single_layout_us) == (1 + 4 + 50 + 4 + 1 + 4, 1 + 4 + 50 + 50 + 4)
    assert report.single_layout == "nhwc"


def test_reports_read_back() -> None:
    report = tuned(CHAIN, {"relu cpu:nhwc": 1, "tanh cpu/f32/nchw/vector": None}).report
    data = report.to_json()
    assert data["schema"] == "tuning-report/2"
    assert TuningReport.from_json(data) == report and report.failures


@pytest.mark.parametrize("name", sorted({*known_solvers()} - {"exec"}))
def test_every_solver_gives_a_plan_that_runs(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    result = tuned(CHAIN, {"sigmoid cpu:nhwc": 10}, solver_name=name)
    assert result.report.solver == name
    assert math.fsum(row.cost_us for row in result.report.rows) == result.report.predicted_us
    Program(result.module)


# --- random networks ---


@pytest.mark.parametrize("seed", range(100, 125))
def test_random_networks(seed: int) -> None:
    original = import_onnx(random_model(seed)).module
    module = original.clone()
    PassManager(Pipeline.parse("default")).run(module)
    result = tune(
        module,
        FixedCosts(lambda job: 2000.0 if "/reference" in job.routine else hashed_cost(job)),
        threads=1 + seed % 2,
    )
    check_report(result)
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal(v.type.static_shape).astype(np.float32) for v in original.main.arguments]
    wanted = evaluate(original, inputs)
    for variant in (result.module, result.single_layout_module):
        outputs = Program(variant, 1 + seed % 2).run(inputs)
        assert_close(dict(zip(wanted, outputs, strict=True)), wanted)
    again = parse_module(print_module(result.module), check=False)
    assert [layer.via for layer in again.main] == [layer.via for layer in result.module.main]


@pytest.mark.parametrize("seed", range(6))
def test_no_cheaper_plan_exists(seed: int) -> None:
    """Brute force over the routines of a chain, each conversion direct or by the third layout."""

    def cost(job: Job) -> float:
        return hashed_cost(Job(f"{seed}{job.signature}", job.routine, "", 1, ""))

    result = tune(parse(CHAIN), FixedCosts(cost))
    layouts = ("nchw", "nhwc", "nchw16c")
    adapts = {(s, t): _adapt_cost(result, s, t) for s in layouts for t in layouts}
    cheapest = {
        (s, t): min(adapts[s, t], min(adapts[s, m] + adapts[m, t] for m in layouts)) for s in layouts for t in layouts
    }
    tables = [result.problem.candidates[layer] for layer in result.problem.layers if layer is not None]
    best = math.inf
    for plan in itertools.product(*tables):
        formats = ["nchw", *(f.layout for c in plan for f in (c.operands[0], c.results[0])), "nchw"]
        best = min(
            best,
            sum(c.cost_us for c in plan)
            + sum(cheapest[s, t] for s, t in zip(formats[::2], formats[1::2], strict=True)),
        )
    assert math.isclose(result.report.predicted_us, best, rel_tol=1e-12)


def test_scales_make_no_formats_of_their_own() -> None:
    layers = "\n".join(f"  %v{i + 1} = sigmoid(%v{i}) {{to = qu8<{i + 2}.0>}}" for i in range(8))
    text = f"net @main(%v0: qu8<1.0>[1x16x4x4] nchw) -> (%v8: qu8<9.0>[1x16x4x4] nchw) {{\n{layers}\n}}\n"
    result = tune(parse(text), FixedCosts())
    names = [f.name for f in result.problem.problem.formats]
    assert not any("<" in name for name in names) and len(names) == len(set(names)) < 8
    types = [layer.result.type.dtype for layer in result.module.main if layer.op == "sigmoid"]
    assert [t.scale for t in types if isinstance(t, Quantized)] == [float(i) for i in range(2, 10)]


def _adapt_cost(result: Tuned, source: str, target: str) -> float:
    problem = result.problem.problem
    names = [f.name for f in problem.formats]
    return problem.adapts[problem.values[0].adapt].cost[names.index(f"cpu/f32/{source}")][
        names.index(f"cpu/f32/{target}")
    ]


# --- fixed costs themselves ---

JOB = Job("relu(x f32[3]) : f32[3]", "cpu/f32/nchw/vector", "1", 1, "")


def test_tables_of_costs() -> None:
    costs = FixedCosts({"cpu": 5, "relu cpu:nchw/vector": 7.25, "tanh cpu": 9})
    assert costs.measure([JOB]) == {JOB: Result("ok", (7250,))}
    assert FixedCosts({"cpu:nhwc": 5}, default=3).measure([JOB])[JOB].cost_us == 3
    assert not FixedCosts({"relu cpu": None}).measure([JOB])[JOB].ok
    assert (costs.measured, costs.jobs) == (1, [JOB])


def test_hashed_costs_depend_on_the_job_alone() -> None:
    others = [
        Job("tanh(x f32[3]) : f32[3]", JOB.routine, "1", 1, ""),
        Job(JOB.signature, "cpu/f32/nhwc/vector", "1", 1, ""),
        Job(JOB.signature, JOB.routine, "1", 2, ""),
    ]
    numbers = [FixedCosts().cost(j) for j in (JOB, *others)]
    assert len(set(numbers)) == 4 and all(n is not None and 1 <= n <= 1000 for n in numbers)
    assert FixedCosts().cost(Job(JOB.signature, JOB.routine, "2", 1, "other text")) == numbers[0]


def test_progress() -> None:
    seen: list[tuple[int, int]] = []
    FixedCosts().measure([JOB, JOB], lambda done, total, job: seen.append((done, total)))
    assert seen == [(0, 1)]


def test_control_flow_is_not_tuned_yet() -> None:
    text = """net @main(%x: f32[4], %c: bool[]) -> (%y: f32[4]) {
  %y = if(%c)
    then () -> (%x: f32[4]) {
    }
    else () -> (%x: f32[4]) {
    }
}
"""
    with pytest.raises(RoutineError, match=r"no routine can run %y \(if\)") as caught:
        tune(parse(text), FixedCosts(CHEAP))
    assert "if runs regions or nets" in caught.value.diagnostics[0].hint


def test_rows_add_up_to_the_objective_whatever_the_times() -> None:
    text = """net @main(%x: f32[1x3x8x8] nchw) -> (%z: f32[1x3x8x8] nchw) {
  %y = relu(%x)
  %z = tanh(%y)
}
"""
    report = tuned(text, {"*": 10.0005, "cpu/f32/*": 3.1235}).report
    assert math.fsum(row.cost_us for row in report.rows) == report.predicted_us


def test_a_plan_stands_without_one_of_a_single_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    known = tuner.solver
    nothing = Solution((), (), math.inf, None, "unknown", "single_format")
    monkeypatch.setattr(tuner, "solver", lambda name: (lambda problem: nothing) if "single" in name else known(name))
    result = tuned(CHAIN, {})
    assert result.report.single_layout_us == result.report.predicted_us
    check_report(result)
