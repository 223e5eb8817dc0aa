"""The reference pages of layers, in Markdown: all that a layer's declaration says, and what is registered for it.

`plait layers NAME` prints one page; `plait layers --write docs/layers` writes those of the built-in layers. They do not
depend on the machine.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from plait.ir.attributes import attribute_text
from plait.ir.layer import Layer
from plait.ir.registry import AttributeSpec, LayerSpec, known_layers

COMMAND = "plait layers --write docs/layers"
_MARK = f"<!-- Written by `{COMMAND}`"
TYPES = {
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "str": "word",
    "tuple[int, ...]": "list of integers",
    "tuple[int, int]": "integer, or list of 2",
    "tuple[int, int, int, int]": "integer, or list of 2 or 4",
    "Activation": "[activation](index.md#activation-layers)",
    "ElementType": "element type",
    "Type": "type",
    "Type | None": "type",
    "Dimension | None": "dimension",
    "SymbolRef": "net",
}
"""Types of attributes by their annotation, in the words of docs/language.md."""


def write_pages(folder: Path) -> list[str]:
    """Write the pages that differ and remove those of layers that are gone; returns the names of these files.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    wanted = pages()
    folder.mkdir(exist_ok=True)
    changed = []
    for file in sorted(folder.glob("*.md")):
        if file.name not in wanted and file.read_text(encoding="utf-8").startswith(_MARK):
            file.unlink()
            changed.append(file.name)
    for name, text in wanted.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def pages() -> dict[str, str]:
    """The pages of all built-in layers and their index, by file name."""
    specs = [s for s in known_layers().values() if s.origin.startswith("plait.ir.layers.")]
    found = {f"{s.name}.md": f"{_mark(s.origin.partition(':')[0])}\n\n{page(s)}" for s in specs}
    return {"index.md": index(specs), **found}


def index(specs: list[LayerSpec]) -> str:
    """The list of layers, by the file of `ir/layers` that declares them."""
    families: dict[str, list[LayerSpec]] = {}
    for spec in specs:
        families.setdefault(spec.origin.partition(":")[0], []).append(spec)
    parts = [
        f"{_MARK}, from ir/layers. -->",
        "# Layers",
        "Each layer has a page of its own, made from its declaration in `ir/layers/`: [how to write a layer]"
        "(../how-to/write-a-layer.md). In signatures, operands in brackets may be left out, and so may attributes, "
        "which are shown with their default, unless it is `...`. How types and attributes are written is told in "
        "[the text form of the IR](../language.md). `plait layers NAME` prints a page, also of the layers of plug-ins.",
    ]
    for module, family in sorted(families.items()):
        title, _, rest = " ".join((sys.modules[module].__doc__ or "").split()).partition(".")
        parts.append(f"## {title.partition(':')[0].partition(' (')[0]}")
        parts += [rest.strip()] if rest.strip() else []
        rows = [(f"[`{s.name}`]({s.name}.md)", s.summary) for s in family]
        parts.append(_table(("layer", "computes"), rows))
    return "\n\n".join(parts) + "\n"


def page(spec: LayerSpec) -> str:
    """The page of one layer."""
    from plait.cli.layer_sources import flops_formula, reference_source

    found = spec.documentation
    parts = [f"# {spec.name}", found.summary, *filter(None, [found.description])]
    parts.append(_block("text", signature(spec)))
    parts += _fields(spec)
    for title, name in (("Shapes", "Shapes"), ("Types", "Element types"), ("Semantics", "Semantics")):
        if text := found.texts.get(title):
            parts += [f"## {name}", text[0].upper() + text[1:]]
    if source := reference_source(spec.cls):
        parts += ["## Reference", _block("py", source)]
    if flops := flops_formula(spec.cls):
        parts.append(f"Floating-point operations: `{flops}`.")
    if "Example" in found.texts:
        parts += ["## Example", _block("ir", example(spec))]
    parts += [*_routines(spec), *_rewrites(spec)]
    if "Source" in found.texts:
        parts += ["## Source", found.texts["Source"]]
    return "\n\n".join(parts) + "\n"


