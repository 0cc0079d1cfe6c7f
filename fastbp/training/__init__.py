"""This folder trains networks: the trainer, its settings and state, checkpoints, ensembles, and L-BFGS."""
