"""OpenVINO on the ONNX file."""

from __future__ import annotations

from benchmarks.peers.engines.base import BFLOAT16, DTYPES, Engine, ModelFiles, Run, package


class OpenVino(Engine):
    """One stream, for latency. The element type is said: bfloat16 would be chosen where there is hardware for it.

    Quantized networks are the same QDQ files that ONNX Runtime gets; what is quantized there computes on integers.
    """

    name = "openvino"
    packages = ("openvino",)
    dtypes = DTYPES

    def load(self, files: ModelFiles, threads: int) -> Run:
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "bf16" if files.dtype == BFLOAT16 else "f32",
            "ENABLE_CPU_PINNING": False,
        }
        compiled = package("openvino").Core().compile_model(str(files.onnx), "CPU", settings)
        request = compiled.create_infer_request()
        # The image is read where it lies; the result is copied, as a caller who keeps it has to.
        return lambda image: request.infer([image], share_inputs=True)[0].copy()
