"""The verifier: structure (single definition, dominance, regions, symbols, known layers) and each layer's own rules.

All findings are returned; nothing stops at the first.
"""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from plait.ir.diagnostics import Diagnostic, IRError, ShapeError, did_you_mean
from plait.ir.layer import Layer, OpaqueLayer
from plait.ir.layers.control import Call
from plait.ir.module import Function, Module
from plait.ir.quantization import parameter_faults
from plait.ir.region import Region
from plait.ir.registry import known_layers
from plait.ir.spelling import name_text
from plait.ir.values import Constant, Value


def verify(module: Module, *, allow_unknown: bool = False) -> None:
    """Raise if the module is not valid.

    Args:
        allow_unknown: accept layers whose kind is not registered.

    Raises:
        IRError: with every finding.
    """
    if found := diagnose(module, allow_unknown=allow_unknown):
        raise IRError(found)


def diagnose(module: Module, *, allow_unknown: bool = False) -> list[Diagnostic]:
    """All findings, in the order of the text."""
    found = [
        Diagnostic(code, message, where=f"@{constant.name}")
        for constant in module.constants.values()
        for code, message in (*_quantization_faults(module, constant), *_misfits(constant))
    ]
    for function in module.functions.values():
        found += _FunctionCheck(module, function, allow_unknown).run()
    return found + _recursion(module)


class _FunctionCheck:
    """The walk over one function; `visible` are the values defined so far in the regions around."""

    def __init__(self, module: Module, function: Function, allow_unknown: bool) -> None:
        self.module, self.function, self.allow_unknown = module, function, allow_unknown
        self.visible: set[Value] = set()
        self.found: list[Diagnostic] = []

    def run(self) -> list[Diagnostic]:
        self.region(self.function.body)
        names, outputs = len(self.function.output_names), len(self.function.outputs)
        if names != outputs:
            message = f"net @{self.function.name} has {outputs} outputs but {names} names for them"
            self.found.append(Diagnostic("P107", message, self.function.span))
        return self.found

    def add(self, code: str, layer: Layer, message: str, hint: str = "") -> None:
        self.found.append(_finding(code, layer, message, hint))

    def region(self, region: Region) -> None:
        defined: list[Value] = list(region.arguments)
        for argument in region.arguments:
            self.argument(argument, region)
            self.visible.add(argument)
        for layer in region:
            self.operands(layer)
            for inner in layer.regions():
                if inner.owner is not layer:
                    self.add("P107", layer, f"a region of {layer.op} belongs to another layer")
                self.region(inner)
            self.layer(layer)
            for result in layer.results:
                if result.owner is not layer:
                    self.add("P107", layer, f"result %{result.name} does not know its layer")
            defined += layer.results
            self.visible.update(layer.results)
        self.outputs(region)
        self.visible.difference_update(defined)

    def argument(self, argument: Value, region: Region) -> None:
        owner = region.owner if isinstance(region.owner, Layer) else None
        faults = [*_quantization_faults(self.module, argument), *_misfits(argument)]
        if argument in self.visible:
            faults.append(("P107", f"%{argument.name} is an argument twice"))
        for code, message in faults:
            if owner is not None:
                self.add(code, owner, message)
            else:
                self.found.append(Diagnostic(code, message, self.function.span))

    def outputs(self, region: Region) -> None:
        for value in region.outputs:
            if value in self.visible or _is_constant_of(self.module, value):
                continue
            message = f"output %{value.name} is not defined in net @{self.function.name}"
            if isinstance(region.owner, Layer):
                self.add("P105", region.owner, f"output %{value.name} is not defined in its region")
            else:
                self.found.append(Diagnostic("P105", message, self.function.span))

    def operands(self, layer: Layer) -> None:
        for value in layer.operands:
            if layer not in value.users:
                self.add("P107", layer, f"{value!r} does not know that this layer uses it")
            if isinstance(value, Constant):
                if not _is_constant_of(self.module, value):
                    self.add("P003", layer, f"constant @{value.name} is not in the module")
            elif value not in self.visible:
                self.add("P004", layer, f"%{value.name} is used before its definition, or outside its region")

    def layer(self, layer: Layer) -> None:
        if not layer.results:
            self.add("P103", layer, f"{layer.op} makes no results, so that nothing can use it")
        if isinstance(layer, OpaqueLayer):
            if not self.allow_unknown:
                hint = did_you_mean(layer.kind, known_layers())
                self.add("P101", layer, f"unknown layer {layer.kind!r}", hint)
        elif isinstance(layer, Call):
            self.call(layer)
        else:
            self.found += check_layer(layer)
        for result in layer.results:
            # Types of unknown layers are checked by nothing else.
            misfits = _misfits(result) if isinstance(layer, OpaqueLayer) else []
            for code, message in (*_quantization_faults(self.module, result), *misfits):
                self.add(code, layer, message)

    def call(self, layer: Call) -> None:
        callee = self.module.functions.get(layer.callee.name)
        if callee is None:
            hint = did_you_mean(str(layer.callee), [f"@{name_text(n)}" for n in self.module.functions])
            self.add("P108", layer, f"there is no net {layer.callee}", hint)
            return
        self.types_agree(layer, "takes", [a.type for a in callee.arguments], [v.type for v in layer.operands])
        self.types_agree(layer, "gives", [v.type for v in callee.outputs], [r.type for r in layer.results])

    def types_agree(self, layer: Call, verb: str, theirs: Sequence[object], ours: Sequence[object]) -> None:
        if list(theirs) != list(ours):
            shown = [", ".join(map(str, types)) for types in (theirs, ours)]
            self.add("P108", layer, f"{layer.callee} {verb} ({shown[0]}), not ({shown[1]})")


