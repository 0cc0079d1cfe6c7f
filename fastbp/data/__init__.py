"""This folder checks the samples that users give, and goes through them in each epoch."""
