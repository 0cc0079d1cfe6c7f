"""Threshold units with weights that are set by hand compute AND, OR and SAME.

A threshold unit draws one line through the plane of its two inputs. One line is enough for AND and for OR. For SAME,
which is 1 if both bits are equal, the picture needs two lines: two hidden units draw them, and an output unit combines
the two. The script prints the four outputs of each function for the inputs 00, 01, 10 and 11.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

BITS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
one = {"output": "threshold"}
two = {"activation": "threshold", "output": "threshold"}
networks = {
    "AND": fb.MLP.from_weights([[[1], [1]]], [[-1.5]], **one),
    "OR": fb.MLP.from_weights([[[1], [1]]], [[-0.5]], **one),
    "SAME": fb.MLP.from_weights([[[1, -1], [1, -1]], [[1], [1]]], [[-1.5, 0.5], [-0.5]], **two),
}

side = np.linspace(-0.5, 1.5, 201)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, (name, net) in zip(axes, networks.items(), strict=True):
    outputs = net.predict_classes(BITS)
    print(f"{name:4}", *outputs)
    ax.contourf(side, side, net.predict(plane).reshape(201, 201), [-0.5, 0.5, 1.5], colors=["#deebf7", "#fdd0a2"])
    for value, marker, color in ((0, "o", "tab:blue"), (1, "s", "tab:orange")):
        ax.scatter(*BITS[outputs == value].T, s=80, marker=marker, c=color, edgecolors="black", label=f"output {value}")
    ax.set(title=name, xticks=[0, 1], yticks=[0, 1], aspect="equal")
axes[0].legend(loc="lower left", fontsize="small")
picture(figure, __file__)
