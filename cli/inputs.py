"""Arrays for the inputs of a model: from `.npy` files, or random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plait.cli.output import note

if TYPE_CHECKING:
    from plait.ir.types import Type
    from plait.ir.values import Array

INPUTS = click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="[NAME=]FILE.npy",
    help="An input; its name may be left out if there is only one. Random inputs if none is given.",
)


def read_inputs(given: Sequence[str], types: Mapping[str, Type], seed: int) -> dict[str, Array]:
    """Arrays by name. Without any `given`, random ones; the seed is told on standard error.

    Raises:
        RunError: P401, a file is not an `.npy` file.
        click.UsageError: a name is missing or given twice.
    """
    from plait.backends.runner import check_inputs, random_inputs

    if not given:
        if types:
            note(f"random inputs, seed {seed}")
        return random_inputs(dict(types), seed)
    arrays: dict[str, Array] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or (name not in types and Path(text).exists()):
            if len(types) != 1:
                raise click.UsageError(f"--input {text}: write NAME=FILE; the inputs are {', '.join(types) or 'none'}")
            name, path = next(iter(types)), text
        if name in arrays:
            raise click.UsageError(f"--input {name} is given twice")
        arrays[name] = read_array(Path(path))
    check_inputs(dict(types), (), arrays)
    return arrays


def read_array(path: Path) -> Array:
    """One array from an `.npy` file; pickled objects are refused.

    Raises:
        RunError: P401, it is no such file.
        OSError: it cannot be read.
    """
    import numpy as np

    from plait.backends.errors import RunError
    from plait.ir.diagnostics import Diagnostic

    with open(path, "rb") as file:
        if not file.read(6).startswith((b"\x93NUMPY", b"PK\x03\x04")):
            raise RunError(Diagnostic("P401", "is not an .npy file", where=str(path)))
    try:
        found = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it ends too early"
        raise RunError(Diagnostic("P401", f"cannot be read as an .npy file: {reason}", where=str(path))) from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise RunError(Diagnostic("P401", "is an .npz archive; give an .npy file for each input", where=str(path)))
    return found
