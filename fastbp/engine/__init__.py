"""This folder is the engine: parameters, memory, compiled kernels, threads, and the list of operations of a step."""
