"""Runs a function layer by layer through `Layer.reference`: slow, exact, the measure of all kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from plait.backends.errors import RunError
from plait.ir.diagnostics import Diagnostic, PlaitError, did_you_mean
from plait.ir.dims import substitute
from plait.ir.layer import Layer
from plait.ir.module import Function, Module
from plait.ir.numbers import Numbers
from plait.ir.quantization import why_not_integer
from plait.ir.region import Region
from plait.ir.types import ANY_SIZE, OptionalType, SequenceType, TensorType, Type
from plait.ir.values import Array, Constant, Value

Inputs = Mapping[str, Any] | Sequence[Any]
Data = Any
"""An array, for a sequence a list of such, for an optional value also None."""
Observer = Callable[[Value, Data], None]


def evaluate(
    network: Module | Function, inputs: Inputs, *, keep: Iterable[str] | None = None, values: Observer | None = None
) -> dict[str, Data]:
    """Run a network.

    Args:
        network: a module, whose `main` is run, or a function.
        inputs: arrays by argument name, or in the order of the arguments.
        keep: names of further values to return beside the outputs.
        values: called with each result of each layer as soon as it is computed.

    Returns:
        Arrays (lists for sequences, None for optional values that hold nothing) by output name, then by the names in
        `keep`.

    Raises:
        RunError: P401, an input is missing, unknown, or of the wrong dtype or shape, or `keep` names no value.
    """
    module, function = (network, network.main) if isinstance(network, Module) else (Module([network]), network)
    asked = list(keep or ())
    kept: dict[str, Data] = {}

    def observe(value: Value, array: Data) -> None:
        if value.name in wanted:
            kept[value.name] = array
        if values is not None and value.owner is not None:
            values(value, array)

    wanted = set(asked)
    arrays = bind_inputs(function, inputs)
    outputs = _Evaluator(module, observe).run(function.body, arrays, {})
    if missing := sorted(wanted - set(kept)):
        names = [v.name for layer in function.walk() for v in layer.results]
        raise _error(f"there is no value {missing[0]!r} to keep", did_you_mean(missing[0], names))
    return {**dict(zip(function.output_names, outputs, strict=True)), **{name: kept[name] for name in asked}}


class _Evaluator:
    """Runs regions; also what layers with regions and calls see as their `Scope`."""

    def __init__(self, module: Module, observe: Observer) -> None:
        self.module, self.observe = module, observe
        self.live: dict[Value, Data] = {}

    def run(self, region: Region, arguments: Sequence[Data], around: Mapping[Value, Data]) -> tuple[Data, ...]:
        """The outputs of a region; `around` are the values of the regions around it."""
        outer, self.live = self.live, dict(around)
        try:
            for argument, array in zip(region.arguments, arguments, strict=True):
                self.live[argument] = array
                self.observe(argument, array)
            layers = list(region)
            last_use = {value: layer for layer in layers for value in layer.reads()}
            outputs = set(region.outputs)
            for layer in layers:
                results = self.layer(layer)
                for value, array in zip(layer.results, results, strict=True):
                    self.live[value] = array
                    self.observe(value, array)
                for value in {*layer.reads(), *layer.results}:
                    if last_use.get(value, layer) is layer and value not in outputs:
                        self.live.pop(value, None)
            return tuple(_data(v, self.live) for v in region.outputs)
        finally:
            self.live = outer

    def region(self, region: Region, arguments: Sequence[Data]) -> tuple[Data, ...]:
        return self.run(region, arguments, self.live)

    def net(self, name: str, arguments: Sequence[Data]) -> tuple[Data, ...]:
        return self.run(self.module.functions[name].body, arguments, {})

    def layer(self, layer: Layer) -> tuple[Data, ...]:
        operands: list[Any] = [None if v is None else _data(v, self.live) for v in layer.operand_slots()]
        yielded, slots = layer.results, layer.operand_slots()
        whole = why_not_integer(layer) is None
        if not layer.regions() and not all(v.type.is_static for v in layer.operands):
            # Some layers look at their operands' types: let these be the types of the arrays at hand.
            layer = layer.with_operands({v: _concrete(v, self.live) for v in layer.operands})
        try:
            arrays = Numbers(self.constant).compute(layer, slots, yielded, operands, whole, self)
        except PlaitError:
            raise
        except NotImplementedError as error:
            hint = "give its class a method `reference`"
            raise _error(f"{layer.describe()}: the layer {layer.op} has no NumPy reference", hint) from error
        except (ValueError, TypeError, IndexError, MemoryError) as error:
            raise _error(f"{layer.describe()}: {error}") from error
        _check_results(layer, yielded, arrays)
        return arrays

    def constant(self, name: str) -> Array:
        """The elements of a constant that a type names."""
        if name not in self.module.constants:
            raise _error(f"there is no constant @{name}, which a quantized type names")
        return self.module.constants[name].data


def _check_results(layer: Layer, results: Sequence[Value], arrays: Sequence[Data]) -> None:
    """References of plug-ins are as good as their authors: what they give is of the type that the layer infers."""
    if len(arrays) != len(results):
        raise _error(f"{layer.describe()}: the reference gives {len(arrays)} results, not {len(results)}")
    for value, array in zip(results, arrays, strict=True):
        if not isinstance(value.type, TensorType) or value.type.dtype.numpy.kind == "O":
            continue
        # Scalars of NumPy will do for arrays of rank 0.
        is_array = isinstance(array, np.ndarray | np.generic)
        fits = is_array and array.dtype == value.type.dtype.numpy and array.ndim == value.type.rank
        if not fits or any(isinstance(d, int) and d != s for d, s in zip(value.type.shape, array.shape, strict=True)):
            given = f"{array.dtype} of shape {list(array.shape)}" if is_array else type(array).__name__
            raise _error(f"{layer.describe()}: the reference gives {given}, not {value.type} for %{value.name}")


def bind_inputs(function: Function, inputs: Inputs) -> list[Data]:
    """The inputs, as arrays where they are tensors, in the order of the arguments, checked against their types.

    Raises:
        RunError: P401.
    """
    named = _by_name(function, inputs)
    sizes: dict[str, int] = {}
    arrays = []
    for argument in function.arguments:
        arrays.append(_bound(f"input {argument.name!r}", argument.type, named[argument.name], sizes))
    return arrays


def _by_name(function: Function, inputs: Inputs) -> Mapping[str, Any]:
    names = [a.name for a in function.arguments]
    if not isinstance(inputs, Mapping):
        if len(inputs) != len(names):
            raise _error(f"{len(inputs)} inputs given, but there are {len(names)}: {', '.join(names)}")
        return dict(zip(names, inputs, strict=True))
    if strange := [name for name in inputs if name not in names]:
        raise _error(
            f"there is no input {strange[0]!r}; inputs are {', '.join(names) or 'none'}",
            did_you_mean(strange[0], names),
        )
    if missing := [name for name in names if name not in inputs]:
        raise _error(f"input {missing[0]!r} is missing")
    return inputs


def _bound(what: str, wanted: Type, given: Any, sizes: dict[str, int]) -> Data:
    """A value of the type that is wanted, checked; `sizes` collects what the symbols stand for."""
    if isinstance(wanted, OptionalType):
        return None if given is None else _bound(what, wanted.element, given, sizes)
    if isinstance(wanted, SequenceType):
        if not isinstance(given, (list, tuple)):
            raise _error(f"{what} must be a list, for {wanted}; got {type(given).__name__}")
        return [_bound(f"element {i} of {what}", wanted.element, item, sizes) for i, item in enumerate(given)]
    array = np.asarray(given)
    if array.dtype.kind in "UT":
        array = array.astype(object)
    _check(what, wanted, array, sizes)
    return array


def _check(what: str, wanted: Type, array: Array, sizes: dict[str, int]) -> None:
    """Compare an array with a type."""
    if array.dtype != wanted.dtype.numpy:
        module = "ml_dtypes" if wanted.dtype.numpy.kind == "V" else "numpy"
        raise _error(
            f"{what} must be {wanted.dtype} ({wanted.dtype.numpy}), got {array.dtype}",
            f"convert it: x.astype({module}.{wanted.dtype.numpy})",
        )
    fits = array.ndim == wanted.rank
    if fits:
        for dim, size in zip(wanted.shape, array.shape, strict=True):
            name = str(dim)
            if name == ANY_SIZE:
                continue
            if not isinstance(dim, int) and name not in sizes and dim.symbols() == {name}:
                sizes[name] = size
            fits &= substitute(dim, sizes) == size
    if not fits:
        stated = "".join(f", {n} = {s}" for n, s in sizes.items() if n in wanted.symbols())
        shape = ", ".join(map(str, wanted.shape))
        raise _error(f"{what} must have the shape ({shape}){stated}, got {array.shape}")


def _data(value: Value, live: Mapping[Value, Data]) -> Data:
    return value.data if isinstance(value, Constant) else live[value]


def _concrete(value: Value, live: Mapping[Value, Data]) -> Value:
    if isinstance(value, Constant) or not isinstance(value.type, TensorType):
        return value
    return Value(value.name, TensorType(value.type.dtype, live[value].shape))


def _error(message: str, hint: str = "") -> RunError:
    return RunError(Diagnostic("P401", message, hint=hint))
