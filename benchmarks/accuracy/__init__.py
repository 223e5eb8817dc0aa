"""Accuracy of quantization on trained models: Plait beside ONNX Runtime. See docs/accuracy.md."""
