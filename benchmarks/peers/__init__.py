"""Whole networks: Plait beside other inference engines, in interleaved rounds. See benchmarks/README.md."""
