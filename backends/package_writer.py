"""Writing packages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from plait.backends.archive import Pieces, write_archive
from plait.backends.package import FORMAT, PACKED, WEIGHTS
from plait.backends.stored import Stored, encode
from plait.ir.files import atomic_write
from plait.ir.literals import is_inline
from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.ir.types import TensorType
from plait.ir.values import Array
from plait.ir.weights import write_weights_to


@attrs.frozen(eq=False)
class Plan:
    """What a package has for one device key: the tuned module, its report as JSON data, and maybe its program."""

    module: Module
    report: dict[str, Any]
    program: Stored | None = None


def save_package(
    path: str | Path, plans: Mapping[str, Plan], *, producer: str, machines: Mapping[str, str] | None = None
) -> None:
    """Write a package atomically.

    Args:
        plans: by device key. The modules share their constants.
        machines: what machines the kinds in device keys stand for, as far as known.

    Raises:
        ValueError: two modules have different constants of one name.
    """
    members: dict[str, Pieces] = {}
    packed = _Packed()
    for key, plan in sorted(plans.items()):
        text = text_in_package(plan.module).encode()
        members[f"plans/{key}.ir"] = [text]
        members[f"reports/{key}.json"] = [json.dumps(plan.report, indent=1, sort_keys=True).encode()]
        if plan.program is not None:
            places = [packed.place(c) for c in plan.program.constants]
            members[f"programs/{key}.json"] = [encode(plan.program, places, text)]
    if packed.pieces:
        members[PACKED] = packed.pieces
    weights = _Collected()
    write_weights_to(weights, _constants(plan.module for plan in plans.values()))
    members[WEIGHTS] = weights.pieces
    manifest = {
        "format": FORMAT,
        "producer": producer,
        "plans": sorted(plans),
        "machines": dict(machines or {}),
        "members": {name: _digest(pieces) for name, pieces in sorted(members.items())},
    }
    first = {"manifest.json": [json.dumps(manifest, indent=1, sort_keys=True).encode()]}
    with atomic_write(path) as file:
        write_archive(file, first | dict(sorted(members.items())))


class _Collected:
    """What is written to it, in memory that others own."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []

    def write(self, data: Any) -> None:
        self.pieces.append(data)


class _Packed:
    """The member of packed weights: constants one after another on 64 bytes, equal ones once."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self._size = 0
        self._known: dict[bytes, tuple[int, int]] = {}

    def place(self, data: Array) -> tuple[int, int]:
        """Offset and size of a constant in the member."""
        digest = hashlib.sha256(data.data).digest()
        if digest not in self._known:
            self._known[digest] = (self._size, data.nbytes)
            gap = bytes(-data.nbytes % 64)
            self.pieces += [data, gap] if gap else [data]
            self._size += data.nbytes + len(gap)
        return self._known[digest]


def _constants(modules: Iterable[Module]) -> dict[str, tuple[TensorType, Array]]:
    tensors: dict[str, tuple[TensorType, Array]] = {}
    for module in modules:
        for constant in module.constants.values():
            if is_inline(constant.type):
                continue
            type, known = tensors.setdefault(constant.name, (constant.type, constant.data))
            if type != constant.type or (known is not constant.data and known.tobytes() != constant.data.tobytes()):
                raise ValueError(
                    f"the plans have different constants @{constant.name}; they are not plans of one model"
                )
    return tensors


def text_in_package(module: Module) -> str:
    """The text of a plan as packages have it."""
    file, module.weights_file = module.weights_file, WEIGHTS
    try:
        return print_module(module)
    finally:
        module.weights_file = file


def _digest(pieces: Pieces) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
