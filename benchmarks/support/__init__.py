"""What the benchmarks share: the machine's limits, environments of other packages, tables."""
