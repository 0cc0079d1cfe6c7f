"""A perceptron changes its line only when it makes a mistake, and ends when it makes none.

Each line in the picture is the border between the two classes after an epoch, from light to dark. The last and darkest
one separates all points. The script prints the number of mistakes in each epoch, and the last number is 0. It also
prints the margin of the best line: the wider it is, the fewer mistakes a perceptron can make.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(2)
X = rng.uniform(0, 2, (200, 2))
side = X @ [1.0, 2.0] - 3.0
X, y = X[abs(side) > 0.05], (side[abs(side) > 0.05] > 0).astype(int)

unit, recorder = fb.Perceptron(2), fb.callbacks.Recorder()
unit.fit(X, y, callbacks=[recorder])
print("mistakes", unit.mistakes)
print(fb.separable(X, y))

figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for value, marker in enumerate("os"):
    ax.scatter(*X[y == value].T, marker=marker, s=18, label=f"class {value}")
x = np.array([0.0, 2.0])
lines = recorder.values[1:]
for k, (w1, w2, b) in enumerate(lines, 1):
    ax.plot(x, -(w1 * x + b) / w2, color="black", alpha=k / len(lines), linewidth=1 + (k == len(lines)))
ax.set(xlim=(0, 2), ylim=(0, 2), xlabel="$x_1$", ylabel="$x_2$", title=f"{len(lines)} epochs")
ax.legend()
picture(figure, __file__)
