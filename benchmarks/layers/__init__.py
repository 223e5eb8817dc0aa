"""Single layers: every routine family on the shapes of networks, beside oneDNN. See benchmarks/README.md."""
