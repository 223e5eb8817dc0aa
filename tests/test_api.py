"""The face of the package: load, parse, optimize, tune, open, compare."""

from __future__ import annotations

import re
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

import plait
from plait.backends.errors import PackageError, RoutineError
from plait.backends.package import Package, open_package
from plait.backends.package_writer import Plan, save_package
from plait.backends.profiling.job import Job, Result
from plait.backends.profiling.machine import this_machine
from plait.backends.stored import store
from plait.ir.layers.elementwise import Adapt
from plait.ir.layout import NCHW, NCHW16C, NHWC, blocked
from plait.ir.text import save_ir
from plait.ir.types import DType, TensorType
from plait.ir.values import Array
from plait.tuning.compare import pack, unpack
from plait.tuning.open import rank_keys

TEXT = """ir 1
const @w : f32[2x3x1x1] = [0.1, 0.2, -0.3, 0.4, -0.5, 0.6]
net @main(%image: f32[Nx3x4x5] nchw) -> (%y: f32[Nx2x4x5] nchw) {
  %c = conv2d(%image, @w) : f32[Nx2x4x5] nchw
  %d = relu(%c) : f32[Nx2x4x5] nchw
  %y = add(%d, %c) : f32[Nx2x4x5] nchw
}
"""
FOREIGN = """ir 1
const @w : f32[2x3x1x1] = [0.1, 0.2, -0.3, 0.4, -0.5, 0.6]
net @main(%image: f32[1x3x4x5] nchw) -> (%y: f32[1x2x4x5] nchw) {
  %i = adapt(%image) : f32[1x3x4x5] nhwc via cpu/f32/nhwc/teleport
  %c = conv2d(%i, @w) : f32[1x2x4x5] nchw16c via cpu/f32/nchw16c/quantum
  %d = relu(%c) : f32[1x2x4x5] nchw16c via cpu/f32/nchw16c/quantum
  %s = add(%d, %c) : f32[1x2x4x5] nchw16c via cpu/f32/nchw16c/vector
  %y = adapt(%s) : f32[1x2x4x5] nchw via cpu/f32/nchw/from_nchw16c
}
"""


@pytest.fixture(autouse=True)
def invented_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: object, job: Job, limit_ns: int | None, timeout_s: float) -> Result:
        ns = 1000 + zlib.crc32(f"{job.signature} {job.routine}".encode()) % 1000
        return Result("ok", (ns * (1000 if "reference" in job.routine else 1),) * 10)

    monkeypatch.setenv("PLAIT_PROFILE_DB", str(tmp_path / "profile.sqlite"))
    monkeypatch.setattr("plait.backends.profiling.worker_client.WorkerProcess.run", run)


@pytest.fixture
def image() -> Array:
    return np.random.default_rng(0).standard_normal((1, 3, 4, 5)).astype(np.float32)


def expected(image: Array) -> Array:
    weight = np.array([0.1, 0.2, -0.3, 0.4, -0.5, 0.6], np.float32).reshape(2, 3)
    c = np.einsum("oc,nchw->nohw", weight, image)
    result: Array = np.maximum(c, 0) + c
    return result


def tuned(threads: int = 1) -> plait.TunedModel:
    return plait.tune(plait.parse(TEXT), threads=threads, dims={"N": 1})


def test_every_public_name_is_there() -> None:
    for name in plait.__all__:
        assert getattr(plait, name) is not None
    assert set(plait.__all__) <= set(dir(plait))
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        _ = plait.unknown


def test_parse_and_print() -> None:
    assert str(plait.parse(TEXT)) == TEXT
    with pytest.raises(plait.PlaitError, match=r"<text>:2:1: error\[P001\]"):
        plait.parse("ir 1\nhello")


