"""Probes do the work that they are timed for."""

import numpy as np
import pytest

from plait.kernels_pyx import Plan, aligned_empty

CHAINS = {"baseline": 14, "avx2": 12, "avx512": 24}
DOT_LANES = {"baseline": 8 * 4, "avx2": 8 * 8, "avx512": 24 * 16, "avx512vnni": 24 * 16}
LANES = {"baseline": 4, "avx2": 8, "avx512": 16}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rounds", [1, 7, 1000])
def test_fma_does_all_its_multiply_adds(isa: str, threads: int, rounds: int) -> None:
    plan = Plan(threads)
    count = plan.add_external(8 * threads, writable=True)
    plan.add("f32_probe_fma", isa=isa, y=count, factor=1, addend=1, rounds=rounds)
    found = np.zeros(threads)
    plan.run([found])
    assert found.tolist() == [sum(LANES[isa] * (start + rounds) for start in range(CHAINS[isa]))] * threads


def test_fma_multiplies(isa: str) -> None:
    plan = Plan()
    plan.add("f32_probe_fma", isa=isa, y=plan.add_external(8, writable=True), factor=2, addend=3, rounds=4)
    found = np.zeros(1)
    plan.run([found])
    assert found[0] == sum(LANES[isa] * (16 * start + 3 * (1 + 2 + 4 + 8)) for start in range(CHAINS[isa]))


def test_fma_without_rounds_touches_nothing(isa: str) -> None:
    plan = Plan()
    plan.add("f32_probe_fma", isa=isa, y=None, factor=1, addend=1, rounds=0)
    plan.run()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rounds", [1, 7, 1000])
def test_dot_does_all_its_products(any_isa: str, threads: int, rounds: int) -> None:
    plan = Plan(threads)
    sums = plan.add_external(8 * threads, writable=True)
    plan.add("q8_probe_dot", isa=any_isa, y=sums, x=255, w=-128, rounds=rounds)
    found = np.zeros(threads)
    plan.run([found])
    assert found.tolist() == [-255 * 128 * 4 * DOT_LANES[any_isa] * rounds] * threads


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rounds", [1, 7, 1000])
def test_pairs_do_all_their_products(any_isa: str, threads: int, rounds: int) -> None:
    plan = Plan(threads)
    sums = plan.add_external(8 * threads, writable=True)
    plan.add("bf16_probe_dot", isa=any_isa, y=sums, x=3, w=-2, rounds=rounds)
    found = np.zeros(threads)
    plan.run([found])
    assert found.tolist() == [-3 * 2 * 2 * DOT_LANES[any_isa] * rounds] * threads


@pytest.mark.parametrize("threads", [1, 2])
def test_read_sees_every_float_of_a_part_in_each_round(isa: str, threads: int) -> None:
    x = aligned_empty((threads, 1024))
    x[...] = np.arange(threads * 1024).reshape(threads, 1024) % 97
    plan = Plan(threads)
    source, sums = plan.add_external(x.nbytes), plan.add_external(8 * threads, writable=True)
    plan.add("f32_probe_read", isa=isa, x=source, y=sums, count=1024, rounds=3)
    found = np.zeros(threads)
    plan.run([x, found])
    assert found.tolist() == (3 * x.sum(axis=1, dtype=np.float64)).tolist()


@pytest.mark.parametrize("threads", [1, 2])
def test_write_and_copy_fill_each_part(isa: str, threads: int) -> None:
    x, y, z = (aligned_empty((threads, 1024)) for _ in range(3))
    x[...] = np.arange(threads * 1024).reshape(threads, 1024)
    plan = Plan(threads)
    source = plan.add_external(x.nbytes)
    written, copied = (plan.add_external(x.nbytes, writable=True) for _ in range(2))
    plan.add("f32_probe_write", isa=isa, y=written, value=5, count=1024, rounds=2)
    plan.add("f32_probe_copy", isa=isa, x=source, y=copied, count=1024, rounds=2)
    plan.run([x, y, z])
    assert (y == 5).all() and np.array_equal(z, x)
