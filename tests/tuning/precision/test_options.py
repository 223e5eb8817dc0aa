"""Options for a choice of precisions."""

from __future__ import annotations

import pytest

from plait.tuning.precision.metrics import METRICS, MetricError
from plait.tuning.precision.options import PrecisionOptions, precisions_of


def test_defaults() -> None:
    options = PrecisionOptions(4)
    assert options.precisions == ("float32", "qint8", "bfloat16")
    assert options.metric is METRICS["top1"] and options.bound == 0.01
    assert options.quantize.report_samples == 0


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ("qint8", ("float32", "qint8")),
        (" float16, float32,float16", ("float32", "float16")),
        (["bfloat16", "qint8"], ("float32", "bfloat16", "qint8")),
    ],
)
def test_float32_is_always_there(names: str, found: tuple[str, ...]) -> None:
    assert precisions_of(names) == found


def test_bounds_are_numbers_or_texts() -> None:
    assert PrecisionOptions(4, metric="sqnr", max_loss="30dB").bound == pytest.approx(1e-3)
    assert PrecisionOptions(4, max_loss=0).bound == 0.0


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"unknown precision 'qint4'; did you mean qint8"):
        precisions_of("qint4")
    with pytest.raises(ValueError, match="known are float32, qint8, bfloat16, float16"):
        precisions_of("posit")
    with pytest.raises(ValueError, match="max_loss is -1, but no network loses less than 0"):
        PrecisionOptions(4, max_loss=-1)
    with pytest.raises(ValueError, match="losses by top1 are not in dB"):
        PrecisionOptions(4, max_loss="20dB")
    with pytest.raises(MetricError, match="there is no metric 'top9'"):
        PrecisionOptions(4, metric="top9")
