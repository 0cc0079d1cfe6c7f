"""An autoencoder squeezes each digit through eight numbers, and gives back a digit that looks almost the same.

The upper row of the picture shows digits that were not in the training, and the lower row shows what the network makes
of them. The second half of the network has the transposed weights of the first half. The script prints which share of
the variance of the pixels the outputs explain: about three quarters.
"""

import matplotlib.pyplot as plt
from _picture import picture
from sklearn.datasets import load_digits
from sklearn.metrics import r2_score

import fastbp as fb

X = load_digits().data / 16
X, X_test = X[:1500], X[1500:]
net = fb.autoencoder([64, 48, 8, 48, 64], output="sigmoid", seed=0)
trainer = fb.Trainer(
    net, loss="binary_cross_entropy", optimizer=fb.Adam(0.01), schedule=fb.schedules.Cosine(80), seed=0
)
trainer.fit(X, X, epochs=80)

encoder, decoder = net[:2], net[2:]
codes = encoder.predict(X_test)
outputs = decoder.predict(codes)
explained = r2_score(X_test, outputs, multioutput="variance_weighted")
print(f"{codes.shape[1]} numbers for {X.shape[1]} pixels explain {100 * explained:.1f} % of the variance")

figure, axes = plt.subplots(2, 12, figsize=(10, 2.2), layout="constrained")
for row, images in zip(axes, (X_test, outputs), strict=True):
    for ax, image in zip(row, images, strict=False):
        ax.imshow(image.reshape(8, 8), cmap="Greys", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("input")
axes[1, 0].set_ylabel("output")
picture(figure, __file__)
