"""Plait: an inference compiler for neural networks whose every step can be read, edited and researched as text."""

__version__ = "0.1.0"
