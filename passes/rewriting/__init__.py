"""The rewrite machinery: patterns, the builder that they make things with, listeners, and the driver that applies them.

Passes import what they need from `plait.passes.rewrite`.
"""
