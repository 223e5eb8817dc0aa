"""The NumPy reference: what every layer means."""

from plait.backends.reference.evaluate import evaluate

__all__ = ["evaluate"]
