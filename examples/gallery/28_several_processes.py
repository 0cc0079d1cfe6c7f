"""Several processes train networks side by side, and each network has the same bits as in a single process.

Two processes try eight learning rates, so the search takes less time on two cores. joblib starts the processes, sends
them the work, and brings the networks back. It can also send work to the machines of a cluster. The picture shows the
validation accuracy for each rate. The script prints the best rate, and whether a training in this process gives the
same bits as in another one.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from joblib import Parallel, delayed
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastbp as fb

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.25, random_state=0)


def trained(rate, X, y):
    """Train a network on one thread, because each process has one core."""
    net = fb.MLP([64, 32, 10], output="softmax", scale=1 / 16, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(rate, momentum=0.9), seed=0, n_threads=1)
    trainer.fit(X, y, epochs=15)
    return net


rates = np.geomspace(0.0003, 1, 8)
nets = Parallel(n_jobs=2)(delayed(trained)(rate, X, y) for rate in rates)
accuracies = [np.mean(net.predict_classes(X_test) == y_test) for net in nets]
best = int(np.argmax(accuracies))
print(f"best rate {rates[best]:.3f}: accuracy {accuracies[best]:.3f}")
print("same bits in this process:", bool((trained(rates[best], X, y).theta == nets[best].theta).all()))

figure, ax = plt.subplots(figsize=(5, 3.4), layout="constrained")
ax.semilogx(rates, accuracies, marker="o")
ax.plot(rates[best], accuracies[best], "s", markersize=10, color="tab:orange", label="best")
ax.set(xlabel="learning rate", ylabel="validation accuracy")
ax.legend()
picture(figure, __file__)