def test_load_binds_dimensions(tmp_path: Path) -> None:
    path = tmp_path / "m.ir"
    path.write_text(TEXT)
    assert plait.load(path).main.symbols() == ["N"]
    assert plait.load(str(path), dims={"N": 3}).main.arguments[0].type.shape == (3, 3, 4, 5)
    with pytest.raises(plait.PlaitError, match="no symbolic dimension 'M'"):
        plait.load(path, dims={"M": 3})


def test_load_refuses_packages(tmp_path: Path) -> None:
    tuned().save(tmp_path / "t.plait")
    with pytest.raises(plait.PlaitError, match="is a tuned package"):
        plait.load(tmp_path / "t.plait")


def test_optimize_copies() -> None:
    module = plait.parse(TEXT.replace("add(%d, %c)", "add(%d, %d)"))
    text = str(module)
    assert "{act = relu}" in str(plait.optimize(module))
    assert str(plait.optimize(module, "dce")) == text == str(module)


def test_tune_warns_of_symbolic_dimensions() -> None:
    with pytest.warns(plait.PlaitWarning, match="dimension N is symbolic; using 1") as caught:
        found = plait.tune(plait.parse(TEXT))
    assert caught[0].filename == __file__
    assert found.module.main.arguments[0].type.shape == (1, 3, 4, 5)


@pytest.mark.parametrize("wrong", [{"threads": 0}, {"solver": "magic"}])
def test_tune_refuses_nonsense(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"threads is 0|no solver"):
        plait.tune(plait.parse(TEXT), dims={"N": 1}, **wrong)  # type: ignore[arg-type]


def test_tune_save_open(tmp_path: Path, image: Array) -> None:
    model = tuned()
    np.testing.assert_allclose(model.runner()(image), expected(image), rtol=1e-5, atol=1e-6)
    assert model.save(tmp_path / "t.plait") == (this_machine().device_key(1),)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = plait.open(tmp_path / "t.plait")
        exact = plait.open(tmp_path / "t.plait", threads=1, strict=True)
    assert np.array_equal(runner(image), model.runner()(image))
    assert np.array_equal(exact(image=image), runner(image))


def test_progress_is_called() -> None:
    seen: list[tuple[int, int, str]] = []
    plait.tune(
        plait.parse(TEXT), dims={"N": 1}, progress=lambda done, total, job: seen.append((done, total, job.routine))
    )
    assert seen and [done for done, _, _ in seen] == list(range(len(seen)))
    assert all(done < total for done, total, _ in seen)


# --- saving into packages ---


def test_save_keeps_plans_of_the_same_model(tmp_path: Path, image: Array) -> None:
    path = tmp_path / "t.plait"
    tuned(1).save(path)
    keys = tuned(2).save(path)
    assert keys == tuple(sorted(this_machine().device_key(t) for t in (1, 2)))
    for threads in (1, 2):
        np.testing.assert_allclose(plait.open(path, threads=threads)(image), expected(image), rtol=1e-5, atol=1e-6)
    open_package(path).verify()
    # Replacing one plan keeps the other.
    assert tuned(2).save(path) == keys


def test_save_replaces_another_model(tmp_path: Path) -> None:
    path = tmp_path / "t.plait"
    tuned(1).save(path)
    other = plait.tune(plait.parse(TEXT.replace("0.6", "0.7")), dims={"N": 1}, threads=2)
    assert other.save(path) == (this_machine().device_key(2),)
    path.write_text("no package at all")
    assert len(tuned(1).save(path)) == 1


# --- opening ---


def test_open_with_threads_that_have_no_plan(tmp_path: Path, image: Array) -> None:
    tuned(1).save(tmp_path / "t.plait")
    with pytest.warns(
        plait.PlaitWarning, match="no plan for 2 threads, only for 1; using the one for 1 thread"
    ) as caught:
        runner = plait.open(tmp_path / "t.plait", threads=2)
    assert caught[0].filename == __file__
    assert runner.program.threads == 2
    np.testing.assert_allclose(runner(image), expected(image), rtol=1e-5, atol=1e-6)


