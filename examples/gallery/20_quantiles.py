"""A loss for quantiles finds borders that a given share of the samples stays below.

The waiting times of the picture have a long tail, so a mean and a standard deviation would describe them badly. Three
networks learn the quantiles 0.1, 0.5 and 0.9. The script prints which share of new samples is below each curve: close
to 10 %, 50 % and 90 %.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
hour = rng.uniform(8, 18, (4000, 1))
minutes = rng.exponential(5 + 10 * np.exp(-((hour[:, 0] - 12) ** 2) / 2))
train, test = slice(2000), slice(2000, None)

figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.plot(hour[train], minutes[train], ".", markersize=2, color="0.6")
times = np.linspace(8, 18, 200)[:, None]
for q in (0.1, 0.5, 0.9):
    options = {"standardize": hour[train], "standardize_targets": minutes[train]}
    net = fb.MLP([1, 24, 1], activation="tanh", seed=0, **options)
    trainer = fb.Trainer(net, loss=fb.losses.Quantile(q), optimizer=fb.Adam(0.01), average=fb.EMA(0.99), seed=0)
    trainer.fit(hour[train], minutes[train], epochs=60)
    below = np.mean(minutes[test] < trainer.averaged.predict(hour[test]))
    print(f"quantile {q}: {100 * below:.1f} % of the new samples are below")
    ax.plot(times, trainer.averaged.predict(times), label=f"quantile {q}")
ax.set(xlabel="hour of the day", ylabel="minutes of waiting", ylim=(0, 60))
ax.legend()
picture(figure, __file__)
