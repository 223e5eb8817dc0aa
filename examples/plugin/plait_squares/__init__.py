"""A plug-in of Plait that adds one of each."""
