"""The benchmark's networks in the frameworks from which some engines take their model files."""
