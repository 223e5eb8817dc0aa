"""docs/layers is what the declarations of layers say, and its examples are modules."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from plait.cli.layer_pages import COMMAND, example, page, pages, signature, write_pages
from plait.cli.layer_sources import flops_formula, reference_source
from plait.ir import Layer, TensorType, Value, known_layers
from plait.ir.plugins import owner
from plait.ir.registry import LayerSpec
from plait.ir.text import parse_module

FOLDER = Path(__file__).resolve().parents[2] / "docs/layers"
BUILT_IN = [spec for spec in known_layers().values() if owner(spec.origin) == "plait"]


def test_the_pages_are_up_to_date() -> None:
    wanted = pages()
    committed = {file.name: file.read_text(encoding="utf-8") for file in FOLDER.glob("*.md")}
    different = sorted(name for name in wanted.keys() | committed if wanted.get(name) != committed.get(name))
    assert not different, f"docs/layers is out of date ({', '.join(different)}): run `make pages`, or `{COMMAND}`"


def test_there_is_a_page_for_every_layer() -> None:
    assert {f"{spec.name}.md" for spec in BUILT_IN} | {"index.md"} == set(pages())


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_the_example_shows_the_layer(spec: LayerSpec) -> None:
    text = example(spec)
    module = parse_module(text)
    assert str(module).rstrip() == text
    assert list(module.main)[-1].op == spec.name
    assert f"```ir\n{text}\n```" in page(spec)


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.name)
def test_a_page_has_all_parts(spec: LayerSpec) -> None:
    titles = re.findall(r"^## (.*)$", page(spec), re.MULTILINE)
    parts = [("Operands", spec.operands), ("Attributes", spec.attributes), ("Regions", spec.regions)]
    assert [t for t, found in parts if found] == [t for t in titles if t in dict(parts)]
    assert {"Shapes", "Element types", "Reference", "Example", "Source"} <= set(titles)

    assert "Routines" in titles


def test_signatures() -> None:
    shown = {name: signature(known_layers()[name]) for name in ("conv2d", "split", "if", "loop", "max_pool2d")}
    assert shown["conv2d"].startswith("%y = conv2d(%x, %weight, [%bias], [%residual]) {stride = [1, 1], pad = ")
    assert shown["split"] == "%a, %b = split(%x) {sizes = ..., axis = 1}"
    assert shown["if"] == "%y = if(%condition)\n  then (...) -> (...) { ... }\n  else (...) -> (...) { ... }"
    assert "loop(%count, %condition, %initial, ...) {[steps = ...]}\n  body" in shown["loop"]
    assert "{kernel = ..., stride = [1, 1]," in shown["max_pool2d"]


def test_the_reference_comes_with_its_helpers() -> None:
    source = {name: reference_source(known_layers()[name].cls) for name in ("conv2d", "div", "slice", "loop", "relu")}
    assert "def conv2d(" in source["conv2d"] and "def windows(" in source["conv2d"]
    assert "function = _divide" in source["div"] and "def _divide(" in source["div"]
    assert "def slices(self" in source["slice"] and "def _steps(self" in source["slice"]
    assert source["loop"].startswith("def execute(") and "def infer" not in "".join(source.values())
    assert '"relu": (0, lambda x: np.maximum(x, 0))' in source["relu"]


def test_flops() -> None:
    assert flops_formula(known_layers()["relu"].cls) == "x.type.elements"
    assert flops_formula(known_layers()["reshape"].cls) == ""


def test_rewrites_and_routines_of_a_layer() -> None:
    text = page(known_layers()["relu"])
    assert "| `canonicalize` | `clip(clip(x; a, b); c, d)" in text
    assert "| `cpu/f32/nchw16c/vector` |" in text


def test_a_layer_of_a_plug_in_has_a_page_with_what_it_says() -> None:
    @attrs.define(eq=False)
    class Mine(Layer):
        """Mine."""

        x: Value

        def infer(self) -> TensorType:
            return TensorType(self.x.type.dtype, self.x.type.shape)

    text = page(LayerSpec("mine", Mine, origin="my_plugin:Mine"))
    assert text.startswith("# mine\n\nMine.\n\n```text\n%y = mine()\n```\n")
    assert "## Example" not in text and "## Reference" not in text


def test_writing_changes_only_what_differs(tmp_path: Path) -> None:
    folder = tmp_path / "layers"
    assert len(write_pages(folder)) == len(BUILT_IN) + 1
    (folder / "relu.md").write_text("old", encoding="utf-8")
    (folder / "gone.md").write_text((folder / "tanh.md").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "mine.md").write_text("by hand", encoding="utf-8")
    assert write_pages(folder) == ["gone.md", "relu.md"]
    assert write_pages(folder) == [] and (folder / "mine.md").exists()
