"""Converters, one file per operator family. Importing a file registers its converters."""
