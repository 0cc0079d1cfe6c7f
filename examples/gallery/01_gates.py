"""Values go forward and gradients go backward through a circuit of gates.

The picture shows (x + y) z for x = -2, y = 5 and z = -4. The value of each gate stands above it, and below it stands
the derivative of the output with respect to this gate. The output is -12. If x grows by a little, the output shrinks
four times as much, because its derivative is -4.
"""

import matplotlib.pyplot as plt
from _picture import picture

import fastbp as fb

x, y, z = fb.graph.variables("x y z")
q = (x + y).named("q")
f = (q * z).named("f")
print("f =", f.forward(x=-2, y=5, z=-4))
print("gradients", f.backward())
print(f.table(local=True))

places = {"x": (0, 2), "y": (0, 1), "z": (0, 0), "q": (1, 1.5), "f": (2, 0.75)}
labels = {"x": "x", "y": "y", "z": "z", "q": "q = x + y", "f": "f = q z"}
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for start, end in ("xq", "yq", "qf", "zf"):
    ax.annotate("", places[end], places[start], arrowprops={"arrowstyle": "->", "shrinkA": 28, "shrinkB": 28})
for node, name in zip((x, y, z, q, f), "xyzqf", strict=True):
    column, row = places[name]
    ax.text(column, row, labels[name], ha="center", va="center", bbox={"boxstyle": "round", "fc": "0.9"}, color="black")
    ax.text(column, row + 0.22, f"{node.value:g}", ha="center", va="bottom", color="tab:blue")
    ax.text(column, row - 0.22, f"{node.gradient:g}", ha="center", va="top", color="tab:orange")
ax.set(xlim=(-0.4, 2.4), ylim=(-0.7, 2.7), title="values in blue, gradients in orange")
ax.axis("off")
picture(figure, __file__)
