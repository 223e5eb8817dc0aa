"""Short texts that differ where networks or samples do: keys of what was found out with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from plait.ir.module import Module
from plait.ir.text.printer import print_module
from plait.ir.values import Array
from plait.tuning.calibration import Sample


def network_print(module: Module) -> str:
    """Of a network: its text and the elements of its constants."""
    digest = hashlib.sha256(print_module(module).encode())
    for name in sorted(module.constants):
        _add(digest, name, module.constants[name].data)
    return digest.hexdigest()[:32]


def samples_print(samples: Iterable[Sample]) -> str:
    """Of samples in their order."""
    digest = hashlib.sha256()
    for sample in samples:
        for name in sorted(sample):
            _add(digest, name, np.asarray(sample[name]))
    return digest.hexdigest()[:32]


def _add(digest: hashlib._Hash, name: str, data: Array) -> None:
    digest.update(f"{name} {data.dtype} {data.shape}\n".encode())
    digest.update(np.ascontiguousarray(data).reshape(-1).view(np.uint8).data)
