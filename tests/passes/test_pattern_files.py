"""Pattern files as users apply them: the pass `rewrite`, the examples, patterns of plug-ins, random networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plait.ir import Layer, Module, verify
from plait.ir.diagnostics import IRError
from plait.ir.layers.activations import Relu
from plait.ir.layers.elementwise import Add, Maximum, Minimum, Mul
from plait.ir.text import parse_module
from plait.ir.types import DType
from plait.ir.values import Value
from plait.passes.base import PassContext, PassError
from plait.passes.canonical.identities import bound_by_itself, neutral_element
from plait.passes.fuse_activation import activation_rule
from plait.passes.manager import PassManager, run_pipeline
from plait.passes.patterns import registry
from plait.passes.patterns.files import load_patterns
from plait.passes.pipeline import Pipeline
from plait.passes.rewriting import Builder, Limit, No, Outcome, Pattern, rewrite, rewrite_module
from plait.testing.equivalence import assert_equivalent
from plait.testing.ir_files import canonical_text
from plait.testing.random_modules import COMPUTABLE, random_module

EXAMPLES = Path(__file__).parents[2] / "examples" / "patterns"
FILES = sorted(EXAMPLES.glob("*.pdl"))
LOOP = """ir 1
rewrite @up (%x) { %y = tanh(%x) } => { %y = relu(%x) }
rewrite @down (%x) { %y = relu(%x) } => { %y = tanh(%x) }
"""


def small(body: str = "%y = tanh(%x)") -> Module:
    return parse_module(f"ir 1\nnet @main(%x: f32[4]) -> (%y: f32[4]) {{\n{body}\n}}\n")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with `my.pdl` (tanh to relu) and `sub/other.pdl` (relu to sigmoid)."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "my.pdl").write_text("ir 1\nrewrite @one (%x) { %y = tanh(%x) } => { %y = relu(%x) }\n")
    (tmp_path / "sub/other.pdl").write_text("ir 1\nrewrite @two (%x) { %y = relu(%x) } => { %y = sigmoid(%x) }\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_pass_applies_a_file(folder: Path) -> None:
    module, context = small(), PassContext()
    assert run_pipeline("rewrite{file=my.pdl}", module, context)
    assert [layer.op for layer in module.main] == ["relu"]
    assert context.statistics == {("rewrite", "one"): 1}


@pytest.mark.parametrize(
    "option", ["[my.pdl, sub/other.pdl]", '["my.pdl", "sub/other.pdl"]', "[./sub/other.pdl, my.pdl]"]
)
def test_the_pass_applies_several_files_together(folder: Path, option: str) -> None:
    module = small()
    assert run_pipeline(f"rewrite{{file={option}}}", module)
    assert [layer.op for layer in module.main] == ["sigmoid"]


def test_the_text_of_the_pass_reads_back(folder: Path) -> None:
    pipeline = Pipeline.parse("rewrite{file=my.pdl},dce")
    assert Pipeline.parse(str(pipeline)) == pipeline
    assert str(pipeline) == 'rewrite{file=["my.pdl"]},dce'


def test_the_patterns_are_those_of_when_the_pipeline_was_read(folder: Path) -> None:
    pipeline, module = Pipeline.parse("rewrite{file=my.pdl}"), small()
    (folder / "my.pdl").unlink()
    assert PassManager(pipeline).run(module)


@pytest.mark.parametrize(
    ("pipeline", "column", "message"),
    [
        ("dce,rewrite{file=mine.pdl}", 13, "cannot read pattern file 'mine.pdl': No such file or directory"),
        ("dce,rewrite{file=sub}", 13, "cannot read pattern file 'sub': Is a directory"),
        ("dce,rewrite{file=[]}", 13, "wants the name of a pattern file"),
        ("dce,rewrite{file=[1]}", 13, "wants the name of a pattern file, got 1"),
        ("dce,rewrite", 5, "pass rewrite needs option file"),
    ],
)
def test_wrong_options_have_a_place(folder: Path, pipeline: str, column: int, message: str) -> None:
    with pytest.raises(PassError) as caught:
        Pipeline.parse(pipeline)
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.column) == ("P201", column) and message in found.message


def test_errors_in_a_file_have_their_place_in_it(folder: Path) -> None:
    (folder / "my.pdl").write_text("ir 1\nrewrite @one (%x) { %y = tanh(%z) } => %x\n")
    with pytest.raises(IRError) as caught:
        Pipeline.parse("rewrite{file=my.pdl}")
    assert [(d.code, d.span and (d.span.file, d.span.line, d.span.column)) for d in caught.value.diagnostics] == [
        ("P211", ("my.pdl", 2, 31)),
    ]


def test_patterns_that_undo_one_another_are_named_at_their_place(folder: Path) -> None:
    (folder / "my.pdl").write_text(LOOP)
    with pytest.raises(IRError, match="these rewrites undo one another: up -> down") as caught:
        run_pipeline("rewrite{file=my.pdl}", small())
    (found,) = caught.value.diagnostics
    assert found.span is not None
    assert (found.code, found.span.file, found.span.line, found.span.column) == ("P214", "my.pdl", 2, 9)


def test_listeners_see_patterns_of_files(folder: Path) -> None:
    module = small("%a = tanh(%x)\n%y = tanh(%a)")
    assert run_pipeline("rewrite{file=my.pdl}", module, PassContext(listeners=[Limit(1)]))
    assert [layer.op for layer in module.main] == ["relu", "tanh"]


# --- by name ---


@rewrite(Relu)
def relu_away(layer: Relu) -> Value:
    """relu(x) -> x"""
    return layer.x


def test_patterns_are_found_by_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_registry", registry._registry.copy())
    registry.register_patterns("mine", folder / "my.pdl")
    registry.register_patterns("python", [relu_away])
    assert {"mine", "python"} <= set(registry.known_patterns())
    module = small()
    assert run_pipeline("rewrite{file=[mine, python]}", module)
    assert list(module.main) == []
    with pytest.raises(PassError, match=r"cannot read pattern file 'min'.*known by name: mine, python"):
        Pipeline.parse("rewrite{file=min}")
    with pytest.raises(ValueError, match="neither the path of a pattern file nor a sequence of patterns"):
        registry.register_patterns("wrong", [1])  # type: ignore[list-item]


# --- examples ---


def sprinkled(module: Module, seed: int) -> Module:
    """The module with something for the patterns to find after each layer."""
    random, body = np.random.default_rng(seed), module.main.body
    for layer in list(body):
        x = layer.results[0]
        if len(layer.results) > 1 or not x.type.is_plain or x.type.dtype is not DType.F32 or not x.users:
            continue
        new = body.insert(something(module, x, int(random.integers(7))), layer.next, ("s",), [x.type])
        body.replace_uses(x, new.result)
        new = body.replace(new, new.with_operands({new.result: x}))
        if random.random() < 0.5:
            relu = body.insert(Relu(new.result), new.next, ("s",), [x.type])
            body.replace_uses(new.result, relu.result)
            body.replace(relu, Relu(new.result))
    verify(module)
    return module


def something(module: Module, x: Value, choice: int) -> Layer:
    """A layer that computes `x`, or something of its type."""
    number = module.add_constant("n", np.array(choice % 2, np.float32))
    match choice:
        case 0 | 5:
            return Add(x, number)
        case 1 | 6:
            return Mul(x, number)
        case 2:
            return Maximum(x, x)
        case 3:
            return Minimum(x, x)
    return Relu(x)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_examples_keep_the_numbers_of_random_networks(file: Path, seed: int) -> None:
    before = sprinkled(random_module(seed, 10, COMPUTABLE), seed)
    after = before.clone()
    patterns = load_patterns(file)
    changed = rewrite_module(after, patterns, PassContext())
    verify(after)
    assert changed == (str(after) != str(before))
    assert_equivalent(after, before)
    assert not rewrite_module(after, patterns, PassContext())
    assert str(parse_module(str(after))) == str(after)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("name", ["identities", "fusions"])
def test_examples_do_what_the_built_in_rules_do(name: str, seed: int) -> None:
    module = sprinkled(random_module(seed, 12, COMPUTABLE), seed)
    by_rules = module.clone()
    patterns = load_patterns(EXAMPLES / f"{name}.pdl")
    rules: list[Pattern] = [neutral_element, bound_by_itself] if name == "identities" else [relu_rule()]
    assert rewrite_module(module, patterns, PassContext()) == rewrite_module(by_rules, rules, PassContext())
    assert canonical_text(module) == canonical_text(by_rules)


def relu_rule() -> Pattern:
    """What fuse-activation does, for ReLU and the layers of the example."""
    rule = activation_rule(("relu",))

    @rewrite(Relu)
    def relu_into_some(layer: Relu, builder: Builder) -> Outcome:
        """relu(layer(x)) -> layer(x) {act = relu}"""
        kinds = ("conv2d", "fully_connected", "add", "mul")
        if layer.x.owner is None or layer.x.owner.op not in kinds:
            return No("another layer")
        return rule.match_and_rewrite(layer, builder)

    return relu_into_some


def test_the_examples_are_found_often_enough() -> None:
    """Else the tests above would compare nothing."""
    context = PassContext(current="all")
    for seed in range(30):
        module = sprinkled(random_module(seed, 12, COMPUTABLE), seed)
        for file in FILES:
            rewrite_module(module, load_patterns(file), context)
    found = {name for _, name in context.statistics}
    assert {"add_zero", "mul_one", "max_of_itself", "min_of_itself", "relu_into_add", "relu_into_mul"} <= found
    assert sum(context.statistics.values()) > 50


@pytest.mark.parametrize("factors", ["%s, %x", "%x, %s"])
def test_the_example_of_silu_agrees_with_canonicalize(factors: str) -> None:
    body = f"%s = sigmoid(%x)\n%y = mul({factors})"
    module, by_rules = small(body), small(body)
    assert rewrite_module(module, load_patterns(EXAMPLES / "silu.pdl"), PassContext())
    assert run_pipeline("canonicalize", by_rules)
    assert str(module) == str(by_rules)
