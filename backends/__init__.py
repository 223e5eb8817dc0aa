"""What runs modules: the NumPy reference, the routines of each backend, lowering, profiling, packages."""
