"""One layer cannot recognise a pattern that may stand anywhere on a ring, and shared weights can.

Two patterns of four ones stand on a ring of eight places, in all eight rotations. Each place is 1 in four rotations of
each pattern, as the rows of sums in the picture show. So no weighing of single places can tell the patterns apart, and
`fb.separable` proves it. A hidden layer whose units look at all rotations with the same eight weights learns all 16
rows with 18 parameters, while a hidden layer without shared weights has 81 parameters.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

patterns = [[1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 1, 0, 0, 0]]
X = np.array([np.roll(pattern, k) for pattern in patterns for k in range(8)], float)
y = np.repeat([0, 1], 8)
print(fb.separable(X, y))

numbers = np.add.outer(np.arange(8), -np.arange(8)) % 8  # the weight from place i to unit j depends on i - j alone
networks = {
    "one layer": fb.MLP([8, 1], output="sigmoid", seed=0),
    "hidden layer": fb.MLP([8, 8, 1], activation="tanh", output="sigmoid", seed=0),
    "shared weights": fb.MLP(
        [8, 8, 1], activation="tanh", output="sigmoid", shared={1: numbers, 2: [[0]] * 8}, bias=[True, True], seed=0
    ),
}
for name, net in networks.items():
    trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.Adam(0.05), batch_size=16, seed=0)
    accuracy = trainer.fit(X, y, epochs=500)["accuracy"][-1]
    print(f"{name:14} {net.n_parameters:3} parameters, accuracy {accuracy:.3f}")

figure, axes = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
for k, ax in enumerate(axes):
    rows = X[y == k]
    ax.imshow(rows, cmap="Greys", vmax=1.5, extent=(0, 8, 8, 0))
    for place, total in enumerate(rows.sum(axis=0)):
        ax.text(place + 0.5, 8.6, f"{total:g}", ha="center", va="center")
    ax.set(title=f"pattern {k + 1}, and its column sums", xticks=[], yticks=[], ylim=(9.2, 0))
picture(figure, __file__)
