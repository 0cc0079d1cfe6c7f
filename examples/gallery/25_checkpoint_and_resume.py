"""A training that was interrupted goes on from its checkpoint, and ends with the same bits.

The first training runs for 30 epochs without a break. The second one fails in epoch 12, as if the power went off, and a
new trainer goes on from the newest checkpoint. The picture shows the two parts of the second training on the curve of
the first. The script prints whether all weights are equal to the last bit.
"""

import tempfile

import matplotlib.pyplot as plt
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)


def new_trainer():
    """Make a trainer whose network has dropout, so that chance plays a part in each step."""
    net = fb.MLP([64, 64, 10], output="softmax", scale=1 / 16, dropout=0.3, seed=0)
    return fb.Trainer(net, loss="cross_entropy", seed=0)


def fail(state):
    """End the training in the middle of it."""
    if state.epoch == 12:
        raise ConnectionError("the power is off")


whole = new_trainer()
whole.fit(X, y, epochs=30)
with tempfile.TemporaryDirectory() as directory:
    try:
        failing = fb.callbacks.Lambda(epoch_end=fail)
        new_trainer().fit(X, y, epochs=30, callbacks=[fb.Checkpoint(directory, every=5), failing])
    except ConnectionError as error:
        print("interrupted:", error)
    resumed = fb.Trainer.resume(directory)
    start = resumed.history.epochs
    resumed.fit(X, y, epochs=30, callbacks=[fb.Checkpoint(directory, every=5)])
print(f"resumed after epoch {start}, and trained until epoch {resumed.history.epochs}")
print("same bits:", bool((whole.network.theta == resumed.network.theta).all()))

figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
epochs, loss = range(1, 31), resumed.history["loss"]
ax.plot(epochs, whole.history["loss"], color="0.7", linewidth=6, label="without a break")
ax.plot(epochs[:start], loss[:start], label="before the break")
ax.plot(epochs[start:], loss[start:], label="resumed")
ax.set(xlabel="epoch", ylabel="loss", yscale="log")
ax.legend()
picture(figure, __file__)
