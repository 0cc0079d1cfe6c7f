"""A network learns from sentences as sparse counts of words, and its weights say which words matter.

The script makes sentences about food and about weather. Some words are in both kinds. scikit-learn counts the words in
a sparse matrix, and fastbp reads it without making it dense. The picture shows the weight of each word: those of food
on one side, those of weather on the other, and the words that both share close to 0. The script prints the accuracy on
new sentences and the share of the matrix that is not 0.
"""

import matplotlib.pyplot as plt
import numpy as np
from _picture import picture
from sklearn.feature_extraction.text import CountVectorizer

import fastbp as fb

rng = np.random.default_rng(0)
FOOD, WEATHER = "soup bread salt cook oven taste lemon", "rain wind storm cloud sun snow cold"
BOTH = "the today we very some again after morning"


def sentence(topic):
    """Make a sentence of three words of a topic and five words that do not matter."""
    return " ".join(rng.permutation([*rng.choice((FOOD, WEATHER)[topic].split(), 3), *rng.choice(BOTH.split(), 5)]))


y = rng.integers(0, 2, 1200)
counter = CountVectorizer(dtype=np.float32)
X = counter.fit_transform([sentence(topic) for topic in y])
train, test = slice(800), slice(800, None)
net = fb.MLP([X.shape[1], 1], output="sigmoid", seed=0)
trainer = fb.Trainer(net, loss="binary_cross_entropy", optimizer=fb.SGD(0.5), seed=0)
trainer.fit(X[train], y[train], epochs=20)
print(f"{type(X).__name__} with {100 * X.nnz / np.prod(X.shape):.0f} % of its numbers not 0")
print(f"accuracy of new sentences {trainer.evaluate(X[test], y[test])['accuracy']:.3f}")

words, weights = counter.get_feature_names_out(), net.weights[0][:, 0]
order = np.argsort(weights)
figure, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
ax.barh(words[order], weights[order], color=np.where(weights[order] < 0, "tab:orange", "tab:blue"))
ax.axvline(0, color="0.5", linewidth=1)
ax.set(xlabel="weight: food on the left, weather on the right")
picture(figure, __file__)
