"""This folder has graphs of gates: what a formula computes, and its derivative by backpropagation (001, 003).

`gates.py` has the table of gates, and `nodes.py` has the nodes of a graph, with their values and gradients. `tables.py`
shows a graph as text. `explained.py` has the methods of nodes that explain backpropagation, with the local derivatives
of `slopes.py` and the paths of `paths.py`. `blocks.py` has functions of nodes with parameters, `user_gates.py` makes
nodes of gates of the user, and `gate_checks.py` checks these gates. `programs.py` keeps a formula as a list of lines,
which can be compiled and stored in a file, and `user_formulas.py` makes such a list of a function of the user.
`differences.py` approximates derivatives. The public names are in `fastbp.graph`, `fastbp.activations.Formula` and
`fastbp.losses.Formula`.
"""
