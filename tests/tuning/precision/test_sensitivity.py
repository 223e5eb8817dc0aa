"""Sensitivities against a direct computation: the network with one layer replaced by its twin, run by the reference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plait.backends.profiling.database import ProfileDatabase
from plait.backends.reference import evaluate
from plait.ir.module import Module
from plait.ir.values import Array, Constant, Value
from plait.passes.quantize.types import QuantizationError
from plait.tuning.precision import sensitivity
from plait.tuning.precision.sensitivity import Sensitivities, sensitivities


def with_twin(module: Module, name: str, twin: Module, sample: Any) -> tuple[Array, Array, Array]:
    """What the layer gives, what the twin gives in its place, and the output of the network then: layer by layer."""
    live: dict[Value, Array] = {a: sample[a.name] for a in module.main.arguments}
    exact = found = np.zeros(0)
    for layer in module.main:
        slots = layer.operand_slots()
        read = [None if v is None else v.data if isinstance(v, Constant) else live[v] for v in slots]
        (result,) = layer.results
        live[result] = np.asarray(layer.reference(*read))
        if result.name == name:
            exact = live[result]
            (found,) = evaluate(twin, {v.name: live[v] for v in layer.operands if v in live}).values()
            live[result] = found
    return exact, found, live[module.main.outputs[0]]


def ratio(pairs: list[tuple[Array, Array]]) -> float:
    noise = sum(float(np.sum((a.astype(np.float64) - b) ** 2)) for a, b in pairs)
    return noise / sum(float(np.sum(a.astype(np.float64) ** 2)) for a, _ in pairs)


@pytest.mark.parametrize("threads", (1, 2))
def test_they_are_those_of_a_direct_computation(case: Any, threads: int) -> None:
    found = sensitivities(case.module, case.twins, case.samples, count=3, threads=threads)
    assert {name: list(some) for name, some in found.items()} == {n: list(some) for n, some in case.twins.items()}
    few = list(case.samples())[:3]
    for name, some in case.twins.items():
        for precision, twin in some.items():
            runs = [with_twin(case.module, name, twin, sample) for sample in few]
            exact = [evaluate(case.module, sample)["y"] for sample in few]
            wanted = ratio([(a, run[2]) for a, run in zip(exact, runs, strict=True)])
            got = found[name][precision]
            assert got.loss == pytest.approx(wanted, rel=1e-3, abs=1e-12), (name, precision)
            assert got.local == pytest.approx(ratio([run[:2] for run in runs]), rel=1e-3, abs=1e-12)
    assert found["b"]["bfloat16"].loss < found["b"]["qint8"].loss < 1
    assert found["y"]["qint8"].loss == found["y"]["qint8"].local > 0
    assert found["r"]["qint8"] == sensitivity.Sensitivity(0.0, 0.0)


def test_runs_to_the_outputs_end_when_the_mean_is_clear() -> None:
    assert not sensitivity._is_clear([1.0, 1.0])
    assert sensitivity._is_clear([1.0, 1.0, 1.0])
    # A standard deviation of 0.2 of three is an error of 0.115, of four with 0.163 one of 0.082.
    assert not sensitivity._is_clear([0.8, 1.0, 1.2])
    assert sensitivity._is_clear([0.8, 1.0, 1.2, 1.0])
    assert not sensitivity._is_clear([1.0, 1.0, np.inf])


def test_they_are_the_same_each_time(case: Any) -> None:
    first, again = (sensitivities(case.module, case.twins, case.samples) for _ in range(2))
    assert first == again


def test_noise_without_a_signal_or_without_an_end(case: Any) -> None:
    twins = {"y": {"qint8": case.twin("y", "qint8", np.nan)}}
    found = sensitivities(case.module, twins, case.samples, count=1)
    assert found["y"]["qint8"] == sensitivity.Sensitivity(np.inf, np.inf)


@pytest.fixture
def layers_run(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The layers and precisions that are looked at, as they are."""
    seen: list[str] = []
    original = sensitivity._Search.layer

    def layer(self: Any, layer: Any, twins: Any) -> Any:
        seen.extend(f"{layer.results[0].name} {p}" for p in twins)
        return original(self, layer, twins)

    monkeypatch.setattr(sensitivity._Search, "layer", layer)
    return seen


def test_what_is_known_is_not_found_out_again(case: Any, tmp_path: Path, layers_run: list[str]) -> None:
    with ProfileDatabase(tmp_path / "profile.sqlite") as database:

        def find() -> Sensitivities:
            return sensitivities(case.module, case.twins, case.samples, count=2, database=database)

        first = find()
        assert layers_run == ["b qint8", "b bfloat16", "s bfloat16", "r qint8", "y qint8"]
        layers_run.clear()
        assert find() == first and layers_run == []
        # Of a twin that is another, this alone is looked at.
        case.twins["b"]["qint8"] = case.twin("b", "qint8", 2)
        changed = find()
        assert layers_run == ["b qint8"] and changed["s"] == first["s"] and changed["b"] != first["b"]
        layers_run.clear()
        sensitivities(case.module, case.twins, case.samples, count=3, database=database)
        assert len(layers_run) == 5
        layers_run.clear()
        sensitivities(case.make(2).module, case.twins, case.samples, count=2, database=database)
        assert len(layers_run) == 5


def test_the_cache_is_no_measurement(case: Any, tmp_path: Path) -> None:
    from plait.backends.profiling.merge import merge
    from plait.backends.profiling.prune import Unneeded, prune

    with ProfileDatabase(tmp_path / "a.sqlite") as database, ProfileDatabase(tmp_path / "b.sqlite") as other:
        sensitivities(case.module, {"y": case.twins["y"]}, case.samples, database=database)
        assert database.count() == 0 and list(database.rows()) == []
        assert set(merge(other, database.path).values()) == {0}
        prune(database, Unneeded(older_than_days=0))
        with database.connection() as db:
            assert db.execute("SELECT count(*) FROM sensitivity").fetchone() == (1,)
    with ProfileDatabase(tmp_path / "a.sqlite") as database:
        assert database.count() == 0


def test_progress_and_no_samples(case: Any) -> None:
    told: list[tuple[int, str]] = []
    sensitivities(case.module, case.twins, case.samples, count=2, progress=lambda n, what: told.append((n, what)))
    assert told == [(n, "sensitivity") for n in (2, 4, 6, 8)]
    with pytest.raises(QuantizationError, match=r"P520.*there are no samples"):
        sensitivities(case.module, case.twins, list)
