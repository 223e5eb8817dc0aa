"""In a build with sanitizers and planted bugs (`make sanitize`): each bug is reported, wherever its buffer lies."""

import subprocess
import sys

import pytest

from plait import kernels_pyx as kernels

sanitized = pytest.mark.skipif(not kernels.sanitized(), reason="this build has no sanitizers (`make sanitize`)")

CODE = """
import sys
import numpy as np
from plait import kernels_pyx as k
kernel, place, isa, count = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
plan = k.Plan()
plan.arena_bytes = 1024
memory = k.aligned_empty(256)
externals = []
match place:
    case "arena":
        k.poison(memory, 64 + 4 * count, 1024)
        y = k.arena(64)
    case "external":
        y = plan.add_external(4 * count, writable=True)
        externals = [np.zeros(count, np.float32)]
    case "constant":
        y = plan.add_constant(k.aligned_empty(count))
plan.add(kernel, isa=isa, y=y, count=count)
plan.run(externals, arena=memory)
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True)


# What AddressSanitizer calls an access that begins inside of a buffer depends on the length of the vector.
@sanitized
@pytest.mark.parametrize(
    ("kernel", "places", "reports"),
    [
        ("planted_write", ("arena", "external", "constant"), ("ERROR: AddressSanitizer", "WRITE of size 4 ")),
        ("planted_read", ("arena", "external"), ("ERROR: AddressSanitizer", "READ of size ")),
        ("planted_write_part", ("arena", "external", "constant"), ("ERROR: AddressSanitizer", "WRITE of size 4 ")),
        ("planted_read_part", ("arena", "external", "constant"), ("ERROR: AddressSanitizer", "READ of size 4 ")),
        ("planted_overflow", ("external",), ("runtime error: signed integer overflow",)),
    ],
)
def test_planted_bugs_are_reported(kernel: str, places: tuple[str, ...], reports: tuple[str, ...], isa: str) -> None:
    for place in places:
        done = run(kernel, place, isa, 21)
        assert done.returncode != 0, place
        assert all(text in done.stderr for text in (*reports, f"in {kernel} ")), done.stderr


@sanitized
@pytest.mark.parametrize("place", ["arena", "external", "constant"])
def test_what_is_right_is_not_reported(place: str, isa: str) -> None:
    done = run("planted_read", place, isa, 32)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(kernels.sanitized(), reason="this build has planted bugs on purpose")
def test_builds_for_use_have_no_planted_bugs() -> None:
    assert not [name for name in kernels.kernel_names() if name.startswith("planted")]


def test_poison_is_for_bytes_of_the_buffer() -> None:
    memory = kernels.aligned_empty(16)
    with pytest.raises(ValueError, match=r"no bytes \[60, 68\) in a buffer of 64"):
        kernels.poison(memory, 60, 68)
