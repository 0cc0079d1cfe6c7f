"""Inputs without targets help a deep network of sigmoids that has few samples with targets.

Of 1,400 digits, only 100 have a label. Pre-training goes through all digits without labels: each of the three hidden
layers learns to describe the layer before it so well that an autoencoder can give it back. The picture shows the test
accuracy over the epochs of the training with labels, which is the same for both networks. The script prints the
accuracy at the end, where the pre-trained network is far ahead.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order], y[order]
labelled, test = (X[:100], y[:100]), (X[1400:], y[1400:])
figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
for name in ("first weights at random", "pre-trained"):
    net = fb.MLP([64, 100, 100, 100, 10], activation="sigmoid", output="softmax", scale=1 / 16, seed=0)
    if name == "pre-trained":
        fb.pretrain(net, X[:1400], method="autoencoder", epochs=30, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.02, momentum=0.9), batch_size=10, seed=0)
    history = trainer.fit(*labelled, epochs=60, validation_data=test)
    print(f"{name}: test accuracy {history['validation_accuracy'][-1]:.3f}")
    ax.plot(range(1, 61), history["validation_accuracy"], label=name)
ax.set(xlabel="epoch", ylabel="test accuracy")
ax.legend()
picture(figure, __file__)
