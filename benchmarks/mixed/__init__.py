"""Mixed precision beside networks of one precision: time and loss of the plans for several bounds."""
