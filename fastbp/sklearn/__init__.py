"""Estimators with the interface of scikit-learn, on the kernels of fastbp.

`MLPClassifier` and `MLPRegressor` have the parameters, attributes and methods of the classes of scikit-learn with these
names, and give the same results up to rounding: change the line of the import. They also have options of their own.
`Perceptron`, `Adaline` and `LogisticUnit` are learners with a single layer. `BernoulliRBM` is that of scikit-learn on
`fastbp.RBM`. This package needs scikit-learn, which
``pip install "fastbp[sklearn]"`` installs.
"""

from ..base import extras

extras.package("sklearn", "fastbp.sklearn")

from .mlp import MLPClassifier, MLPRegressor  # noqa: E402 (only a message without scikit-learn comes before)
from .rbm import BernoulliRBM  # noqa: E402
from .units import Adaline, LogisticUnit, Perceptron  # noqa: E402

__all__ = ["Adaline", "BernoulliRBM", "LogisticUnit", "MLPClassifier", "MLPRegressor", "Perceptron"]
