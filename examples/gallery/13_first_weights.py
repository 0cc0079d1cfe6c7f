"""The first weights decide whether signals and gradients survive many layers.

The network has ten hidden layers of tanh. The picture shows, for each layer before any training, how much the
activations and the deltas differ from image to image. With weights of 0 there is no signal at all. With small weights
both vanish from layer to layer. Large weights drive the units into saturation, and the deltas explode on their way
back. The default weights keep both near their size. The script prints the loss after 15 epochs: only the network with
the default weights has learnt more than guessing.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
X = X / 16 - 0.3
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for name, factor in {"zeros": 0.0, "small": 0.1, "default": 1.0, "large": 10.0}.items():
    net = fb.MLP([64, *[64] * 10, 10], activation="tanh", output="softmax", seed=0)
    net.theta = net.theta * factor
    trace = net.trace(X[:200], y[:200], "cross_entropy")
    layers = range(1, 11)
    left.semilogy(layers, [trace.layer(l).a.std(axis=0).mean() + 1e-12 for l in layers], marker=".", label=name)
    right.semilogy(layers, [trace.layer(l).delta.std(axis=0).mean() + 1e-12 for l in layers], marker=".", label=name)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.05, momentum=0.9), batch_size=64, seed=0)
    loss = trainer.fit(X, y, epochs=15)["loss"][-1]
    print(f"{name:8} loss {loss:.3f}; guessing has {np.log(10):.3f}")
left.set(title="activations", xlabel="layer", ylabel="mean standard deviation")
right.set(title="deltas", xlabel="layer")
left.legend()
picture(figure, __file__)
