"""A single layer can only draw a line between two classes, and hidden layers can draw a closed border.

The rows of the picture are networks with no, one and two hidden layers, and the columns are moments of their training:
after 0, 10, 100 and 1,000 epochs. The classes are two rings, one inside the other. The script prints the accuracy at
the end. The single layer is hardly better than guessing. With hidden layers, the border closes around the inner ring.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
y = np.repeat([0, 1], 150)
angle, radius = rng.uniform(0, 2 * np.pi, 300), np.where(y, 1.0, 2.0) + rng.normal(0, 0.15, 300)
X = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

side = np.linspace(-2.6, 2.6, 120)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
times = 0, 10, 100, 1000
figure, axes = plt.subplots(3, len(times), figsize=(9, 7), layout="constrained")
for row, hidden in zip(axes, ([], [6], [6, 6]), strict=True):
    net = fb.MLP([2, *hidden, 1], activation="tanh", output="sigmoid", seed=1)
    trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.Adam(0.01), batch_size="all", seed=0)
    for ax, epochs in zip(row, times, strict=True):
        trainer.fit(X, y, epochs=epochs - trainer.history.epochs)
        ax.contourf(side, side, net.predict(plane).reshape(120, 120), np.linspace(0, 1, 11), cmap="PuOr", alpha=0.8)
        for value, marker in enumerate("os"):
            ax.scatter(
                *X[y == value].T, s=4, c="black" if value else "white", marker=marker, edgecolors="black", lw=0.3
            )
        ax.set(xticks=[], yticks=[], aspect="equal")
        if ax in axes[0]:
            ax.set_title(f"{epochs:,} epochs")
    row[0].set_ylabel(f"hidden layers: {len(hidden)}")
    print(f"hidden layers {len(hidden)}: accuracy {trainer.evaluate(X, y)['accuracy']:.3f}")
picture(figure, __file__)
