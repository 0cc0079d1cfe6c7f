"""This folder holds models of the inputs alone: the restricted Boltzmann machine, and pre-training with it."""
