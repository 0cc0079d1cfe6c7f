"""A file can be larger than the memory: fastbp reads it in place, and shuffles it inside windows.

The script writes samples to a file, maps the file into memory, and trains with windows of 1,000 rows. It trains a
second network from blocks that a generator makes while they are needed, and a third one from an array in memory. The
three curves in the picture show that all of them learn the same. The file has the same bits as the array, so these two
networks end with the same weights when the windows are the same.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
X = rng.normal(size=(20_000, 20)).astype(np.float32)
y = (np.sin(X[:, 0]) + X[:, 1] * X[:, 2] > 0).astype(np.int64)


class Blocks:
    """`Blocks` makes a block of 4,000 samples when it is asked for the next one."""

    def __iter__(self):
        return ((X[k : k + 4000], y[k : k + 4000]) for k in range(0, len(X), 4000))


def trained(*samples):
    """Train a network, and return it with its history."""
    net = fb.MLP([20, 32, 2], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", batch_size=100, seed=0)
    return net, trainer.fit(*samples, epochs=10, shuffle_buffer=1000)


with tempfile.TemporaryDirectory() as directory:
    path = Path(directory, "X.f4")
    X.tofile(path)
    results = {"array": trained(X, y), "mapped file": trained(np.memmap(path, np.float32, "r", shape=X.shape), y)}
    results["blocks of a generator"] = trained(Blocks())

figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
for (name, (_, history)), style in zip(results.items(), ("-", "--", ":"), strict=True):
    print(f"{name:22} last loss {history['loss'][-1]:.4f}")
    ax.plot(range(1, 11), history["loss"], style, linewidth=2, label=name)
same = (results["array"][0].theta == results["mapped file"][0].theta).all()
print("array and file give the same bits:", bool(same))
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()
picture(figure, __file__)
