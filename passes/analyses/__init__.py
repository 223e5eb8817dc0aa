"""Facts about functions and modules that passes ask for: computed once, kept until a pass changes the module."""
