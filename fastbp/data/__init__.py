"""Data: the checks of what users give, and how an epoch goes through it."""
