"""A large network learns 200 digits by heart, and six remedies help it on other digits.

The picture shows the loss on 1,000 other digits over the epochs. Without a remedy it falls and then rises again,
although the loss of the training goes to 0. Each remedy keeps it lower at the end. The script prints the last
validation loss and accuracy of each.
"""

import matplotlib.pyplot as plt
from _picture import picture
from sklearn.datasets import load_digits

import fastbp as fb

X, y = load_digits(return_X_y=True)
few, others = (X[:200], y[:200]), (X[500:1500], y[500:1500])
remedies = {
    "none": ({}, {}),
    "L2": ({}, {"l2": 0.003}),
    "L1": ({}, {"l1": 0.0003}),
    "dropout": ({"dropout": [0.0, 0.5]}, {}),
    "noise on inputs": ({"input_noise": 0.15}, {}),
    "max-norm": ({"max_norm": 1.0}, {}),
    "early stopping": ({}, {}),
}
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, (of_network, of_trainer) in remedies.items():
    net = fb.MLP([64, 256, 10], output="softmax", scale=1 / 16, seed=0, **of_network)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.1, momentum=0.9), seed=0, **of_trainer)
    stop = [fb.EarlyStopping("validation_loss", patience=10)] if name == "early stopping" else []
    history = trainer.fit(*few, epochs=150, validation_data=others, callbacks=stop)
    scores = trainer.evaluate(*others)
    print(f"{name:16} {history.epochs:4} epochs, validation loss {scores['loss']:.3f}, accuracy {scores['accuracy']:.3f}")
    ax.plot(range(1, history.epochs + 1), history["validation_loss"], label=name)
ax.set(xlabel="epoch", ylabel="validation loss", yscale="log")
ax.legend(ncols=2)
picture(figure, __file__)
