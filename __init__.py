"""Plait: an inference compiler for neural networks whose every step can be read, edited and researched as text.

    import plait

    tuned = plait.tune("mobilenetv2.onnx", threads=2)
    print(tuned.report.summary())
    tuned.save("mobilenetv2.plait")

    runner = plait.open("mobilenetv2.plait")
    probabilities = runner(image)

Importing this package loads nothing else; functions and classes load what they need when they are first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from os import PathLike

    from plait.backends.profiling.profiler import Progress
    from plait.backends.runner import Runner
    from plait.ir import Module
    from plait.ir.diagnostics import PlaitError
    from plait.ir.values import Array
    from plait.tuning.api import PlaitWarning, TunedModel, TuneOptions
    from plait.tuning.calibration import Progress as Runs
    from plait.tuning.compare import Comparison
    from plait.tuning.precision.front import Front
    from plait.tuning.precision.options import PrecisionOptions
    from plait.tuning.quantize import Quantization, QuantizeOptions
    from plait.tuning.samples import Given

    StrPath = str | PathLike[str]

__version__ = "0.2.0"

__all__ = [
    "Comparison",
    "Front",
    "Module",
    "PlaitError",
    "PlaitWarning",
    "PrecisionOptions",
    "Quantization",
    "QuantizeOptions",
    "Runner",
    "TuneOptions",
    "TunedModel",
    "__version__",
    "compare",
    "load",
    "open",
    "optimize",
    "pareto",
    "parse",
    "quantize",
    "tune",
]

_CLASSES = {
    "Comparison": "plait.tuning.compare",
    "Front": "plait.tuning.precision.front",
    "Module": "plait.ir.module",
    "PlaitError": "plait.ir.diagnostics",
    "PlaitWarning": "plait.tuning.api",
    "PrecisionOptions": "plait.tuning.precision.options",
    "Quantization": "plait.tuning.quantize",
    "QuantizeOptions": "plait.tuning.quantize",
    "Runner": "plait.backends.runner",
    "TuneOptions": "plait.tuning.api",
    "TunedModel": "plait.tuning.api",
}


def load(path: StrPath, *, dims: Mapping[str, int] | None = None) -> Module:
    """Read a model file of any known format (ONNX, or the text form `.ir`).

        module = plait.load("resnet50.onnx", dims={"N": 1})
        print(module)

    Args:
        dims: sizes of symbolic dimensions; those that are not named stay symbolic.

    Raises:
        PlaitError: the file cannot be read, is inconsistent, or uses something unsupported.
    """
    from pathlib import Path

    from plait.frontends import ModelError, is_onnx, load_model
    from plait.tuning.api import bind_dims
    from plait.tuning.open import is_package

    path = Path(path)
    if is_package(path):
        raise ModelError("is a tuned package, not a model", str(path), "open it with plait.open, or `plait run`")
    if is_onnx(path):
        return load_model(path, dims=dict(dims or {}))
    return bind_dims(load_model(path), dims or {})


def parse(text: str) -> Module:
    """Read the text form of the IR. Constants that stand in a weights file have types but no data.

        module = plait.parse('''ir 1
        net @main(%x: f32[4]) -> (%y: f32[4]) {
          %y = activation(%x) {act = relu} : f32[4]
        }''')

    Raises:
        IRError: with every error found, each at its line and column.
    """
    from plait.ir.text import parse_module

    return parse_module(text)


def optimize(module: Module, pipeline: str = "default") -> Module:
    """A copy of a module after some passes. The module itself is not changed.

        module = plait.optimize(module)
        module = plait.optimize(module, "fold-batchnorm,fuse-activation{kinds=[relu]},dce")

    Args:
        pipeline: passes by name with their options, or a named pipeline (`plait passes` lists both).

    Raises:
        PassError: P201, the pipeline is not valid.
    """
    from plait.tuning.api import optimized

    return optimized(module, pipeline)


def tune(
    model: StrPath | Module,
    *,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: StrPath | None = None,
    solver: str = "exact",
    pipeline: str = "default",
    progress: Progress | None = None,
    dims: Mapping[str, int] | None = None,
    options: TuneOptions | None = None,
    precision: PrecisionOptions | None = None,
) -> TunedModel:
    """Choose a routine for every layer from measured times: optimise, profile, solve.

        tuned = plait.tune("resnet50.onnx", threads=2)
        tuned.save("resnet50.plait")
        tuned = plait.tune(module, routines=["cpu/f32/nchw16c", "*/naive@fc"])

    Args:
        model: a model file or a module. Symbolic dimensions that `dims` does not name become 1, with a warning.
        threads: number of threads that each layer may use.
        routines: patterns that restrict the choice; the last one that names a layer decides for it.
        db: the profile database (default: `profile.sqlite` in the user's cache directory). What is in it
            is not measured again.
        solver: one of `plait.passes.selection.known_solvers()`.
        pipeline: passes to run first; an empty text runs none.
        progress: called as `progress(done, total, job)` before each measurement, one call at a time. `done` counts
            from 0 and grows by 1; `total - done` measurements are known to be needed from here on, this one included.
            As only what decides is measured, `total` grows while tuning finds out what does. It is not called if
            everything is known. What it raises ends the tuning; all that was measured is kept.
        dims: sizes of symbolic dimensions.
        options: `plait.TuneOptions`: what is measured, in which state, and for how long.
        precision: layers may compute in several precisions, within a bound on the accuracy that is lost; what came of
            it is `tuned.precision`.

    Raises:
        PlaitError: the model cannot be read; a pattern is malformed; a layer has no routine; of `precision`: samples
            do not fit.
        ValueError: `threads` is below 1, or there is no such solver; or `precision` and another pipeline are given.
    """
    from plait.tuning.api import TuneOptions, optimized, tune_module

    module = _static(model, dims)
    if precision is not None:
        from plait.tuning.precision.api import tune_within

        if pipeline != "default":
            raise ValueError("the passes that prepare mixed precisions are fixed: leave out pipeline")
        return tune_within(
            module,
            precision,
            threads=threads,
            routines=routines,
            db=db,
            solver=solver,
            progress=progress,
            options=options or TuneOptions(),
        )
    module = optimized(module, pipeline)
    return tune_module(
        module,
        threads=threads,
        routines=routines,
        db=db,
        solver=solver,
        progress=progress,
        options=options or TuneOptions(),
    )


def pareto(
    model: StrPath | Module,
    count: int,
    *,
    precision: PrecisionOptions,
    threads: int = 1,
    routines: Sequence[str] = (),
    db: StrPath | None = None,
    solver: str = "exact",
    progress: Progress | None = None,
    dims: Mapping[str, int] | None = None,
    options: TuneOptions | None = None,
) -> Front:
    """The front of latency against loss: plans in mixed precisions, from the most accurate to the fastest.

        front = plait.pareto("resnet50.onnx", 6, precision=plait.PrecisionOptions("photos"))
        front.plot("front.png")

    Args:
        count: how many plans are made, at least 2; of two plans that are alike, or of which one is better in both, one
            is left.
        precision: the samples, the precisions, and the metric; its bound has no say.
        threads, routines, db, solver, progress, dims, options: as for `tune`.

    Raises:
        PlaitError: as `tune`.
        ValueError: as `tune`; `count` is below 2.
    """
    from plait.tuning.api import TuneOptions
    from plait.tuning.precision.api import front_within

    return front_within(
        _static(model, dims),
        precision,
        count,
        threads=threads,
        routines=routines,
        db=db,
        solver=solver,
        progress=progress,
        options=options or TuneOptions(),
    )


def quantize(
    model: StrPath | Module,
    calibrate: Given,
    *,
    options: QuantizeOptions | None = None,
    dims: Mapping[str, int] | None = None,
    progress: Runs | None = None,
) -> Quantization:
    """Let the layers of a float network compute on 8-bit integers.

        found = plait.quantize("mobilenetv2.onnx", "photos.npz")
        print(found.report.summary())
        plait.tune(found.module)

    Args:
        model: a model file or a module. Symbolic dimensions that `dims` does not name become 1, with a warning.
        calibrate: samples that are like what the network will see: a folder of `.npy` and `.npz` files or pictures, or
            one such file; the array of the only input, or a dict of arrays by input, with any number of samples along
            the first axis; a list of such; or a number of random samples, which tell nothing of how accurate the
            network is, nor which ranges its values have.
        options: `plait.QuantizeOptions`: how ranges are chosen, and what stays in floats.
        progress: called as `progress(done, what)` after each run over a sample.

    Raises:
        PlaitError: the model cannot be read; a sample does not fit; nothing can be quantized.
    """
    from plait.tuning.quantize import quantize_module
    from plait.tuning.samples import samples_of

    module = _static(model, dims)
    return quantize_module(module, samples_of(module.main, calibrate), options, progress or (lambda done, what: None))


def open(
    path: StrPath, *, threads: int | None = None, strict: bool = False, programs: bool = True, mapped: bool = True
) -> Runner:
    """Open a tuned model: a `.plait` package, or an `.ir` file whose layers have routines.

        runner = plait.open("resnet50.plait")
        scores = runner(image)                   # one input, one output
        outputs = runner.run(image=image)        # always a dict

    The plan for this machine and `threads` is used; if there is none, the nearest plan whose routines are all
    installed, with a `PlaitWarning`. A routine that is not installed is replaced by the NumPy reference, also with a
    `PlaitWarning`.

    Args:
        threads: default: those of the fastest plan for this machine (of an `.ir` file: 1).
        strict: routines that are not installed are an error.
        programs: run the program that the package stores for the plan, in milliseconds, if it is for these kernels.
            False: check and lower the IR, as for a package from a source that you do not trust (a program is believed).
        mapped: leave the packed weights of such a program in the file, which processes share. False: copy them into
            memory of their own, on huge pages, which takes longer to open.

    Raises:
        PackageError: P402, the package is damaged or of an unsupported version.
        RoutineError: P403, under `strict`, or the model is not tuned.
    """
    from plait.tuning.open import open_tuned

    return open_tuned(path, threads=threads, strict=strict, programs=programs, mapped=mapped)


def compare(
    model: StrPath | Module | TunedModel | Runner,
    *,
    threads: int | None = None,
    routines: Sequence[str] = (),
    db: StrPath | None = None,
    all_routines: bool = False,
    inputs: Mapping[str, Array] | None = None,
    seed: int = 0,
    dims: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compare every layer of a plan with its NumPy reference, on the same inputs, and the outputs end to end.

        comparison = plait.compare("resnet50.onnx")
        assert comparison.worst < 1e-4, comparison

    Args:
        model: a model file or module, which is tuned first unless all its layers have routines; a `.plait` package,
            a tuned model, or a runner.
        threads: default: those of the plan, and 1 for what is tuned first.
        all_routines: check every routine that can run a layer, rather than only the chosen one.
        inputs: arrays by name; random ones from `seed` if not given.
        routines, db, dims, progress: as for `tune`.

    Raises:
        PlaitError: as `tune` or `open`.
    """
    from plait.backends.runner import Runner
    from plait.ir import Module
    from plait.tuning.api import TunedModel, bind_dims, bind_open_dims
    from plait.tuning.compare import compare_plans
    from plait.tuning.open import is_package, is_tuned

    original: Module | None = None
    if isinstance(model, (Module, TunedModel, Runner)):
        found: Module | TunedModel | Runner = model
    else:
        found = open(model, threads=threads) if is_package(model) else load(model, dims=dims)
    if isinstance(found, Module) and (routines or not is_tuned(found)):
        original = bind_open_dims(bind_dims(found, dims or {}))
        found = tune(original, threads=threads or 1, routines=routines, db=db, progress=progress)
    if isinstance(found, Module):
        module, tuned_for = found, 1
    else:
        module = found.module
        tuned_for = found.program.threads if isinstance(found, Runner) else found.report.threads
    return compare_plans(
        module, original, threads=threads or tuned_for, all_routines=all_routines, inputs=inputs, seed=seed
    )


def _static(model: StrPath | Module, dims: Mapping[str, int] | None) -> Module:
    """A model with numbers for dimensions: those that are not named become 1, with a warning."""
    from plait.ir import Module
    from plait.tuning.api import bind_dims, bind_open_dims

    module = bind_dims(model, dims or {}) if isinstance(model, Module) else load(model, dims=dims)
    return bind_open_dims(module, stacklevel=4)


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        import importlib

        value = getattr(importlib.import_module(_CLASSES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_CLASSES})
