"""The engine: parameters, memory, compiled kernels, threads, and the list of operations that a step is."""
