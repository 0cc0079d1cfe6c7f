"""This folder holds the rules that change parameters: optimizers, and averages of parameters."""
