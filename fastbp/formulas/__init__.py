"""This folder has graphs of gates: what a formula computes, and its derivative by backpropagation (001, 003)."""
