"""The command line. `main` knows the commands by name and imports the file of one only when it is called."""
