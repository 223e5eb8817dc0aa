"""Samples for calibration: from files and folders, from arrays, or random ones where there are none.

Samples are read one by one, again each time that they are asked for, so that there may be more than memory holds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import attrs
import numpy as np

from plait.backends.errors import RunError
from plait.backends.reference.evaluate import bind_inputs
from plait.backends.runner import random_inputs
from plait.ir.diagnostics import Diagnostic, join_names
from plait.ir.module import Function
from plait.ir.types import TensorType
from plait.ir.values import Array, Value
from plait.passes.quantize.types import QuantizationError
from plait.tuning.calibration import Sample, Samples
from plait.tuning.pictures import PICTURES, Pictures, read_picture

ARRAYS = (".npy", ".npz")
Given: TypeAlias = "str | PathLike[str] | int | Mapping[str, Array] | Array | Iterable[Mapping[str, Array] | Array]"
"""What callers may give: a file or folder, a number of random samples, a batch, or samples."""


def samples_of(function: Function, given: Given, pictures: Pictures | None = None, seed: int = 0) -> Samples:
    """What gives the samples of a function.

    Args:
        given: a folder of `.npy` and `.npz` files and pictures, or one such file; a number of random samples; arrays by
            input, or the array of the only input, with any number of samples one after the other; or a collection of
            such.
        pictures: how pictures become arrays.
        seed: of random samples.

    Raises:
        QuantizationError: P520, there is nothing that can be read.
    """
    if isinstance(given, (str, PathLike)):
        files = _files(Path(given))
        return lambda: _checked(function, (part for f in files for part in _read(function, f, pictures or Pictures())))
    if isinstance(given, int):
        types = {a.name: a.type for a in function.arguments}
        return lambda: (random_inputs(types, seed + i) for i in range(given))
    if isinstance(given, (Mapping, np.ndarray)):
        return lambda: _checked(function, [(_named(function, given, ""), "")])
    kept = list(given)  # an iterator would be used up by the first pass
    return lambda: _checked(function, ((_named(function, item, ""), "") for item in kept))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.exists():
            raise _error("there is no such file or folder", path)
        return [path]
    found = sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in (*ARRAYS, *PICTURES))
    if not found:
        raise _error("holds no samples", path, f"files of {join_names((*ARRAYS, *PICTURES), 9)} are read")
    return found


_Batch = tuple[Mapping[str, Array], str]
"""Arrays by input, and where they are from."""


def _read(function: Function, path: Path, pictures: Pictures) -> Iterator[_Batch]:
    if path.suffix.lower() in PICTURES:
        argument = _only_input(function, path)
        yield {argument.name: read_picture(path, argument.type, pictures)}, str(path)
        return
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile):
        hint = "such files are what numpy.save and numpy.savez write"
        raise _error("cannot be read as an .npy or .npz file", path, hint) from None
    if isinstance(found, np.ndarray):
        yield {_only_input(function, path).name: found}, str(path)
        return
    with found:
        try:
            yield _named(function, {name: found[name] for name in found.files}, str(path)), str(path)
        except ValueError as error:
            raise _error(f"cannot be read: {error}", path) from None


def _only_input(function: Function, path: Path) -> Value:
    if len(function.arguments) == 1:
        return function.arguments[0]
    names = join_names([a.name for a in function.arguments])
    raise _error(f"the network has several inputs: {names}", path, "give .npz files with an array for each of them")


def _named(function: Function, given: Mapping[str, Array] | Array, where: str) -> Mapping[str, Array]:
    """Arrays by input; of a single input the name does not matter."""
    names = [a.name for a in function.arguments]
    if not isinstance(given, Mapping):
        given = {"": given}
    if len(names) == 1 and len(given) == 1 and (names[0] in given or set(given) <= {"", "arr_0"}):
        return {names[0]: np.asarray(next(iter(given.values())))}
    if missing := [n for n in names if n not in given]:
        has = join_names(list(given)) or "nothing"
        raise _error(f"there is no array for input {missing[0]!r}", where, f"there are {has}")
    return {n: np.asarray(given[n]) for n in names}


def _checked(function: Function, batches: Iterable[_Batch]) -> Iterator[Sample]:
    """The samples of batches, each of them fit for the function."""
    for batch, where in batches:
        parts = {a.name: _split(a, batch[a.name]) for a in function.arguments}
        counts = {len(p) for p in parts.values()}
        if len(counts) > 1:
            told = join_names([f"{len(p)} of {n}" for n, p in parts.items()])
            raise _error(f"inputs hold different numbers of samples: {told}", where)
        for i in range(max(counts, default=0)):
            sample = {name: arrays[i] for name, arrays in parts.items()}
            try:
                bind_inputs(function, sample)
            except RunError as error:
                raise RunError([attrs.evolve(d, where=where or d.where) for d in error.diagnostics]) from None
            yield sample


def _split(argument: Value, data: Array) -> Sequence[Array]:
    """An array in parts that the argument can take: along the first axis, if it holds several. What fits in no way is
    left as it is, to be refused with all that is wrong."""
    wanted = argument.type
    if not isinstance(wanted, TensorType) or not wanted.is_static:
        return [data]
    both_floats = data.dtype.kind == "f" and wanted.dtype.is_float
    dtype = wanted.dtype.numpy if both_floats else data.dtype
    shape = wanted.static_shape
    if data.shape == shape[1:] and shape[:1] == (1,):
        data = data[None]
    if not shape or data.ndim != len(shape) or data.shape[1:] != shape[1:] or not shape[0] or data.shape[0] % shape[0]:
        return [np.asarray(data, dtype)]
    return _Parts(data, shape[0], dtype)


@attrs.frozen(eq=False)
class _Parts(Sequence[Array]):
    """Equal parts of an array, which are read when they are asked for."""

    data: Array
    size: int
    dtype: np.dtype[np.generic]

    def __len__(self) -> int:
        return len(self.data) // self.size

    def __getitem__(self, index: int) -> Array:  # type: ignore[override]
        start = range(len(self))[index] * self.size
        return np.asarray(self.data[start : start + self.size], self.dtype)


def _error(message: str, where: object, hint: str = "") -> QuantizationError:
    return QuantizationError(Diagnostic("P520", message, where=str(where), hint=hint))
