"""A full batch walks smoothly down the valley of the loss, and small minibatches stagger around its bottom.

The network has two parameters, a weight and a bias, so the picture can show the loss as contours and the way of the
parameters as a line. Each way has 60 steps with the same learning rate, from the same start. Steps of one sample are
noisy, because the line through one sample is not the line through all. The script prints the loss at the end of each
way: the full batch comes closest to the smallest loss.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (60, 1))
y = 2 * x[:, 0] + 0.5 + rng.normal(0, 0.5, 60)
grid = np.stack(np.meshgrid(np.linspace(-1.6, 3, 80), np.linspace(-1.4, 1.6, 80)))
loss = np.mean((grid[0][..., None] * x[:, 0] + grid[1][..., None] - y) ** 2, axis=-1)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained", sharey=True)
for ax, batch_size in zip(axes, (60, 10, 1), strict=True):
    net, recorder = fb.MLP.from_weights([[[-1.0]]], [[-1.0]]), fb.callbacks.Recorder(per="step")
    trainer = fb.Trainer(net, loss="mean_squared_error", optimizer=fb.SGD(0.15), batch_size=batch_size, seed=0)
    trainer.fit(x, y, epochs=batch_size, callbacks=[recorder])  # 60 / batch_size steps in each epoch
    print(f"batch size {batch_size:2}: {trainer.evaluate(x, y)['loss']:.4f} after {recorder.steps[-1]} steps")
    ax.contour(*grid, loss, levels=np.geomspace(loss.min() * 1.02, loss.max(), 12), cmap="viridis", linewidths=0.8)
    ax.plot(*recorder.values.T, marker=".", markersize=4, color="tab:red", linewidth=0.8)
    ax.set(title=f"batch size {batch_size}", xlabel="weight")
print(f"smallest loss  {np.mean((np.polyval(np.polyfit(x[:, 0], y, 1), x[:, 0]) - y) ** 2):.4f}")
axes[0].set_ylabel("bias")
picture(figure, __file__)
