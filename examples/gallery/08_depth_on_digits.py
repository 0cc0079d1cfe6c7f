"""Hidden layers help on digits, but only a little, because a single layer is already good.

The picture shows the accuracy on images that were not in the training, for networks with 0 to 4 hidden layers of 32
units. Five networks with different first weights are trained for each depth, and each dot is one of them. The script
prints the means: that of three hidden layers is above that of none by about one percent. Networks of one depth differ
among each other by about as much.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastbp as fb

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.25, random_state=0)
depths, accuracies = range(5), []
for depth in depths:
    nets = [fb.MLP([64, *[32] * depth, 10], output="softmax", scale=1 / 16, seed=k) for k in range(5)]
    optimizer = fb.SGD(0.02, momentum=0.9)
    trainers = [fb.Trainer(net, loss="cross_entropy", optimizer=optimizer, seed=k) for k, net in enumerate(nets)]
    fb.Ensemble(trainers).fit(X, y, epochs=30)
    accuracies.append([trainer.evaluate(X_test, y_test)["accuracy"] for trainer in trainers])
    print(f"hidden layers {depth}: mean test accuracy {np.mean(accuracies[-1]):.4f}")

figure, ax = plt.subplots(figsize=(5, 3.5), layout="constrained")
ax.plot(depths, np.mean(accuracies, axis=1), label="mean")
ax.plot(depths, accuracies, "o", color="tab:orange", markersize=4)
ax.set(xlabel="hidden layers", ylabel="test accuracy", xticks=depths, title="digits of scikit-learn")
picture(figure, __file__)