def test_open_prefers_the_quickest_plan(tmp_path: Path) -> None:
    path = tmp_path / "t.plait"
    for threads in (1, 2):
        tuned(threads).save(path)
    quickest = min((1, 2), key=lambda t: open_package(path).report(this_machine().device_key(t))["predicted_us"])
    assert plait.open(path).program.threads == quickest


def test_a_package_opens_without_its_ir(tmp_path: Path, image: Array, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_text(package: Package, key: str) -> None:
        raise AssertionError("the IR was read")

    tuned().save(tmp_path / "t.plait")
    wanted = tuned().runner()(image)
    lowered = plait.open(tmp_path / "t.plait", programs=False)
    with monkeypatch.context() as patch:
        patch.setattr(Package, "module", no_text)
        for mapped in (True, False):
            runner = plait.open(tmp_path / "t.plait", mapped=mapped)
            assert runner(image).tobytes() == lowered(image).tobytes() == wanted.tobytes()
            assert all(c.flags.writeable != mapped for c in runner.program.executable.constants)
        assert runner.program.constant_bytes == lowered.program.constant_bytes > 0
        with pytest.raises(AssertionError, match="the IR was read"):
            runner.layers  # noqa: B018
    assert [layer.via for layer in runner.layers] == [layer.via for layer in lowered.layers]
    assert runner.inputs == lowered.inputs and runner.outputs == lowered.outputs


def test_a_package_without_packed_weights(tmp_path: Path, image: Array) -> None:
    for path, packed in (("slim.plait", False), ("whole.plait", True), ("whole.plait", False)):
        tuned().save(tmp_path / path, packed=packed)
        assert ("packed.bin" in open_package(tmp_path / path).members) == packed
        np.testing.assert_allclose(plait.open(tmp_path / path)(image), expected(image), rtol=1e-5, atol=1e-6)


def test_programs_of_other_plans_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.plait"
    one, two = tuned(threads=1), tuned(threads=2)
    one.save(path)
    two.save(path)
    package = open_package(path)
    assert [package.why_no_program(key) for key in package.plans] == ["", ""]
    assert package.machines == {this_machine().kind[:8]: this_machine().description}
    before = path.read_bytes()
    one.save(path)
    assert path.read_bytes() == before


def test_a_program_for_other_threads_is_not_run(tmp_path: Path, image: Array) -> None:
    tuned(threads=2).save(tmp_path / "t.plait")
    with pytest.warns(plait.PlaitWarning, match="no plan for 1 thread, only for 2"):
        runner = plait.open(tmp_path / "t.plait", threads=1)
    assert runner.program.threads == 1
    np.testing.assert_allclose(runner(image), expected(image), rtol=1e-5, atol=1e-6)


def test_a_program_that_does_not_fit_the_kernels(tmp_path: Path) -> None:
    model = tuned()
    stored = store(model.executable)
    assert stored is not None
    steps = [[kernel, values[:-1], layer] for kernel, values, layer in stored.record["steps"]]
    program = stored._replace(record={**stored.record, "steps": steps})
    plan = Plan(model.module, model.report.to_json(), program)
    save_package(tmp_path / "t.plait", {model.report.device: plan}, producer="test")
    with pytest.raises(PackageError, match=r"P402.*its program does not fit the kernels: kernel .* has .* fields"):
        plait.open(tmp_path / "t.plait")


def test_open_on_another_machine(tmp_path: Path, image: Array) -> None:
    model = tuned()
    foreign = plait.parse(FOREIGN)
    save_package(
        tmp_path / "t.plait",
        {
            "cpu-avx512-00000000-t1": Plan(foreign, model.report.to_json()),
            "cpu-avx2-00000000-t1": Plan(model.module, model.report.to_json()),
        },
        producer="test",
    )
    # The nearer plan has routines that are not installed, so the farther one runs.
    with pytest.warns(plait.PlaitWarning, match=r"no plan for this machine .*; using cpu-avx2-00000000-t1"):
        runner = plait.open(tmp_path / "t.plait")
    np.testing.assert_allclose(runner(image), expected(image), rtol=1e-5, atol=1e-6)
    if this_machine().isa == "avx512":
        with pytest.raises(RoutineError, match="not installed"):
            plait.open(tmp_path / "t.plait", strict=True)


def test_routines_that_are_not_installed_become_the_reference(tmp_path: Path, image: Array) -> None:
    save_ir(plait.parse(FOREIGN), tmp_path / "f.ir")
    with pytest.warns(plait.PlaitWarning) as caught:
        runner = plait.open(tmp_path / "f.ir")
    messages = [str(w.message) for w in caught]
    assert messages[1] == (
        "%c (conv2d): routine cpu/f32/nchw16c/quantum is not installed; using cpu/any/nchw/reference"
    )
    assert len(messages) == 3
    np.testing.assert_allclose(runner(image), expected(image), rtol=1e-5, atol=1e-6)
    assert sum(isinstance(layer, Adapt) for layer in runner.module.main) > 2
    with pytest.raises(RoutineError) as raised:
        plait.open(tmp_path / "f.ir", strict=True)
    assert len(raised.value.diagnostics) == 3


def test_open_refuses_what_is_not_tuned(tmp_path: Path) -> None:
    (tmp_path / "m.ir").write_text(TEXT)
    with pytest.raises(RoutineError, match="has no routine"):
        plait.open(tmp_path / "m.ir")
    (tmp_path / "m.plait").write_text("hello")
    with pytest.raises(PackageError, match="cannot be read as a package"):
        plait.open(tmp_path / "m.plait")
    with pytest.raises(ValueError, match="threads is 0"):
        plait.open(tmp_path / "m.plait", threads=0)


def test_nearest_keys_come_first() -> None:
    here = re.sub(r"-t1$", "", this_machine().device_key(1))
    other = "cpu-none-00000000-t1"
    same_isa = f"cpu-{this_machine().isa}-00000000-t4"
    keys = ["strange", other, f"{here}-t1", same_isa, f"{here}-t4", f"{here}-t8"]
    assert rank_keys(keys, 4, lambda key: 0.0) == [f"{here}-t4", f"{here}-t8", f"{here}-t1", same_isa, other, "strange"]
    assert rank_keys(keys, None, lambda key: 5.0 if key == f"{here}-t8" else np.inf)[0] == f"{here}-t8"


# --- comparing ---


def test_compare(tmp_path: Path, image: Array) -> None:
    module = plait.parse(TEXT)
    found = plait.compare(module, dims={"N": 1}, inputs={"image": image})
    assert found.worst < 1e-6
    assert {e.name for e in found.outputs} == {"y"}
    every = plait.compare(module, dims={"N": 1}, all_routines=True)
    assert every.worst < 1e-6 and every.checked > 10
    tuned().save(tmp_path / "t.plait")
    for model in (tmp_path / "t.plait", tuned(), tuned().runner(), tuned().module):
        assert plait.compare(model).worst < 1e-6


def test_compare_finds_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tuned()
    monkeypatch.setattr("plait.ir.layers.elementwise.Add.reference", lambda self, a, b: a - b)
    worst = plait.compare(model).layers[0]
    assert worst.op == "add" and worst.error > 0.1


@pytest.mark.parametrize("layout", [NCHW, NHWC, NCHW16C, blocked(4)])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 3, 4, 5), (1, 16, 2, 3), (2, 17, 3, 1), (0, 3, 2, 2)])
def test_unpack_inverts_pack(layout: object, shape: tuple[int, ...]) -> None:
    type = TensorType(DType.F32, shape, layout)
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    stored = pack(array, type)
    assert stored.shape == type.storage_shape and stored.flags.c_contiguous
    assert np.array_equal(unpack(stored, type), array)
    assert np.count_nonzero(np.isnan(stored)) == stored.size - array.size
