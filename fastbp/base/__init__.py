"""This folder holds what every other folder may use: checks of arguments, immutable values, files, hints and errors."""
