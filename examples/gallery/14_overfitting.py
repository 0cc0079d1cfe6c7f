"""A large network learns 200 digits by heart, also those with wrong labels, and six remedies help it on other digits.

Almost a fifth of the 200 labels are wrong. The left picture shows the loss on 1,000 other digits over the epochs:
without a remedy it falls, and then rises while the network learns the wrong labels. The right picture shows the loss at
the end with each remedy, which is lower with all of them. The script prints loss and accuracy.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

rng = np.random.default_rng(0)
X, y = load_digits(return_X_y=True)
few, others = (X[:200], np.where(rng.random(200) < 0.2, rng.integers(0, 10, 200), y[:200])), (X[500:1500], y[500:1500])

# Three detectors of 3 x 3 pixels look at nine places each, with the same weights at every place.
across = np.arange(8)[:, None] - [0, 2, 4]  # from the edge of a place to a pixel; the place has those from 0 to 2
one = np.where((across >= 0) & (across < 3), across, -100)
places = (one[:, None, :, None] * 3 + one[None, :, None, :]).reshape(64, 9)
detectors = np.hstack([np.where(places >= 0, places + 9 * k, -1) for k in range(3)])


def trainer(units=256, seed=0, of_trainer=None, **of_network):
    """Make a trainer of a network with one hidden layer."""
    net = fb.MLP([64, units, 10], output="softmax", scale=1 / 16, seed=seed, **of_network)
    return fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.02, momentum=0.9), seed=seed, **(of_trainer or {}))


trainers = {
    "none": trainer(),
    "weight decay": trainer(of_trainer={"l2": 0.01}),
    "weight sharing": trainer(27, shared={1: detectors}),
    "early stopping": trainer(),
    "dropout": trainer(dropout=[0.2, 0.5]),
    "pre-training": trainer(32, of_trainer={"frozen": (1,)}),
}
fb.pretrain(trainers["pre-training"].network, X[:1500], method="autoencoder", epochs=30, seed=0)
for name, each in trainers.items():
    stop = [fb.EarlyStopping("validation_loss", patience=10)] if name == "early stopping" else []
    each.fit(*few, epochs=100, validation_data=others, callbacks=stop)
trainers["averaging"] = fb.Ensemble([trainer(seed=k) for k in range(5)])
for each in trainers["averaging"].trainers:
    some = rng.integers(0, 200, 200)  # each network sees other samples, some of them twice
    each.fit(few[0][some], few[1][some], epochs=100)

scores = {name: each.evaluate(*others) for name, each in trainers.items()}
for name, values in scores.items():
    print(f"{name:14} loss {values['loss']:.3f}, accuracy {values['accuracy']:.3f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name in ("loss", "validation_loss"):
    left.plot(range(1, 101), trainers["none"].history[name], label=name.replace("_", " "))
left.set(xlabel="epoch", title="without a remedy")
left.legend()
right.barh([*scores], [values["loss"] for values in scores.values()], color=["C1"] + ["C0"] * 6)
right.invert_yaxis()
right.set(title="validation loss at the end")
picture(figure, __file__)
