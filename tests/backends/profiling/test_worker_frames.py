"""Frames: tensors, and everything that is none."""

from __future__ import annotations

import io
import json
import random
import struct
from typing import Any

import numpy as np
import pytest

from plait.backends.errors import WorkerError
from plait.backends.profiling.worker_frames import MOST_HEADER, MOST_TENSORS, read_frame, write_frame
from plait.ir.dtypes import Array, DType


def framed(body: bytes) -> io.BytesIO:
    return io.BytesIO(struct.pack("<I", len(body)) + body)


def written(data: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    write_frame(stream, data)
    return stream.getvalue()


class Trickle(io.BytesIO):
    """Gives a byte or two at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(2, 2 if size is None else size))


ARRAYS: list[Array] = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.array(7, np.int64),
    np.zeros((0, 4), np.uint8),
    np.array([True, False]),
    np.arange(6, dtype=np.float64).reshape(2, 3).T,
]


def test_tensors_go_with_the_frame_and_nothing_is_left() -> None:
    stream = io.BytesIO(written({"a": 1, "tensors": ARRAYS}) + written({"b": 2}))
    found = read_frame(stream)
    assert found is not None and found["a"] == 1
    for array, wanted in zip(found["tensors"], ARRAYS, strict=True):
        assert array.dtype == wanted.dtype and array.shape == wanted.shape and np.array_equal(array, wanted)
        assert array.flags.writeable and array.flags.c_contiguous
    assert [read_frame(stream), read_frame(stream)] == [{"b": 2}, None]


@pytest.mark.parametrize("dtype", [d for d in DType if d is not DType.STRING])
def test_tensors_of_every_type(dtype: DType) -> None:
    array = np.array([0, 1, 1]).astype(dtype.numpy)
    (found,) = (read_frame(io.BytesIO(written({"tensors": [array]}))) or {})["tensors"]
    assert found.dtype == array.dtype and found.tobytes() == array.tobytes()


def test_strings_are_refused_at_both_ends() -> None:
    with pytest.raises(WorkerError, match="strings cannot be sent"):
        written({"tensors": [np.array(["a"], object)]})
    with pytest.raises(WorkerError, match="strings cannot be sent"):
        read_frame(framed(b'{"tensors": [{"dtype": "string", "shape": [1]}]}'))


def test_a_slow_writer() -> None:
    found = read_frame(Trickle(written({"a": "ü", "tensors": ARRAYS})))
    assert found is not None and found["a"] == "ü" and np.array_equal(found["tensors"][0], ARRAYS[0])


def test_every_cut_is_the_end() -> None:
    whole = written({"a": 1, "tensors": ARRAYS[:2]})
    assert [read_frame(io.BytesIO(whole[:n])) for n in range(len(whole))] == [None] * len(whole)


@pytest.mark.parametrize("head", [b"Welcome to board!\n", struct.pack("<I", MOST_HEADER + 1), b"\xff" * 9])
def test_what_is_too_long_is_refused_before_it_is_read(head: bytes) -> None:
    stream = io.BytesIO(head)
    with pytest.raises(WorkerError, match=r"\[P510\]: what was read is no frame: it starts with") as caught:
        read_frame(stream)
    assert stream.tell() == 4 and "login script" in caught.value.diagnostics[0].hint


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[1]", b"7", b'{"a": ', b"null", b"[" * 100_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(WorkerError, match="is no JSON object"):
        read_frame(framed(body))


@pytest.mark.parametrize(
    "tensors",
    [
        7,
        [7],
        {"dtype": "f32"},
        [{"dtype": "f32"}],
        [{"dtype": "f99", "shape": []}],
        [{"dtype": "f32", "shape": [-1]}],
        [{"dtype": "f32", "shape": [1.5]}],
        [{"dtype": "f32", "shape": [True]}],
        [{"dtype": "f32", "shape": 3}],
    ],
)
def test_descriptions_that_are_none(tensors: Any) -> None:
    with pytest.raises(WorkerError, match="its tensors are described by"):
        read_frame(framed(json.dumps({"tensors": tensors}).encode()))


def test_tensors_that_are_too_large_are_refused_before_memory_is_taken() -> None:
    shape = [1 << 20, (MOST_TENSORS >> 22) + 1]
    with pytest.raises(WorkerError, match="bytes of tensors is too long"):
        read_frame(framed(json.dumps({"tensors": [{"dtype": "f32", "shape": shape}]}).encode()))


def test_any_bytes_are_a_frame_or_the_end_or_refused() -> None:
    rng = random.Random(5)
    seeds = [written({"job": {"a": [1, 2]}, "best_ns": None}), written({"tensors": ARRAYS})]
    outcomes = set()
    for _ in range(3000):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(min(len(data), 60))] = rng.randrange(256)
        try:
            found = read_frame(io.BytesIO(data[: rng.randint(0, 2 * len(data))]))
            outcomes.add("end" if found is None else "frame")
        except WorkerError:
            outcomes.add("refused")
    assert outcomes == {"end", "frame", "refused"}
