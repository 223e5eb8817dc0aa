"""Options and steps that several commands share."""

from __future__ import annotations

import contextlib
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plait.cli.output import note, warn

if TYPE_CHECKING:
    from plait.backends.runner import Runner
    from plait.ir import Module


class ModelPath(click.Path):
    """A model file that must be there; `-` is told to be none where standard input is not read."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value) == "-" and not self.allow_dash:
            self.fail("standard input is read by `plait opt` and `plait inspect` only; give a file", param, ctx)
        return super().convert(value, param, ctx)


MODEL = ModelPath(exists=True, dir_okay=False, path_type=Path)
"""A model file that must be there."""
MODEL_OR_STDIN = ModelPath(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
"""The same, or `-`: IR text from standard input."""
FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to write."""
FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder to write files into."""
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


class DimType(click.ParamType):  # type: ignore[type-arg]
    """`N=1`: a dimension and its size."""

    name = "NAME=SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, equals, size = str(value).partition("=")
        if not name or not equals or not size.isascii() or not size.isdigit() or int(size) < 1:
            self.fail(f"{value!r} is not of the form NAME=SIZE with a size of at least 1, such as N=1", param, ctx)
        return name, int(size)


DIMS = click.option(
    "--dim",
    "dims",
    type=DimType(),
    metavar="NAME=SIZE",
    multiple=True,
    help="Size of a symbolic dimension, such as N=1. May be repeated; the others become 1.",
)
ROUTINES = click.option(
    "--routine",
    "routines",
    multiple=True,
    metavar="PATTERN",
    help="Restrict the routines, such as cpu/f32/nchw16c or */gemm@2..5. May be repeated; "
    "the last one that names a layer decides for it.",
)
DATABASE = click.option(
    "--db", type=FILE, help="Profile database (default: in the user's cache folder, or $PLAIT_PROFILE_DB)."
)


class Count(click.IntRange):
    """An integer, called N in help."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "N"


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A time: `30s`, `2m`, `0.5h`, or seconds without a unit."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(value), re.ASCII)
        if found is None or not float(found[1]):
            self.fail(f"{value!r} is not a time, such as 30s, 2m or 1h", param, ctx)
        return float(found[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[found[2]]


THREADS = Count(min=1)
SEED = click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the random inputs.")


def load_files(files: Sequence[str]) -> None:
    """Run the files of `--load`, or of `PLAIT_LOAD` where none are given; plug-ins that fail are warned of as lines.

    Raises:
        PluginError: P601, P602 with the place in the file.
    """
    from plait.ir import plugins

    plugins.report = warn
    if not files:
        plugins.load_environment()
    for file in files:
        plugins.load_file(file)


def load_static(path: Path, dims: Sequence[tuple[str, int]]) -> Module:
    """Read a model; dimensions that stay symbolic become 1, with a note."""
    import plait
    from plait.tuning.api import bind_dims

    module = plait.load(path, dims=dict(dims))
    symbols = module.main.symbols()
    for name in symbols:
        note(f"dimension {name} is symbolic; using 1 (set with --dim {name}=…)")
    return bind_dims(module, dict.fromkeys(symbols, 1))


def check_output(path: Path, *, inputs: Sequence[Path] = ()) -> Path:
    """Fail early, before minutes of work, if a file cannot be written.

    Raises:
        OSError: there is no such folder, or it may not be written to.
        click.UsageError: the file is one of the inputs.
    """
    from plait.ir.files import refuse_special

    folder = path.parent
    if not folder.is_dir():
        raise NotADirectoryError(0, "no such folder for the output", str(folder))
    if path.is_dir():
        raise IsADirectoryError(0, "is a folder; the output must be a file", str(path))
    refuse_special(path)
    if not os.access(folder, os.W_OK):
        raise PermissionError(0, "the folder may not be written to", str(folder))
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise click.UsageError(f"{path} is the input; choose another file for the output")
    return path


@contextlib.contextmanager
def warnings_shown() -> Iterator[None]:
    """Print our warnings as lines on standard error."""
    from plait.tuning.api import PlaitWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PlaitWarning)
        yield
    for entry in caught:
        if isinstance(entry.message, PlaitWarning):
            warn(str(entry.message))
        else:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)


def is_package_file(path: Path) -> bool:
    """Whether a file is to be read as a package: it looks like one, or is called so and may be damaged."""
    from plait.tuning.open import is_package

    return path.suffix == ".plait" or is_package(path)


def open_runner(path: Path, threads: int | None, strict: bool) -> Runner:
    """`plait.open`, with its warnings as lines on standard error."""
    import plait

    if path.suffix != ".ir" and not is_package_file(path):
        raise click.UsageError(
            f"{path} is neither a .plait package nor a tuned .ir file; make one with `plait tune {path}`"
        )
    with warnings_shown():
        return plait.open(path, threads=threads, strict=strict)
