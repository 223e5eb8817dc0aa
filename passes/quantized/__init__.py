"""The parts of form-integer-layers: layers between casts from and to integers become layers on the integers."""
