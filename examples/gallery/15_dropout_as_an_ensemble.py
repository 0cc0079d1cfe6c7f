"""Dropout trains many thinned networks at once, and the whole network predicts about what their mean predicts.

Each training step leaves out half of the hidden units. After training, the script leaves out random halves again and
takes the mean of such thinned networks. The picture shows the accuracy of the mean over their number. One thinned
network alone is worse than the whole network, whose accuracy is the horizontal line. The mean of 100 comes close to it.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastbp as fb

X, X_test, y, y_test = train_test_split(*load_digits(return_X_y=True), test_size=0.5, random_state=0)
net = fb.MLP([64, 64, 10], output="softmax", scale=1 / 16, dropout=0.5, seed=0)
fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.05, momentum=0.9), seed=0).fit(X, y, epochs=40)
whole = np.mean(net.predict_classes(X_test) == y_test)

rng, total, accuracies = np.random.default_rng(0), 0.0, []
W, b = net.weights, net.biases
thinned = fb.MLP([64, 64, 10], output="softmax", scale=1 / 16)
for _ in range(100):
    kept = rng.random((64, 1)) >= 0.5
    thinned.set_weights([W[0], W[1] * kept * 2], b)  # kept units count twice, as in training
    total = total + thinned.predict(X_test)
    accuracies.append(np.mean(total.argmax(axis=1) == y_test))
print(f"one thinned network {accuracies[0]:.4f}, mean of 100 {accuracies[-1]:.4f}, whole network {whole:.4f}")

figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
ax.semilogx(range(1, 101), accuracies, marker=".", label="mean of thinned networks")
ax.axhline(whole, color="tab:orange", label="whole network")
ax.set(xlabel="number of thinned networks", ylabel="test accuracy")
ax.legend()
picture(figure, __file__)
