"""Packages: a tuned model in one `.plait` file.

A ZIP whose members are stored, not compressed, and page-aligned, so that weights are mapped rather than read:

    manifest.json              format version, producer, sha256 of each member, plans by device key
    weights.safetensors        original weights
    plans/<device key>.ir      the IR text with routines, one for each class of machine and number of threads
    reports/<device key>.json  the tuning report of that plan

There is no code in a package: routines are named, and resolved against what is installed. Equal content gives equal
bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from plait.backends.errors import PackageError
from plait.ir.diagnostics import Diagnostic
from plait.ir.files import atomic_write
from plait.ir.literals import is_inline
from plait.ir.module import Module
from plait.ir.text.parser import parse_module
from plait.ir.text.printer import print_module
from plait.ir.types import TensorType
from plait.ir.values import Array
from plait.ir.weights import views, write_weights_to

FORMAT = 1
_PAGE = 4096
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WEIGHTS = "weights.safetensors"


@attrs.frozen(eq=False)
class Package:
    """A package that was opened: plans by device key, weights mapped."""

    path: Path
    manifest: dict[str, Any]
    members: dict[str, memoryview]

    @property
    def plans(self) -> tuple[str, ...]:
        """Device keys of the plans inside."""
        return tuple(sorted(self.manifest["plans"]))

    def module(self, device_key: str) -> Module:
        """The IR of one plan, its weights mapped.

        Raises:
            PackageError: there is no such plan.
            IRError: the text is not valid.
        """
        text = self._text(f"plans/{device_key}.ir")

        def loader(file: str, digest: str, declared: dict[str, TensorType]) -> dict[str, Callable[[], Array]]:
            return views(self.members[_WEIGHTS], declared, file)

        return parse_module(text, f"{self.path.name}:{device_key}.ir", weights=loader)

    def report(self, device_key: str) -> dict[str, Any]:
        """The tuning report of one plan, as JSON data."""
        report: dict[str, Any] = json.loads(self._text(f"reports/{device_key}.json"))
        return report

    def verify(self) -> None:
        """Check the hash of every member.

        Raises:
            PackageError: one differs.
        """
        for name, digest in self.manifest["members"].items():
            if hashlib.sha256(self.members[name]).hexdigest() != digest:
                raise _damaged(self.path, f"member {name} does not have the hash that the manifest states")

    def _text(self, member: str) -> str:
        if member not in self.members:
            raise PackageError(Diagnostic("P402", f"the package has no {member}", where=str(self.path)))
        return str(self.members[member], "utf-8")


def save_package(path: str | Path, plans: Mapping[str, tuple[Module, dict[str, Any]]], *, producer: str) -> None:
    """Write a package atomically.

    Args:
        plans: device key -> (tuned module, report as JSON data). The modules share their constants.

    Raises:
        ValueError: two modules have different constants of one name.
    """
    members: dict[str, bytes] = {}
    tensors: dict[str, tuple[TensorType, Array]] = {}
    for key, (module, report) in sorted(plans.items()):
        for constant in module.constants.values():
            if is_inline(constant.type):
                continue
            type, known = tensors.setdefault(constant.name, (constant.type, constant.data))
            if type != constant.type or (known is not constant.data and known.tobytes() != constant.data.tobytes()):
                raise ValueError(
                    f"the plans have different constants @{constant.name}; they are not plans of one model"
                )
        members[f"plans/{key}.ir"] = _text_in_package(module).encode()
        members[f"reports/{key}.json"] = json.dumps(report, indent=1, sort_keys=True).encode()
    weights = io.BytesIO()
    write_weights_to(weights, tensors)
    members[_WEIGHTS] = weights.getbuffer()  # type: ignore[assignment]
    manifest = {
        "format": FORMAT,
        "producer": producer,
        "plans": sorted(plans),
        "members": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(members.items())},
    }
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "manifest.json", json.dumps(manifest, indent=1, sort_keys=True).encode())
        for name, data in sorted(members.items()):
            _add(archive, name, data)


def _text_in_package(module: Module) -> str:
    file, module.weights_file = module.weights_file, _WEIGHTS
    try:
        return print_module(module)
    finally:
        module.weights_file = file


def open_package(path: str | Path) -> Package:
    """Map a package. The structure, and the hashes of all members but the weights, are checked.

    Raises:
        PackageError: P402, not a package, damaged, or of an unsupported version.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        members = _members(path, data)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _damaged(path, f"cannot be read as a package: {reason}") from None
    manifest = _manifest(path, members)
    if strange := sorted(members.keys() - manifest["members"].keys() - {"manifest.json"}):
        raise _damaged(path, f"member {strange[0]} is not in the manifest")
    for name, digest in manifest["members"].items():
        if name not in members:
            raise _damaged(path, f"member {name} is missing")
        if name != _WEIGHTS and hashlib.sha256(members[name]).hexdigest() != digest:
            raise _damaged(path, f"member {name} does not have the hash that the manifest states")
    return Package(path, manifest, members)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    # A ZIP member's data follow its local header (30 bytes, name, extra field): the extra field pads to the next page.
    assert archive.fp is not None
    start = archive.fp.tell() + 30 + len(name.encode()) + 4
    fill = -start % _PAGE
    info.extra = b"\xff\xff" + fill.to_bytes(2, "little") + bytes(fill)
    archive.writestr(info, data)


def _members(path: Path, data: memoryview) -> dict[str, memoryview]:
    members: dict[str, memoryview] = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.compress_type != zipfile.ZIP_STORED:
                raise _damaged(path, f"member {info.filename} is compressed")
            head = data[info.header_offset : info.header_offset + 30]
            start = (
                info.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            )
            if bytes(head[:4]) != b"PK\x03\x04" or start + info.file_size > len(data) or info.filename in members:
                raise _damaged(path, f"member {info.filename} is damaged")
            members[info.filename] = data[start : start + info.file_size]
            # All other members have a hash in the manifest.
            if info.filename == "manifest.json" and zlib.crc32(members[info.filename]) != info.CRC:
                raise _damaged(path, "its manifest is damaged")
    return members


def _manifest(path: Path, members: dict[str, memoryview]) -> dict[str, Any]:
    try:
        manifest = json.loads(str(members["manifest.json"], "utf-8"))
        version, listed, plans = manifest["format"], manifest["members"], manifest["plans"]
    except (KeyError, TypeError, ValueError, RecursionError):
        raise _damaged(path, "it has no readable manifest") from None
    if version != FORMAT:
        raise PackageError(
            Diagnostic("P402", f"the package has format {version}, this is for format {FORMAT}", where=str(path))
        )
    if (
        not isinstance(listed, dict)
        or not isinstance(plans, list)
        or not all(isinstance(x, str) for x in (*listed.values(), *plans))
    ):
        raise _damaged(path, "its manifest is malformed")
    return dict(manifest)


def _damaged(path: Path, reason: str) -> PackageError:
    return PackageError(Diagnostic("P402", reason, where=str(path)))
