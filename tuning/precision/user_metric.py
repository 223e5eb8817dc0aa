"""Functions of users by name: `module:function`, where the module may be a file beside the model."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from plait.ir.diagnostics import did_you_mean


def load_function(name: str) -> Callable[..., Any]:
    """The function `module:function`, or `folder/file.py:function`. A module that is a file in this folder is that
    file, else one that Python finds.

    Raises:
        ValueError: with what is wrong; its cause is what the module raised.
    """
    home, _, wanted = name.rpartition(":")
    if not home or not wanted:
        raise ValueError(f"{name!r} is not of the form module:function")
    module = _module(home)
    function = getattr(module, wanted, None)
    if function is None:
        known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        hint = did_you_mean(wanted, known)
        raise ValueError(f"{home} has no function {wanted!r}" + (f"; {hint}" if hint else ""))
    if not callable(function):
        raise ValueError(f"{name} is not a function, but of type {type(function).__name__}")
    found: Callable[..., Any] = function
    return found


def place_of(error: BaseException) -> str:
    """` (file.py:12)`, where an exception was raised, if that is known."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""


def _module(home: str) -> ModuleType:
    path = Path(home) if home.endswith(".py") else Path(home.replace(".", "/") + ".py")
    if home.endswith(".py") and not path.is_file():
        raise ValueError(f"there is no file {home}")
    try:
        return _of_file(path) if path.is_file() else importlib.import_module(home)
    except ModuleNotFoundError as error:
        if error.name is not None and (home == error.name or home.startswith(f"{error.name}.")):
            raise ValueError(f"there is no module {home!r}, nor a file {path} in this folder") from None
        raise _failed(home, error) from error
    except Exception as error:
        raise _failed(home, error) from error


def _failed(home: str, error: Exception) -> ValueError:
    return ValueError(f"{home} cannot be loaded{place_of(error)}: {type(error).__name__}: {error}")


def _of_file(path: Path) -> ModuleType:
    # By a name of its own, so that no module of the same name is in its place, nor the other way round.
    name = f"_plait_metric_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
