"""Differences give the gradient too, but slowly and only approximately.

Backpropagation is exact up to rounding. A difference (C(w + h) - C(w)) / h is not: for a large h, the curve of the loss
bends between the two points, and for a small h, the two losses are rounded. The picture shows the error over h, which
has a valley in between. In float64 the valley is deeper than in float32. The script also prints how many times as long
the differences for all weights take.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
X, y = rng.normal(size=(20, 8)), rng.integers(0, 3, 20)
steps = np.logspace(-12, 0, 49)
figure, ax = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
for dtype in ("float32", "float64"):
    net = fb.MLP([8, 32, 3], activation="tanh", output="softmax", dtype=dtype, seed=0)
    theta = net.theta
    direction = rng.normal(size=theta.size)
    exact = net.astype("float64").gradients(X, y, loss="cross_entropy", flat=True)[1] @ direction
    cost, errors = net.gradients(X, y, loss="cross_entropy")[0], []
    for h in steps:
        net.theta = theta + h * direction
        errors.append(abs((net.gradients(X, y, loss="cross_entropy")[0] - cost) / h - exact) / abs(exact))
    best = int(np.argmin(errors))
    print(f"{dtype}: smallest relative error {errors[best]:.1e} at h = {steps[best]:.0e}")
    ax.loglog(steps, errors, marker=".", label=dtype)

slow = fb.numerical_gradients(net, X, y, "cross_entropy")
ratio = slow.seconds / slow.backpropagation_seconds
print(f"all {net.n_parameters} derivatives: differences take {ratio:.0f} times as long")
ax.set(xlabel="step h", ylabel="relative error", ylim=(1e-9, 1e3), title="differences against backpropagation")
ax.legend()
picture(figure, __file__)
