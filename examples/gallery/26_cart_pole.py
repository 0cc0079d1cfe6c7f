"""A network learns to balance a pole on a cart, from gradients that come from outside.

Nobody knows the right push at each moment, so there are no targets. The policy gradient makes pushes more likely that
were followed by a long time with an upright pole. It is the derivative of no loss that fastbp knows, so the script
gives it to `partial_fit` itself. The picture shows how long the pole stays upright, at most 200 steps. The script
prints the mean time of the first and of the last round, which is many times as long.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)


def move(state, push):
    """Compute the next state of each cart: place, speed, angle and angular speed after 0.02 seconds."""
    _, v, angle, w = state.T
    force = (10 * push + 0.05 * w**2 * np.sin(angle)) / 1.1
    turn = (9.8 * np.sin(angle) - np.cos(angle) * force) / (0.5 * (4 / 3 - 0.1 * np.cos(angle) ** 2 / 1.1))
    return state + 0.02 * np.stack([v, force - 0.05 * turn * np.cos(angle) / 1.1, w, turn], axis=1)


def play(net, carts=32):
    """Let the carts run until their poles fall, and return states, pushes and rewards, with shapes (steps, carts)."""
    state, up = rng.uniform(-0.05, 0.05, (carts, 4)), np.ones(carts, bool)
    states, pushes, alive = [], [], []
    while up.any() and len(states) < 200:
        push = (rng.random(carts) < net.predict(state)[:, 1]).astype(int)
        states, pushes, alive = [*states, state], [*pushes, push], [*alive, up]
        state = move(state, 2 * push - 1)
        up = up & (abs(state[:, 0]) < 2.4) & (abs(state[:, 2]) < 0.21)
    return np.array(states), np.array(pushes), np.array(alive)


net = fb.MLP([4, 16, 2], activation="tanh", output="softmax", scale=[1, 1, 5, 1], seed=0)
trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.Adam(0.01), batch_size="all", seed=0)
times = []
for _ in range(40):
    states, pushes, alive = play(net)
    times.append(alive.sum(axis=0))
    still = np.cumsum(alive[::-1], axis=0)[::-1]  # how long each pole stays upright from each step on
    advantage = (still[alive] - still[alive].mean()) / still[alive].std()
    X, a = states[alive], np.eye(2)[pushes[alive]]
    gradient = -a / net.predict(X) * advantage[:, None] / len(X)  # of -log p(push) * advantage, with respect to p
    trainer.partial_fit(X, output_gradient=gradient)
print(f"mean time {np.mean(times[0]):.0f} steps in the first round, {np.mean(times[-1]):.0f} in the last")

figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
ax.plot(times, ".", color="0.7", markersize=3)
ax.plot(np.mean(times, axis=1), label="mean of 32 carts")
ax.set(xlabel="round", ylabel="steps until the pole falls")
ax.legend()
picture(figure, __file__)
