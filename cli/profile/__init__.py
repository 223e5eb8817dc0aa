"""The subcommands of `plait profile`."""