def signature(spec: LayerSpec) -> str:
    """The layer as the text form writes it, with all operands, attributes and regions."""
    operands = ", ".join(
        f"%{o.name}, ..." if o.variadic else f"[%{o.name}]" if o.optional else f"%{o.name}" for o in spec.operands
    )
    attributes = ", ".join(
        f"{a.name} = ..." if a.required else f"{a.name} = {text}" if (text := default_text(a)) else f"[{a.name} = ...]"
        for a in spec.attributes
    )
    results = re.search(rf"^(%.*) = {spec.name}\(", spec.documentation.texts.get("Example", ""), re.MULTILINE)
    first = f"{results[1] if results else '%y'} = {spec.name}({operands})" + (
        f" {{{attributes}}}" if attributes else ""
    )
    return "\n".join([first, *(f"  {r.name} (...) -> (...) {{ ... }}" for r in spec.regions)])


def default_text(attribute: AttributeSpec) -> str:
    """The default of an attribute, as the text form writes it; empty for none."""
    if attribute.default is None:
        return ""
    try:
        return attribute_text(attribute.default)
    except TypeError:
        return str(attribute.default)


def example(spec: LayerSpec) -> str:
    """The example of a layer as a module, whose outputs are the results of its last layer.

    Raises:
        IRError: the example is not valid.
    """
    from plait.ir.text import parse_module

    lines = spec.documentation.texts["Example"].splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("("))
    net = [f"net @main{lines[head]} -> () {{", *lines[head + 1 :], "}"]
    module = parse_module("\n".join(["ir 1", *lines[:head], *net]), f"example of {spec.name}")
    module.main.set_outputs(list(list(module.main)[-1].results))
    return str(module).rstrip()


def _fields(spec: LayerSpec) -> Iterator[str]:
    told = spec.documentation.fields
    if spec.operands:
        kinds = [(o, "any number" if o.variadic else "optional" if o.optional else "one") for o in spec.operands]
        yield "## Operands"
        yield _table(("operand", "how many", "meaning"), [(f"`{o.name}`", k, told.get(o.name, "")) for o, k in kinds])
    if spec.attributes:
        yield "## Attributes"
        rows = [
            (
                f"`{a.name}`",
                TYPES.get(a.type, f"`{a.type}`"),
                "must be given" if a.required else f"`{text}`" if (text := default_text(a)) else "",
                told.get(a.name, ""),
            )
            for a in spec.attributes
        ]
        yield _table(("attribute", "type", "default", "meaning"), rows)
    if spec.regions:
        yield "## Regions"
        yield _table(("region", "meaning"), [(f"`{r.name}`", told.get(r.name, "")) for r in spec.regions])


def _routines(spec: LayerSpec) -> Iterator[str]:
    from plait.backends.routine import known_routines, routine_owner

    built_in = spec.origin.startswith("plait.")
    found = [r for r in known_routines(spec.name) if not built_in or routine_owner(r) == "plait"]
    if found:
        yield "## Routines"
        yield _table(("routine", "how"), [(f"`{p}`", s) for p, s in sorted((str(r.path), r.summary) for r in found)])
        yield "[Routines](../routines.md) tells how they are named and chosen; each refuses layers that it cannot run."


def _rewrites(spec: LayerSpec) -> Iterator[str]:
    rows = sorted((f"`{name}`", f"`{equation}`") for cls, name, equation in _rules() if issubclass(spec.cls, cls))
    if rows:
        yield "## Rewrites"
        yield _table(("pass", "what becomes what"), rows)


def _rules() -> Iterator[tuple[type[Layer], str, str]]:
    """(kind of layer, pass, equation) of each built-in rewrite. Files are named as the pass that uses them, and so is
    the folder of `canonicalize`."""
    import plait.passes
    from plait.passes.registry import known_passes
    from plait.passes.rewriting.rule import Rule

    for found in pkgutil.walk_packages(plait.passes.__path__, "plait.passes."):
        module = importlib.import_module(found.name)
        home = found.name.split(".")[2].replace("_", "-")
        name = next((n for n in known_passes() if n.startswith(home)), home)
        for rule in vars(module).values():
            if isinstance(rule, Rule) and inspect.getmodule(rule.function) is module:
                for cls in rule.classes:
                    yield cls, name, rule.equation


def _mark(module: str) -> str:
    return f"{_MARK}, from {module.removeprefix('plait.').replace('.', '/')}.py. -->"


def _block(kind: str, text: str) -> str:
    return f"```{kind}\n{text}\n```"


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