def check_layer(layer: Layer) -> list[Diagnostic]:
    """A layer's own rules: inference succeeds, and declared result types agree with it."""
    try:
        inferred = layer.result_types()
    except ShapeError as error:
        return [_finding("P104", layer, f"{layer.op}: {error}")]
    except (ValueError, IndexError, TypeError) as error:  # an operand of an unexpected rank
        return [_finding("P104", layer, f"{layer.op}: operands do not fit together ({error})")]
    if len(inferred) != len(layer.results):
        plural = "" if len(inferred) == 1 else "s"
        return [_finding("P103", layer, f"{layer.op} makes {len(inferred)} result{plural}, not {len(layer.results)}")]
    found = []
    for value, wanted in zip(layer.results, inferred, strict=True):
        if not value.type.same_logical(wanted):
            found.append(
                _finding(
                    "P103",
                    layer,
                    f"%{value.name} is declared {value.type} but {layer.op} gives {wanted}",
                    "correct the type after ':', or leave it out to have it inferred",
                )
            )
        else:
            found += [_finding(code, layer, message) for code, message in _misfits(value)]
    return found


def _misfits(value: Value) -> list[tuple[str, str]]:
    """What is wrong with a type by itself: layouts for another rank, negative dimensions."""
    found = []
    for tensor in value.type.tensors():
        if tensor.layout.rank not in (None, tensor.rank):
            found.append(("P106", f"layout {tensor.layout} does not fit rank {tensor.rank}"))
        if any(isinstance(d, int) and d < 0 for d in tensor.shape):
            sign = "@" if isinstance(value, Constant) else "%"
            found.append(("P103", f"{sign}{value.name} has a negative dimension: {tensor}"))
    return found


def _quantization_faults(module: Module, value: Value) -> list[tuple[str, str]]:
    """Constants that a quantized type names and the module lacks, or that do not fit it."""
    sign = "@" if isinstance(value, Constant) else "%"
    found = []
    for tensor in value.type.tensors():
        names = tensor.constant_names()
        missing = [name for name in names if name not in module.constants]
        for name in missing:
            message = f"the type of {sign}{value.name} names @{name}, which is not a constant of the module"
            found.append(("P003", message))
        if names and not missing:
            types = {name: module.constants[name].type for name in names}
            found += [("P006", f"the type of {sign}{value.name}: {fault}") for fault in parameter_faults(tensor, types)]
    return found


def _recursion(module: Module) -> list[Diagnostic]:
    """A chain of calls that leads back to where it starts, if there is one."""
    calls = {
        name: {layer.callee.name: layer for layer in function.walk() if isinstance(layer, Call)}
        for name, function in module.functions.items()
    }
    try:
        graphlib.TopologicalSorter(calls).prepare()
    except graphlib.CycleError as error:
        # Each element is called by the next; the last is the first again.
        names = error.args[1][::-1]
        names = [*names[(first := names.index(min(names))) : -1], *names[:first], names[first]]
        chain = " -> ".join(f"@{name}" for name in names)
        return [_finding("P108", calls[names[-2]][names[-1]], f"nets must not call themselves: {chain}")]
    return []


def _is_constant_of(module: Module, value: Value) -> bool:
    return isinstance(value, Constant) and module.constants.get(value.name) is value


def _finding(code: str, layer: Layer, message: str, hint: str = "") -> Diagnostic:
    where = layer.describe() if layer.span is None else ""
    if layer.span is None and layer.locations:
        where += f" from {layer.locations[0]}"
    return Diagnostic(code, message, layer.span, where, hint)
