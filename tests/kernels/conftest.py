"""Every kernel test runs on every ISA level of the machine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `reference`

from plait import kernels_pyx as kernels


@pytest.fixture(params=kernels.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return request.param
