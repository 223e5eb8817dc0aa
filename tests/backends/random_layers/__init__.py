"""Random quantized layers, each on every routine on bytes that takes it, with every variant, on one and two threads.

`families.py` draws layers, `corners.py` has those with the largest sums, `checking.py` runs them and compares with the
layer's own integer arithmetic. As a program (`python -m random_layers COUNT`, from this folder's parent) the package
prints what it did as JSON, so that tests reach ISA levels below the one of their process (`PLAIT_MAX_ISA`).
"""
