"""The rewrites of the pass `canonicalize`, one file per family."""
