"""Readers of model files. Each turns a file into an IR module and does nothing else."""
