"""Archives: read as `zipfile` reads them, long ones too, and every damage told."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from plait.backends.archive import HUGE, PAGE, ArchiveError, read_archive, write_archive

MEMBERS = {
    "a.txt": [b"hello"],
    "folder/\u00e4.bin": [b"x" * 5000, np.arange(7, dtype=np.float32), b"", memoryview(b"end")],
    "empty": [],
}
BYTES = {name: b"".join(bytes(memoryview(p).cast("B")) if len(p) else b"" for p in ps) for name, ps in MEMBERS.items()}


def write(path: Path) -> Path:
    with open(path, "wb") as file:
        write_archive(file, MEMBERS)  # type: ignore[arg-type]
    return path


def test_members_come_back_as_zipfile_reads_them(tmp_path: Path) -> None:
    path = write(tmp_path / "x.zip")
    found = read_archive(str(path))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {n: archive.read(n) for n in archive.namelist()} == BYTES
    assert {n: bytes(m.data) for n, m in found.items()} == BYTES
    assert all(m.is_whole for m in found.values())


def test_members_lie_on_pages_and_are_mapped(tmp_path: Path) -> None:
    for member in read_archive(str(write(tmp_path / "x.zip"))).values():
        if len(member.data):
            assert np.frombuffer(member.data, np.uint8).ctypes.data % PAGE == 0
            assert member.data.readonly


def test_what_other_programs_write(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, data in BYTES.items():
            archive.writestr(name, data)
    assert {n: bytes(m.data) for n, m in read_archive(str(tmp_path / "x.zip")).items()} == BYTES


def test_equal_members_give_equal_bytes() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        write_archive(file, MEMBERS)  # type: ignore[arg-type]
    assert files[0].getvalue() == files[1].getvalue()


def test_long_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numbers are too long for their fields ZIP64 has them: here every size and place is taken for too long."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 3)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name, data in BYTES.items():
            archive.writestr(name, data)
    data = (tmp_path / "x.zip").read_bytes()
    data = data[:-14] + b"\xff" * 12 + data[-2:]
    (tmp_path / "x.zip").write_bytes(data)
    assert b"PK\x06\x06" in data and b"PK\x06\x07" in data
    assert {n: bytes(m.data) for n, m in read_archive(str(tmp_path / "x.zip")).items()} == BYTES
    for change in (data.replace(b"PK\x06\x07", b"PK\x06\x0f"), data.replace(b"PK\x06\x06", b"PK\x06\x0e")):
        (tmp_path / "x.zip").write_bytes(change)
        with pytest.raises(ArchiveError, match="its directory is damaged"):
            read_archive(str(tmp_path / "x.zip"))


def test_members_longer_than_a_huge_page() -> None:
    rng, file = np.random.default_rng(0), io.BytesIO()
    pieces = [rng.integers(0, 256, n, np.uint8) for n in (HUGE - 9000, 5, 3 * HUGE, 0, HUGE + 77)]
    write_archive(file, {"a": pieces[:1], "b": pieces})
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.read("a") == pieces[0].tobytes()
        assert archive.read("b") == b"".join(p.tobytes() for p in pieces)


def test_a_long_member_lies_on_a_page_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plait.backends.archive.LONG_MEMBER", 1000)
    path = write(tmp_path / "x.zip")
    assert b"\x01\x00\x10\x00" in path.read_bytes()  # the ZIP64 field of a local header
    test_members_lie_on_pages_and_are_mapped(tmp_path)
    assert {n: bytes(m.data) for n, m in read_archive(str(path)).items()} == BYTES


def test_a_number_that_is_nowhere(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "x.zip").read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 42, 0xFFFFFFFF)
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(ArchiveError, match="its directory is damaged"):
        read_archive(str(tmp_path / "x.zip"))


def test_changed_bytes_are_seen(tmp_path: Path) -> None:
    data = bytearray(write(tmp_path / "x.zip").read_bytes())
    data[data.index(b"hello")] ^= 1
    (tmp_path / "x.zip").write_bytes(data)
    found = read_archive(str(tmp_path / "x.zip"))
    assert [n for n, m in found.items() if not m.is_whole] == ["a.txt"]
