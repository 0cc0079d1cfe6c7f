"""If one class is rare, a network finds more of its samples when the classes have balanced weights.

Of the samples in the picture, 3 % are of the rare class. Without weights, it is cheap for the network to overlook many
of them. With `class_weight="balanced"`, both classes count the same, and the border moves away from the rare class. The
script prints the recall, which is the share of the rare samples that are found, and the precision, which is the share
of right answers among those that say "rare". The recall rises and the precision falls.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.metrics import precision_score, recall_score

import fastbp as fb

rng = np.random.default_rng(0)
y = (rng.random(4000) < 0.03).astype(int)
X = rng.normal(size=(4000, 2)) * np.where(y, 0.6, 1.0)[:, None] + np.where(y, 1.5, 0.0)[:, None]
train, test = slice(2000), slice(2000, None)

side = np.linspace(-3.5, 3.5, 150)
plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
for value, marker, size in ((0, ".", 3), (1, "s", 14)):
    ax.scatter(*X[train][y[train] == value].T, s=size, marker=marker, label=["common", "rare"][value])
for weights, style in ((None, "--"), ("balanced", "-")):
    net = fb.MLP([2, 16, 1], activation="tanh", output="sigmoid", seed=0)
    trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.Adam(0.01), seed=0)
    trainer.fit(X[train], y[train], epochs=30, class_weight=weights)
    found = net.predict_classes(X[test])
    recall, precision = recall_score(y[test], found), precision_score(y[test], found)
    print(f"class_weight={weights!s:8}: recall {recall:.2f}, precision {precision:.2f}")
    ax.contour(side, side, net.predict(plane).reshape(150, 150), [0.5], linestyles=style, colors="tab:red")
    ax.plot([], [], style, color="tab:red", label=f"class_weight={weights}")
ax.legend(loc="lower left", fontsize="small")
picture(figure, __file__)
