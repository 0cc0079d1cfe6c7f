"""An activation and a loss of your own are one formula each, and fastbp finds their derivatives.

The activation is z + sin(2 z)^2 / 2. It goes up and down, and so does a network with it, also where there are no
samples any more. The loss is log(cosh(2 (a - y))), which large errors of single samples do not dominate. The picture
shows the samples, of which some are far off, and the network inside and outside of their range. The script prints the
check of the gradients, and the largest difference from the wave inside the range.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb
from fastbp.graph import exp, log, sin

wavy = fb.activations.Formula(lambda z, f: z + sin(f * z) ** 2 / f, constants={"f": 2.0}, name="wavy")
calm = fb.losses.Formula(lambda a, y: log(0.5 * (exp(2 * (a - y)) + exp(-2 * (a - y)))), name="calm")

rng = np.random.default_rng(0)
x = np.linspace(-6, 6, 300)[:, None]
wave = x[:, 0] / 4 + np.sin(2 * x[:, 0])
y = wave + rng.normal(0, 0.1, 300) + np.where(rng.random(300) < 0.05, 4.0, 0.0)
net = fb.MLP([1, 48, 1], activation=wavy, seed=0)
print("gradients are right:", fb.check_gradients(net.astype("float64"), x[:20], y[:20], calm).passed)
trainer = fb.Trainer(net, loss=calm, optimizer=fb.Adam(0.01), schedule=fb.schedules.Cosine(400), seed=0)
trainer.fit(x, y, epochs=400)
print(f"largest difference from the wave {abs(net.predict(x) - wave).max():.2f}")

wide = np.linspace(-9, 9, 500)[:, None]
figure, ax = plt.subplots(figsize=(6.5, 3.5), layout="constrained")
ax.plot(x, y, ".", color="0.6", markersize=3, label="samples")
ax.plot(wide, wide / 4 + np.sin(2 * wide), "--", label="wave")
ax.plot(wide, net.predict(wide), label="network")
ax.set(xlabel="x", ylim=(-5, 7))
ax.legend()
picture(figure, __file__)
