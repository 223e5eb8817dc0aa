"""Passes over the IR: machinery, one file for each pass, and `selection`, the choice of routines."""
