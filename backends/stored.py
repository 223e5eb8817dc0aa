"""Executables as they are stored in a package: a JSON record of steps, and constants that lie in another member.

A record fits one build of the kernels, one instruction set and one IR text. Where one of these differs, the IR is
lowered instead.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from plait.backends.executable import Call, Executable, Port
from plait.kernels_pyx import isa_level, version_hash

if TYPE_CHECKING:
    from plait.ir.values import Array

SCHEMA = "program/1"
"""Also changes when the lowering of routines is mended in a way that old records must not outlive."""


class Stored(NamedTuple):
    """A record without the places of its constants, and the constants."""

    record: dict[str, Any]
    constants: tuple[Array, ...]


def store(executable: Executable) -> Stored | None:
    """The record of an executable; None if layers are computed by Python, which no package holds."""
    if not all(isinstance(step, Call) for step in executable.steps):
        return None
    record = {
        "schema": SCHEMA,
        "kernels": version_hash(),
        "isa": isa_level(),
        "threads": executable.threads,
        "inputs": [_port_data(p) for p in executable.inputs],
        "outputs": [_port_data(p) for p in executable.outputs],
        "layers": executable.layers,
        "arena": executable.arena_bytes,
        "steps": [[step.kernel, step.values, step.layer] for step in executable.steps if isinstance(step, Call)],
    }
    return Stored(record, executable.constants)


def encode(stored: Stored, places: Sequence[tuple[int, int]], plan: bytes) -> bytes:
    """The member of a package: the record with the (offset, bytes) of its constants, bound to the text of a plan."""
    record = {**stored.record, "plan": zlib.crc32(plan), "constants": places}
    return json.dumps(record, separators=(",", ":"), sort_keys=True).encode()


def decode(data: memoryview) -> dict[str, Any]:
    """The record in a member.

    Raises:
        ValueError: it is not JSON data.
    """
    record = json.loads(str(data, "utf-8"))
    if not isinstance(record, dict):
        raise ValueError("not a record")
    return record


def why_stale(record: dict[str, Any], plan: memoryview) -> str:
    """Why a record does not stand for the text of its plan; an empty string if it does."""
    if record.get("schema") != SCHEMA:
        return "it has another format"
    return "the plan was changed" if record.get("plan") != zlib.crc32(plan) else ""


def why_unusable(record: dict[str, Any], plan: memoryview) -> str:
    """Why a record cannot run here in place of the text of its plan; an empty string if it can."""
    if reason := why_stale(record, plan):
        return reason
    if record.get("isa") != isa_level():
        return f"it is for {record.get('isa')}, this process uses {isa_level()}"
    return "" if record.get("kernels") == version_hash() else "it is for other kernels"


def constants(record: dict[str, Any], packed: memoryview) -> tuple[Array, ...]:
    """The constants of a record where they lie in the member that has them.

    Raises:
        ValueError: one lies outside, or not on 64 bytes.
    """
    whole = np.frombuffer(packed, np.uint8) if len(packed) else np.empty(0, np.uint8)
    for offset, size in record["constants"]:
        if not 0 <= offset <= offset + size <= len(whole) or offset % 64:
            raise ValueError(f"no constant lies at {offset}")
    return tuple(whole[offset : offset + size] for offset, size in record["constants"])


def executable(record: dict[str, Any], arrays: tuple[Array, ...]) -> Executable:
    """The executable of a record with its constants.

    Raises:
        KeyError, TypeError, ValueError: the record is malformed.
    """
    return Executable(
        record["threads"],
        tuple(_port(p) for p in record["inputs"]),
        tuple(_port(p) for p in record["outputs"]),
        record["layers"],
        record["arena"],
        tuple(Call(kernel, values, layer) for kernel, values, layer in record["steps"]),
        arrays,
    )


def _port_data(port: Port) -> list[Any]:
    return [port.name, port.type, port.dtype.name, port.shape, port.logical]


def _port(data: Sequence[Any]) -> Port:
    name, type, dtype, shape, logical = data
    return Port(name, type, _dtype(dtype), tuple(shape), tuple(logical))


def _dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes  # noqa: F401  (gives NumPy the names of its types)

        return np.dtype(name)
