"""Running pipelines: the manager, and what watches it (`instrumentation`, `statistics`, `reproducer`) or drives it
(`bisect`)."""

from plait.passes.manager.runner import PassManager, count_layers, run_pipeline

__all__ = ["PassManager", "count_layers", "run_pipeline"]
