"""The derivative with respect to a weight is a sum over all paths from the loss back to this weight.

The network has two hidden layers of two units. From the loss, two paths lead back to a weight of the first layer, one
through each unit of the second layer. The picture has a bar for the product along each path. Below them, the sum of the
products is as long as the bar of backpropagation, which does not look at single paths.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

net = fb.MLP([2, 2, 2, 1], activation="sigmoid", output="sigmoid", dtype="float64", seed=0)
x, y = [1.0, 2.0], 1
C = net.graph(x, y, "binary_cross_entropy")
paths = C.paths("w22^(1)")
print(paths)
gradient = net.gradients([x], [y], loss="binary_cross_entropy")[1][0]
print(f"sum of {paths.count} paths {paths.total:.8f}, backpropagation {gradient[1, 1]:.8f}")

bars = [path.product for path in paths]
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
names = [f"path {k}" for k in range(1, len(bars) + 1)]
ax.barh(
    [*names, "sum", "backpropagation"], [*bars, np.sum(bars), gradient[1, 1]], color=["C0"] * len(bars) + ["C1", "C2"]
)
ax.axvline(0, color="0.5", linewidth=1)
ax.invert_yaxis()
ax.locator_params(axis="x", nbins=6)
ax.set(xlabel=r"derivative of the loss with respect to $w_{22}^{(1)}$")
picture(figure, __file__)
