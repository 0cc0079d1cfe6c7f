"""A network moves from PyTorch to fastbp, learns there, and moves back.

The module of PyTorch starts with its own first weights. fastbp takes them over and computes the same outputs up to
rounding. It then trains the network on the digits, and gives the weights back to the module. The picture shows the
outputs of both for the same images, before and after the training: all points lie on the diagonal.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10), torch.nn.Softmax(dim=1))
net = fb.MLP([64, 32, 10], output="softmax")
figure, axes = plt.subplots(1, 2, figsize=(7, 3.4), layout="constrained")


def compare(ax, title):
    """Compare the outputs of both for all images, and draw those of some."""
    with torch.no_grad():
        theirs = module(torch.from_numpy(X)).numpy()
    ours = net.predict(X)
    accuracy = np.mean(theirs.argmax(axis=1) == y)
    print(f"{title}: largest difference {abs(theirs - ours).max():.0e}, accuracy in PyTorch {accuracy:.3f}")
    ax.plot(theirs[:100].ravel(), ours[:100].ravel(), ".", markersize=3)
    ax.axline((0, 0), slope=1, color="0.6", zorder=0)
    ax.set(xlabel="PyTorch", ylabel="fastbp", title=title)


fb.interop.from_torch(net, module.state_dict())
compare(axes[0], "before")
fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1, momentum=0.9), seed=0).fit(X, y, epochs=20)
names = list(module.state_dict())
module.load_state_dict(fb.interop.to_torch(net, names))
compare(axes[1], "after")
picture(figure, __file__)
