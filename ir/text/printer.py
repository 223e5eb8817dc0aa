"""From modules to text. Deterministic, and works on invalid modules too."""

from __future__ import annotations

from collections.abc import Iterable

from plait.ir.attributes import attribute_text, quote
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.literals import is_inline, literal_text
from plait.ir.module import Function, Module
from plait.ir.spelling import name_text as _spell
from plait.ir.types import TensorType
from plait.ir.values import Constant, Value

_WIDTH = 120


def print_module(module: Module, *, locations: bool = True, weights_hash: str = "") -> str:
    """The text form of a module."""
    blocks = ["ir 1"]
    inline = [c for c in module.constants.values() if is_inline(c.type)]
    external = [c for c in module.constants.values() if not is_inline(c.type)]
    if external:
        hashed = f" {weights_hash}" if weights_hash else ""
        rows = "".join(f"  {_const(c)} : {constant_type(c.type)}\n" for c in external)
        blocks.append(f"weights {quote(module.weights_file or '')}{hashed} {{\n{rows}}}")
    if inline:
        blocks.append(
            "\n".join(
                f"const {_const(c)} : {constant_type(c.type)} = {literal_text(c.data, c.type.dtype)}" for c in inline
            )
        )
    blocks += [_function(f, locations) for f in module.functions.values()]
    return "\n".join(blocks) + "\n"


def constant_type(type: TensorType) -> str:
    """Type of a constant: always row-major, so no layout is written."""
    return f"{type.dtype}[{'x'.join(str(d) for d in type.shape)}]"


def layer_text(layer: Layer, names: Names | None = None, *, locations: bool = True) -> str:
    """One layer as one line (wrapped before `via` if it would be long)."""
    names = names or Names((*layer.operands, *layer.results))
    text = ", ".join(f"%{names[r]}" for r in layer.results)
    text += f" = {layer.op}({', '.join(_operands(layer, names))})"
    if attributes := layer.attributes():
        text += " {" + ", ".join(f"{k} = {attribute_text(v)}" for k, v in attributes.items()) + "}"
    text += " : " + ", ".join(str(r.type) for r in layer.results)
    tail = ""
    if layer.via:
        tail += f" via {layer.via}"
    if layer.cost_us is not None:
        tail += f" !{layer.cost_us:.2f}us"
    if locations and layer.locations:
        tail += " loc " + " + ".join(f"{quote(place.file)}:{quote(place.name)}" for place in layer.locations)
    if tail and len(text) + len(tail) + 2 > _WIDTH:
        return f"{text}\n     {tail}"
    return text + tail


class Names:
    """Unique printed names: the first value with a name keeps it, later ones get `.1`, `.2`, ..."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._names: dict[Value, str] = {}
        taken: set[str] = set()
        for value in values:
            if value in self._names or isinstance(value, Constant):
                continue
            base, n = value.name or "v", 0
            name = base
            while name in taken:
                n += 1
                name = f"{base}.{n}"
            taken.add(name)
            self._names[value] = _spell(name)

    def __getitem__(self, value: Value) -> str:
        return self._names.get(value) or _spell(f"{value.name}?undefined")

    def operand(self, value: Value) -> str:
        """`%name` or `@name`."""
        return _const(value) if isinstance(value, Constant) else f"%{self[value]}"


def _function(function: Function, locations: bool) -> str:
    names = Names([*function.arguments, *(r for layer in function for r in layer.results)])
    arguments = ", ".join(f"%{names[a]}: {a.type}" for a in function.arguments)
    outputs = ", ".join(_output(v, n, names) for v, n in zip(function.outputs, function.output_names, strict=True))
    rows = "".join(f"  {layer_text(layer, names, locations=locations)}\n" for layer in function)
    return f"net @{_spell(function.name)}({arguments}) -> ({outputs}) {{\n{rows}}}"


def _output(value: Value, name: str, names: Names) -> str:
    shown = f"{names.operand(value)}: {value.type if not isinstance(value, Constant) else constant_type(value.type)}"
    return shown if names.operand(value)[1:] == _spell(name) else f"{quote(name)} = {shown}"


def _operands(layer: Layer, names: Names) -> Iterable[str]:
    """Positional up to the first absent operand, then `field = %value`."""
    if isinstance(layer, OpaqueLayer):
        return [names.operand(v) for v in layer.operands]
    shown, gap = [], False
    for spec in layer.spec.operands:
        field = getattr(layer, spec.name)
        if spec.variadic:
            shown += [names.operand(v) for v in field]
        elif field is None:
            gap = True
        else:
            shown.append(f"{spec.name} = {names.operand(field)}" if gap else names.operand(field))
    return shown


def _literal(constant: Constant) -> str:
    return literal_text(constant.data, constant.type.dtype)


def _const(value: Value) -> str:
    return f"@{_spell(value.name)}"
