"""Archives: ZIP files whose members are stored, not compressed, on pages of their own, so that they can be mapped.

Any ZIP tool opens them. Reading is done here rather than by `zipfile` because importing that takes longer than opening
a package; writing, which has time, uses it.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from zipfile import ZipFile

PAGE = 4096
HUGE = 2 << 20
"""Size of huge pages."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
LONG_MEMBER = 1 << 30
"""Members of so many bytes have ZIP64 sizes, which the format demands from 4 GiB."""
_LONG = 0xFFFF_FFFF
"""Stands where a number is too long for its field and follows in the ZIP64 extra field."""


class ArchiveError(ValueError):
    """A file is no such archive, or damaged."""


class Member(NamedTuple):
    """The bytes of a member, mapped, and the CRC-32 that the archive states for them."""

    data: memoryview
    crc: int

    @property
    def is_whole(self) -> bool:
        """Whether the bytes have the stated CRC-32."""
        return zlib.crc32(self.data) == self.crc


def read_archive(path: str) -> dict[str, Member]:
    """Map an archive. The structure is checked, the bytes of members are not.

    Raises:
        OSError: the file cannot be read.
        ArchiveError: it is no such archive.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 22:
            raise ArchiveError("cannot be read as a package: the file is too short")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        # Read in blocks of huge pages: they are mapped at once, and kernels that stream weights miss the TLB less.
        with contextlib.suppress(OSError):  # a system without them
            mapped.madvise(mmap.MADV_HUGEPAGE)
    data = memoryview(mapped)
    try:
        return _members(data)
    except (struct.error, OverflowError):
        raise ArchiveError("cannot be read as a package: its directory is damaged") from None


def _members(data: memoryview) -> dict[str, Member]:
    at, count = _directory(data)
    members: dict[str, Member] = {}
    for _ in range(count):
        # 46 bytes, then name, extra field and comment.
        magic, method, crc, packed, size, name_size, extra_size, comment_size, start = struct.unpack_from(
            "<I6xH4xIIIHHH8xI", data, at
        )
        if magic != 0x02014B50:
            raise ArchiveError("cannot be read as a package: its directory is damaged")
        try:
            name = str(data[at + 46 : at + 46 + name_size], "utf-8")
        except UnicodeDecodeError:
            raise ArchiveError("cannot be read as a package: its directory is damaged") from None
        if method != 0:
            raise ArchiveError(f"member {name} is compressed")
        extra = data[at + 46 + name_size : at + 46 + name_size + extra_size]
        size, packed, start = _long_numbers(extra, size, packed, start)
        at += 46 + name_size + extra_size + comment_size
        magic, local_name, local_extra = struct.unpack_from("<I22xHH", data, start)
        begin = start + 30 + local_name + local_extra
        if magic != 0x04034B50 or packed != size or begin + size > len(data) or name in members:
            raise ArchiveError(f"member {name} is damaged")
        members[name] = Member(data[begin : begin + size], crc)
    return members


def _directory(data: memoryview) -> tuple[int, int]:
    """Where the central directory begins, and how many entries it has."""
    end = len(data) - 22
    magic, count, size, start = struct.unpack_from("<I6xHII", data, end)
    if magic != 0x06054B50:
        raise ArchiveError("cannot be read as a package: File is not a zip file")
    if count == 0xFFFF or _LONG in (size, start):
        magic, long_end = struct.unpack_from("<I4xQ", data, end - 20)
        if magic != 0x07064B50:
            raise ArchiveError("cannot be read as a package: its directory is damaged")
        magic, count, size, start = struct.unpack_from("<I28xQQQ", data, long_end)
        if magic != 0x06064B50:
            raise ArchiveError("cannot be read as a package: its directory is damaged")
    if start + size > end:
        raise ArchiveError("cannot be read as a package: its directory is damaged")
    return start, count


def _long_numbers(extra: memoryview, *numbers: int) -> list[int]:
    """Numbers of a directory entry, those that are too long for their fields from the ZIP64 extra field."""
    long: list[int] = []
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1:
            long = list(struct.unpack_from(f"<{size // 8}Q", extra, 4))
        extra = extra[4 + size :]
    found = [long.pop(0) if n == _LONG and long else n for n in numbers]
    if _LONG in found:
        raise ArchiveError("cannot be read as a package: its directory is damaged")
    return found


Pieces = Sequence[Any]
"""Buffers that follow one another."""


def write_archive(file: IO[bytes], members: Mapping[str, Pieces]) -> None:
    """Write an archive; equal members in equal order give equal bytes. Nothing is copied in memory."""
    import zipfile

    blocks = _Blocks(file)
    with zipfile.ZipFile(cast(IO[bytes], blocks), "w", zipfile.ZIP_STORED) as archive:
        for name, pieces in members.items():
            _add(archive, name, pieces)
    blocks.flush()


class _Blocks:
    """A file that is written in whole blocks of huge pages, which systems then keep as huge pages."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.tell()
        self._waiting = bytearray()

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B") if memoryview(data).nbytes else memoryview(b"")
        size = len(view)
        while len(view):
            room = HUGE - (self.tell() % HUGE)
            self._waiting += view[:room]
            view = view[room:]
            if self.tell() % HUGE == 0:
                self._hand_on()
        return size

    def tell(self) -> int:
        return self._start + len(self._waiting)

    def seek(self, position: int, whence: int = 0) -> int:
        self._hand_on()
        self._start = self._file.seek(position, whence)
        return self._start

    def flush(self) -> None:
        self._hand_on()
        self._file.flush()

    def _hand_on(self) -> None:
        self._file.write(self._waiting)
        self._start += len(self._waiting)
        self._waiting = bytearray()


def _add(archive: ZipFile, name: str, pieces: Pieces) -> None:
    import zipfile

    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = 0o644 << 16
    size = sum(memoryview(p).nbytes for p in pieces)
    # A member's data follow its local header: 30 bytes, name, extra fields (ours, and ZIP64's where it is long). Ours
    # pads to the next page.
    long = size >= LONG_MEMBER
    assert archive.fp is not None
    start = archive.fp.tell() + 30 + len(name.encode()) + 4 + (20 if long else 0)
    fill = -start % PAGE
    info.extra = b"\xff\xff" + fill.to_bytes(2, "little") + bytes(fill)
    with archive.open(info, "w", force_zip64=long) as member:
        for piece in pieces:
            member.write(piece)
