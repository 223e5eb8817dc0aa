"""Speed is measured here. Run from the repository, which is not installed with the package: see README.md."""
