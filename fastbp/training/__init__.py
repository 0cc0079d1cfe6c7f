"""Training: the trainer, its settings and its state, a call of fit, and what goes with it."""
