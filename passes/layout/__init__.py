"""Placing transposes: which layers compute on permuted data, and where permutations remain."""
