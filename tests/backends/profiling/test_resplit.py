"""Pricing a change of split: which readings are compared. No figure here depends on a clock."""

from __future__ import annotations

import attrs
import pytest

from plait.backends.profiling.measure import measure
from plait.backends.profiling.resplit import RESPLIT, differences, is_resplit
from plait.backends.routine import find_routine
from plait.ir.dtypes import DType, element_type
from plait.ir.layout import layout_named
from plait.ir.types import TensorType
from plait.tuning.entries import detached_adapt, option_for


def test_the_faster_halves_are_compared_by_rank() -> None:
    assert differences([(30, 11), (900, 10), (31, 700), (32, 12)]) == (20, 20)
    assert differences([(10, 12), (9, 14), (8, 3)]) == (5, 0)
    assert differences([(7, 4)]) == (3,)


@pytest.mark.parametrize("layout", ["nchw", "nhwc", "nchw16c"])
@pytest.mark.parametrize(("source", "target"), [("rows", "channels"), ("channels", "rows"), ("rows", "all")])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "qu8<0.5:3>"])
def test_every_change_has_samples(dtype: str, layout: str, source: str, target: str) -> None:
    type = TensorType(element_type(dtype), (1, 40, 7, 5), layout_named(layout))
    formats = (attrs.evolve(type.format, split=split) for split in (source, target))
    layer = detached_adapt(type, *formats)
    routine = find_routine("adapt", RESPLIT)
    assert routine is not None
    job = option_for(layer, routine, "", 2).job
    assert f"split {source}" in job.signature and job.signature.endswith(f"split {target}")
    result = measure(job)
    assert result.ok and all(sample >= 0 for sample in result.samples)


def test_layers_that_move_elements_are_no_resplits() -> None:
    type = TensorType(DType.F32, (1, 40, 7, 5))
    layer = detached_adapt(type, type.format, attrs.evolve(type.format, layout="nhwc"))
    assert not is_resplit(layer)
    layer.via = "cpu/f32/nhwc/from_nchw[split=rows]"
    assert not is_resplit(layer)
    layer.via = str(RESPLIT)
    assert is_resplit(layer)
