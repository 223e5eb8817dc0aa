"""Instances of the laboratory for routine selection: names, topologies, costs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.selection.costs import MACHINES
from benchmarks.selection.graph import GraphBuilder
from benchmarks.selection.suites import SUITES, InstanceError, instance
from benchmarks.selection.topologies import REAL, topology
from benchmarks.selection.topologies.families import FAMILIES, STRESS
from benchmarks.selection.topologies.reconstructions import RECONSTRUCTIONS
from plait.passes.selection import Problem, problem_digest, solver, write_problem


@pytest.mark.parametrize("name", [*RECONSTRUCTIONS, *FAMILIES, *STRESS, "squeezenet"])
def test_every_topology_has_a_proven_plan(name: str) -> None:
    problem = instance(f"{name}/f3/r4/s0")
    assert {x.op for x in problem.layers} > {"input", "output"}
    assert solver("exact")(problem).status == "optimal"


@pytest.mark.parametrize("family", FAMILIES)
def test_families_grow(family: str) -> None:
    short, long = (len(topology(family, layers).nodes) for layers in (100, 400))
    assert 90 <= short <= 160
    assert 390 <= long <= 460


@pytest.mark.parametrize(
    ("name", "convolutions", "joins"),
    # UNet: nine pairs of convolutions, four after upsampling, the last. UNet++: fifteen pairs and the last, and
    # concats but in the first column. EfficientDet: three BiFPN layers of eight nodes, nine shortcuts of B0. BERT: in
    # each block two shortcuts and the mask.
    [("unet", 23, 4), ("unet_plus_plus", 31, 10), ("efficientdet_d0", None, 24 + 9), ("bert_12", None, 12 * 3)],
)
def test_reconstructions_have_the_layers_of_the_papers(name: str, convolutions: int | None, joins: int) -> None:
    ops = [node.op for node in topology(name).nodes]
    assert ops.count("concat") + ops.count("add") == joins
    if convolutions is not None:
        assert ops.count("conv") == convolutions


def routines(problem: Problem) -> dict[str, float]:
    return {f"{t.signature} {r.name}": r.cost for t in problem.tables for r in t.routines}


def test_equal_names_are_equal_problems() -> None:
    name = "residual:30/f4/r8/s3"
    assert problem_digest(instance(name)) == problem_digest(instance(name))
    assert problem_digest(instance(name)) != problem_digest(instance("residual:30/f4/r8/s4"))


def test_a_layer_costs_the_same_in_every_network() -> None:
    one, two = (routines(instance(f"residual:{n}/f4/r8/s0")) for n in (20, 60))
    both = one.keys() & two.keys()
    assert len(both) > 20
    assert all(one[key] == two[key] for key in both)


def test_words_of_names() -> None:
    assert instance("chain:8/f2/r4/s0/star").sharing == "star"
    plain, phone = (routines(instance(f"chain:8/f4/r8/s0{word}")) for word in ("", "/phone"))
    assert plain.keys() == phone.keys() and plain != phone
    assert len(routines(instance("chain:8/f4/r8/s0/missing"))) < len(plain)
    assert len(set(routines(instance("chain:30/f4/r8/s0/ties")).values())) < 10
    assert "phone" in MACHINES


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet51", "no topology 'resnet51'; known are chain,"),
        ("chain/f3/q4", "'q4' is neither fN, rN, sN,"),
        ("chain/f99", "there are 1 to 10 formats"),
        ("chain:many", "'many' is no number of layers"),
        ("measured/vgg99", "no measured costs of 'vgg99'; there are mobilenetv2,"),
    ],
)
def test_wrong_names(name: str, said: str) -> None:
    with pytest.raises(InstanceError) as caught:
        instance(name)
    assert said in str(caught.value)


def test_suites_name_topologies_that_there_are() -> None:
    known = {*REAL, *FAMILIES, *STRESS, "measured"}
    for suite, names in SUITES.items():
        assert len(set(names)) == len(names) > 0, suite
        assert {name.split("/")[0].partition(":")[0] for name in names} <= known


@pytest.mark.parametrize("name", SUITES["measured"])
def test_measured_costs_solve(name: str) -> None:
    problem = instance(name)
    assert solver("exact")(problem).status == "optimal"
    assert solver("single_format")(problem).cost > solver("exact")(problem).cost


def test_files_are_instances(tmp_path: Path) -> None:
    problem = instance("chain:8/f3/r4/s0")
    write_problem(problem, tmp_path / "one.json")
    assert problem_digest(instance(str(tmp_path / "one.json"))) == problem_digest(problem)


def test_values_that_nothing_reads_are_outputs() -> None:
    net = GraphBuilder()
    x = net.image(8)
    left, right = net.add_many("split", [x], [(1, 8, 8), (2, 8, 8)])
    net.conv(net.concat(left, net.resampled(net.pool(right), 2)), 4, 1)
    graph = net.build()
    assert [node.op for node in graph.nodes] == ["input", "split", "pool", "resize", "concat", "conv", "output"]
    assert graph.shapes[graph.nodes[-1].inputs[0]] == (4, 8, 8)
