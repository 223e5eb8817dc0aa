"""A laboratory for research on routine selection: instances, a runner, experiments, a report. See
docs/selection-research.md."""
