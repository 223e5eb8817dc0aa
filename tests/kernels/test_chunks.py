"""The dynamic split: whoever takes a chunk, results have the same bits. (`pool_harness.c` tests who takes what.)"""

import numpy as np
import pytest
import reference as ref
import test_conv
import test_winograd
from reference import Case

from plait import kernels_pyx as kernels
from plait.kernels_pyx import Act, Plan

THREADS = (3, 5)  # more than there are cores: some sleep while others take their chunks

DIRECT = [
    Case(32, 160, (42, 5), (1, 1)),
    Case(64, 32, (80, 70), (3, 3), pads=(1, 1, 1, 1)),  # padded bands
    Case(32, 320, (5, 5), (3, 3), pads=(1, 1, 1, 1), n=2),  # few rows: shares are groups of channels
    Case(64, 128, (33, 9), (3, 3), stride=(2, 2), groups=2),
]
WINOGRAD = [
    (Case(16, 32, (60, 24), (3, 3), pads=(1, 1, 1, 1)), 5),
    (Case(16, 200, (12, 12), (3, 3), pads=(1, 1, 1, 1), n=2), 2),  # shares are groups of channels
]


@pytest.mark.parametrize("case", DIRECT, ids=str)
@pytest.mark.parametrize("kernel", [k for k in test_conv.TILED if k.kind == "conv"], ids=str)
def test_direct(case, kernel):
    once, _ = test_conv.convolve(kernel, case, 1)
    for threads in THREADS:
        for _ in range(2):
            assert np.array_equal(once, test_conv.convolve(kernel, case, threads)[0]), threads


@pytest.mark.parametrize(("case", "tile_block"), WINOGRAD, ids=str)
@pytest.mark.parametrize(("isa", "layout"), ref.BLOCKED)
def test_winograd_blocks(case, tile_block, isa, layout):
    once, _ = test_winograd.convolve(case, isa, layout, 1, 4, tile_block=tile_block)
    for threads in THREADS:
        for _ in range(2):
            assert np.array_equal(once, test_winograd.convolve(case, isa, layout, threads, 4, tile_block=tile_block)[0])


def test_static_plans_do_the_same():
    x, w = ref.random((1, 4, 40, 8, 16)), ref.random((2, 64, 1, 1, 32))
    results = []
    for dynamic in (True, False):
        plan = Plan(3, dynamic=dynamic)
        assert plan.dynamic is dynamic
        y = plan.add_external(x.nbytes, writable=True)
        plan.add(
            "f32_conv_nchw16c", x=x, w=w, bias=None, res=None, y=y, work=None, n=1, ic=64, ih=40, iw=8, oc=64, oh=40,
            ow=8, kh=1, kw=1, stride_h=1, stride_w=1, pad_t=0, pad_l=0, dil_h=1, dil_w=1, groups=1, act=Act.NONE,
            act_a=0, act_b=0, tile_w=0, tile_b=2,
        )  # fmt: skip
        results.append(np.empty_like(x))
        plan.run([results[-1]])
    assert np.array_equal(*results) and np.isfinite(results[0]).all()


def test_claims_are_no_buffer():
    with pytest.raises(ValueError, match="no such base: 3"):
        Plan().add("f32_fill", y=kernels.Ref(3, 0), count=1, value=0.0)
