"""An estimator of fastbp stands in a pipeline of scikit-learn, and learns the same as the one that it replaces.

Both estimators get the same parameters and the same random state. Their losses lie on top of each other in the picture,
and they predict the same classes. Only the time differs. It is printed, and is not the same on each machine.
"""

import time

import matplotlib.pyplot as plt
import sklearn.neural_network
from _picture import picture
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp.sklearn

X, X_test, y, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
options = {"hidden_layer_sizes": (32,), "learning_rate_init": 0.01, "max_iter": 300, "random_state": 0}
figure, ax = plt.subplots(figsize=(5.5, 3.5), layout="constrained")
predictions = []
for module, width in ((sklearn.neural_network, 6), (fastbp.sklearn, 2)):
    pipeline = make_pipeline(StandardScaler(), module.MLPClassifier(**options))
    start = time.perf_counter()
    pipeline.fit(X, y)
    seconds = time.perf_counter() - start
    predictions.append(pipeline.predict(X_test))
    print(f"{module.__name__:22} accuracy {pipeline.score(X_test, y_test):.3f}, {seconds:.2f} s")
    ax.semilogy(pipeline[-1].loss_curve_, linewidth=width, label=module.__name__)
print("same predictions:", bool((predictions[0] == predictions[1]).all()))
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()
picture(figure, __file__)
