"""This folder holds the layers. Each one says which parameters it has, and gives its operations (`base.py`)."""
