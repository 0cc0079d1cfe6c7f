"""A learning rate can be too small, right or too large, and a schedule changes it during training.

The left picture shows the loss of the digits over the epochs for fixed learning rates. The smallest rate learns slowly,
and with the largest one the loss does not fall below that of guessing. The right picture shows factors by which
schedules multiply the learning rate. The script prints the last loss of each rate.
"""

import matplotlib.pyplot as plt
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for rate in (0.001, 0.1, 10.0):
    net = fb.MLP([64, 32, 10], output="softmax", scale=1 / 16, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(rate), seed=0)
    loss = trainer.fit(X, y, epochs=20)["loss"]
    print(f"rate {rate:6}: last loss {loss[-1]:.4f}")
    left.semilogy(range(1, 21), loss, label=f"rate {rate:g}")
left.set(xlabel="epoch", ylabel="loss", title="fixed rates")

S = fb.schedules
for name, schedule in {
    "Step(10, 0.5)": S.Step(10, 0.5),
    "Cosine(40)": S.Cosine(40),
    "WarmRestarts(10)": S.WarmRestarts(10),
    "Warmup(5) * Exponential(0.95)": S.Warmup(5) * S.Exponential(0.95),
}.items():
    net = fb.MLP([1, 1], seed=0)
    trainer = fb.Trainer(net, loss="mean_squared_error", optimizer=fb.SGD(1.0), schedule=schedule)
    history = trainer.fit([[0.0]], [0.0], epochs=40)
    right.plot(range(1, 41), history["learning_rate"], label=name)
right.set(xlabel="epoch", ylabel="factor", ylim=(0, 1.7), title="schedules")
for ax in (left, right):
    ax.legend(fontsize="small")
picture(figure, __file__)
