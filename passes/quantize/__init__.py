"""Quantization of float networks after training: which numbers 8 bits stand for, and the module that computes on them.

Pure functions on ranges, histograms and weights; `plait.tuning.calibration` runs networks over samples for them.
"""
