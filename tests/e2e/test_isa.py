"""A small network on each lower ISA level, in a process that is capped at it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from plait import kernels_pyx as kernels
from plait.testing import networks

CODE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_networks import check
from plait.kernels_pyx import isa_level
check(Path(sys.argv[2]), Path(sys.argv[3]), threads=2)
print(isa_level())
"""


@pytest.mark.parametrize("isa", kernels.isas_with("f32_fill")[:-1])
def test_capped(isa: str, tmp_path: Path) -> None:
    model = tmp_path / "mobilenetv2.onnx"
    onnx.save(networks.build("mobilenetv2", image=32), model)
    arguments = [str(Path(__file__).parent), str(model), str(tmp_path / "profile.sqlite")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        env=os.environ | {"PLAIT_MAX_ISA": isa},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, f"{isa}\n"), done.stderr
