"""A network learns the force on a pendulum from measurements, and then takes its place in a simulation.

The pendulum has friction that the network is not told about. The network sees angles, angular speeds and noisy
accelerations at random moments. Afterwards a simulation asks the network for the acceleration in each step. The picture
shows the true swing and the simulated one for ten seconds from a start of 2 radians. They stay within 0.2 radians of
each other.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture

import fastbp as fb

rng = np.random.default_rng(0)


def true_force(angle, speed):
    """Return the angular acceleration of a pendulum with friction."""
    return -9.81 * np.sin(angle) - 0.3 * speed


X = rng.uniform([-3, -8], [3, 8], (2000, 2))
y = true_force(*X.T) + rng.normal(0, 0.1, 2000)
net = fb.MLP([2, 32, 32, 1], activation="tanh", standardize=X, standardize_targets=y, dtype="float64", seed=0)
fb.Trainer(net, loss="mean_squared_error", optimizer=fb.LBFGS(), seed=0).fit(X, y, epochs=300)


def simulate(force, seconds=10.0, step=0.01):
    """Swing from an angle of 2 radians, by steps in which the speed changes first, and return the angles."""
    angle, speed, angles = 2.0, 0.0, []
    for _ in range(round(seconds / step)):
        speed += step * force(angle, speed)
        angle += step * speed
        angles.append(angle)
    return np.array(angles)


truth = simulate(true_force)
swing = simulate(lambda angle, speed: net.predict([[angle, speed]])[0])
print(f"largest difference {abs(swing - truth).max():.3f} radians in {len(truth):,} steps")

figure, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
seconds = 0.01 * np.arange(1, len(truth) + 1)
ax.plot(seconds, truth, color="0.7", linewidth=5, label="true force")
ax.plot(seconds, swing, label="force from the network")
ax.set(xlabel="seconds", ylabel="angle in radians")
ax.legend()
picture(figure, __file__)
