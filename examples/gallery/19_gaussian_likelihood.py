"""A network with two outputs learns a mean and a standard deviation, so it knows where it is unsure.

The noise of the samples grows from left to right. The loss is the negative logarithm of the likelihood of a Gaussian
distribution, written as a formula. The picture shows the mean and a band of two standard deviations, which grows as the
noise does. The script prints which share of the samples is inside the band: about 95 %.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb
from fastbp.graph import log, softplus


def gaussian(a, y):
    """Output 0 is the mean, and output 1 gives the standard deviation."""
    deviation = softplus(a[1]) + 0.01
    return log(deviation) + 0.5 * ((y[0] - a[0]) / deviation) ** 2


rng = np.random.default_rng(0)
x = rng.uniform(0, 1, (1000, 1))
noise = 0.02 + 0.4 * x[:, 0]
y = np.sin(5 * x[:, 0]) + noise * rng.normal(size=1000)
net = fb.MLP([1, 32, 2], activation="tanh", standardize=x, seed=0)
likelihood = fb.losses.Formula(gaussian, rows=True, n_out=2, n_targets=1)
fb.Trainer(net, loss=likelihood, optimizer=fb.Adam(0.01), seed=0).fit(x, y, epochs=300)


def band(x):
    """Return the mean and the standard deviation at some places."""
    a = net.predict(x)
    return a[:, 0], np.logaddexp(0, a[:, 1]) + 0.01


mean, deviation = band(x)
print(f"inside two standard deviations: {100 * np.mean(abs(y - mean) < 2 * deviation):.1f} %")
print(f"deviation at 0.1 {band([[0.1]])[1][0]:.3f}, true {0.06}; at 0.9 {band([[0.9]])[1][0]:.3f}, true {0.38}")

places = np.linspace(0, 1, 200)
mean, deviation = band(places[:, None])
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(x, y, ".", markersize=2, color="0.5")
ax.fill_between(places, mean - 2 * deviation, mean + 2 * deviation, alpha=0.3, label="two standard deviations")
ax.plot(places, mean, label="mean")
ax.legend()
picture(figure, __file__)
