"""Changing the element types that layers compute in."""
