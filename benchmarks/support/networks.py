"""ONNX files of networks."""

from __future__ import annotations

from pathlib import Path

from plait.testing import networks


def onnx_file(network: str, folder: Path, image: int, width: float) -> Path:
    """`FOLDER/NETWORK.onnx`: as it lies there, else one of `plait.testing.networks`, which is written.

    Raises:
        SystemExit: there is no such file, and no such network.
    """
    path = folder / f"{network}.onnx"
    if not path.exists():
        if network not in networks.NETWORKS:
            known = ", ".join(networks.NETWORKS)
            raise SystemExit(f"no network {network}: known are {known}, and files NETWORK.onnx in {folder}")
        networks.save(network, folder, image, width)
    return path
