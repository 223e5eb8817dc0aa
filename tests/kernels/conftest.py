"""Every kernel test runs on every ISA level of the machine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `reference`

from plait import kernels_pyx as kernels


@pytest.fixture(params=kernels.isas_with("f32_fill"))
def isa(request: pytest.FixtureRequest) -> str:
    """A level with builds of all kernels."""
    return request.param


@pytest.fixture(params=kernels.available_isas())
def any_isa(request: pytest.FixtureRequest) -> str:
    """A level: those that only have builds of low-precision kernels too."""
    return request.param
