"""Tuning: how long it takes, how well it predicts, and whether any plan beats its own. See benchmarks/README.md."""
