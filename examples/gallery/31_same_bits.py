"""The same seed gives the same bits with 1, 2 and 8 threads, although the threads add up numbers side by side.

Rounding makes sums depend on their order, and in most libraries the order depends on the threads. In fastbp it does
not. The first three rows of the picture show the last four bits of 100 weights after a training with dropout. They are
equal. The training of the last row has another seed, and other bits. The script prints the digest of all weights of
each. At most as many threads run as the process has cores.
"""

import hashlib

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
rows, labels = [], []
for n_threads, seed in ((1, 0), (2, 0), (8, 0), (1, 1)):
    net = fb.MLP([64, 256, 256, 10], output="softmax", scale=1 / 16, dropout=0.2, seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", batch_size=128, seed=seed, n_threads=n_threads)
    trainer.fit(X, y, epochs=3)
    digest = hashlib.sha256(net.theta.tobytes()).hexdigest()[:16]
    labels.append(f"threads {n_threads}, seed {seed}")
    print(f"{labels[-1]}: {digest}")
    rows.append(net.weights[1][0, :100].view(np.uint32) & 15)

figure, ax = plt.subplots(figsize=(9, 2), layout="constrained")
ax.imshow(np.array(rows), cmap="viridis", aspect="auto", interpolation="nearest")
ax.set(yticks=range(4), yticklabels=labels, xlabel="weight", title="last four bits of each weight")
picture(figure, __file__)
