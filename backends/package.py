"""Packages: a tuned model in one `.plait` file. See docs/design/package.md.

An archive (`plait.backends.archive`) with the members

    manifest.json               format version, producer, sha256 of each member, plans by device key
    weights.safetensors         original weights
    plans/<device key>.ir       the IR text with routines, one for each class of machine and number of threads
    reports/<device key>.json   the tuning report of that plan
    programs/<device key>.json  that plan lowered for one build of the kernels (may be absent)
    packed.bin                  packed weights of all programs, equal ones once (may be absent)

There is no code in a package: routines and kernels are named, and resolved against what is installed. Equal content
gives equal bytes. Writing is in `plait.backends.package_writer`.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from plait.backends.archive import ArchiveError, Member, read_archive
from plait.backends.stored import Stored, constants, decode, executable, why_stale, why_unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from plait.backends.errors import PackageError
    from plait.backends.executable import Executable
    from plait.ir.module import Module
    from plait.ir.types import TensorType
    from plait.ir.values import Array

FORMAT = 1
WEIGHTS = "weights.safetensors"
PACKED = "packed.bin"


class Package:
    """A package that was opened: plans by device key, weights mapped. Members are checked when they are read."""

    def __init__(self, path: str, manifest: dict[str, Any], members: dict[str, Member]) -> None:
        self.path = path
        self.manifest = manifest
        self.members = members

    @property
    def plans(self) -> tuple[str, ...]:
        """Device keys of the plans inside."""
        return tuple(sorted(self.manifest["plans"]))

    @property
    def machines(self) -> dict[str, str]:
        """What machines the kinds in device keys stand for (see `plait.backends.profiling.machine`)."""
        return dict(self.manifest.get("machines", {}))

    def module(self, device_key: str) -> Module:
        """The IR of one plan, its weights mapped.

        Raises:
            PackageError: there is no such plan, or it is damaged.
            IRError: the text is not valid.
        """
        from plait.ir.text.parser import parse_module
        from plait.ir.weights import views

        text = self.text(device_key)

        def loader(file: str, digest: str, declared: dict[str, TensorType]) -> dict[str, Callable[[], Array]]:
            return views(self.members[WEIGHTS].data, declared, file)

        return parse_module(text, f"{os.path.basename(self.path)}:{device_key}.ir", weights=loader)

    def text(self, device_key: str) -> str:
        """The IR text of one plan.

        Raises:
            PackageError: there is no such plan, or it is damaged.
        """
        return self._text(f"plans/{device_key}.ir")

    def report(self, device_key: str) -> dict[str, Any]:
        """The tuning report of one plan, as JSON data.

        Raises:
            PackageError: there is no such plan, or it is damaged.
        """
        report: dict[str, Any] = json.loads(self._text(f"reports/{device_key}.json"))
        return report

    def why_no_program(self, device_key: str) -> str:
        """Why opening this plan lowers its IR rather than run a stored program; an empty string if it does not.

        Raises:
            PackageError: there is no such plan, or it is damaged.
        """
        found = self._record(device_key)
        return "none is stored" if found is None else why_unusable(found, self._plan_text(device_key))

    def program(self, device_key: str) -> Executable | None:
        """The stored program of a plan, its constants mapped; None where the IR must be lowered.

        Raises:
            PackageError: there is no such plan, or it is damaged.
        """
        record = self._record(device_key)
        if record is None or why_unusable(record, self._plan_text(device_key)):
            return None
        try:
            return executable(record, constants(record, self._packed()))
        except (KeyError, TypeError, ValueError):
            raise self.damaged(f"the program of {device_key} is malformed") from None

    def stored(self, device_key: str) -> Stored | None:
        """The program of a plan whether it can run here or not, for another package; None if there is none.

        Raises:
            PackageError: it is damaged.
        """
        record = self._record(device_key)
        if record is None or why_stale(record, self._plan_text(device_key)):
            return None
        try:
            arrays = constants(record, self._packed())
        except (KeyError, TypeError, ValueError):
            raise self.damaged(f"the program of {device_key} is malformed") from None
        return Stored({k: v for k, v in record.items() if k not in ("plan", "constants")}, arrays)

    def verify(self) -> None:
        """Check the hash of every member, and that programs are readable.

        Raises:
            PackageError: one differs.
        """
        for name in self.manifest["members"]:
            self._hashed(name)
        for key in self.plans:
            self._record(key)

    def damaged(self, reason: str) -> PackageError:
        """The error that says so."""
        return package_error(self.path, reason)

    def _record(self, device_key: str) -> dict[str, Any] | None:
        member = self.members.get(f"programs/{device_key}.json")
        if member is None:
            return None
        if not member.is_whole:
            raise self.damaged(f"member programs/{device_key}.json is damaged")
        try:
            return decode(member.data)
        except (ValueError, RecursionError):
            raise self.damaged(f"the program of {device_key} is malformed") from None

    def _packed(self) -> memoryview:
        return self.members[PACKED].data if PACKED in self.members else memoryview(b"")

    def _plan_text(self, device_key: str) -> memoryview:
        return self._member(f"plans/{device_key}.ir").data

    def _text(self, name: str) -> str:
        self._member(name)
        return str(self._hashed(name), "utf-8")

    def _member(self, name: str) -> Member:
        if name not in self.members:
            raise self.damaged(f"the package has no {name}")
        return self.members[name]

    def _hashed(self, name: str) -> memoryview:
        import hashlib

        data = self.members[name].data
        if hashlib.sha256(data).hexdigest() != self.manifest["members"][name]:
            raise self.damaged(f"member {name} does not have the hash that the manifest states")
        return data


def open_package(path: str | os.PathLike[str]) -> Package:
    """Map a package and check its structure and manifest.

    Raises:
        PackageError: P402, not a package, damaged, or of an unsupported version.
    """
    path = os.fspath(path)
    try:
        members = read_archive(path)
    except ArchiveError as error:
        raise package_error(path, str(error)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise package_error(path, f"cannot be read as a package: {reason}") from None
    manifest = _manifest(path, members)
    if strange := sorted(members.keys() - manifest["members"].keys() - {"manifest.json"}):
        raise package_error(path, f"member {strange[0]} is not in the manifest")
    for name in manifest["members"]:
        if name not in members:
            raise package_error(path, f"member {name} is missing")
    return Package(path, manifest, members)


def package_error(path: str, reason: str) -> PackageError:
    """P402 of a package."""
    from plait.backends.errors import PackageError
    from plait.ir.diagnostics import Diagnostic

    return PackageError(Diagnostic("P402", reason, where=path))


def _manifest(path: str, members: dict[str, Member]) -> dict[str, Any]:
    try:
        if not members["manifest.json"].is_whole:
            raise package_error(path, "its manifest is damaged")
        manifest = json.loads(str(members["manifest.json"].data, "utf-8"))
        version, listed, plans = manifest["format"], manifest["members"], manifest["plans"]
        machines = manifest.get("machines", {})
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise package_error(path, "it has no readable manifest") from None
    if version != FORMAT:
        raise package_error(path, f"the package has format {version}, this is for format {FORMAT}")
    if (
        not isinstance(listed, dict)
        or not isinstance(machines, dict)
        or not isinstance(plans, list)
        or not all(isinstance(x, str) for x in (*listed.values(), *machines.values(), *plans))
    ):
        raise package_error(path, "its manifest is malformed")
    return dict(manifest)
