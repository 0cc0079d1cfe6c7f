"""Estimators: clones, parameters that change, warm starts, arrays that the user changes, and calls that are refused.

What an estimator computes must be what NumPy computes with `coefs_` and `intercepts_`. A copy that makes the same call
with the samples in another form comes to the same bits, a step is that of the twin, and after a call that was refused,
the estimator is what it was.
"""

from __future__ import annotations

import copy
import itertools
import os
import pickle
import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import reference
from campaign import turns
from campaign.checks import TIGHT
from campaign.twin import Twin
from helpers import parameters
from scipy import sparse
from sklearn.base import clone

import fastbp as fb
from fastbp.sklearn import Adaline, LogisticUnit, MLPClassifier, MLPRegressor, Perceptron

WORLDS, TURNS = 12, 25
N_IN = 4
RATE = 0.05
PARAMETERS = {
    "alpha": (0.0, 1e-3, 0.1),
    "learning_rate_init": (0.01, 0.05),
    "solver": ("sgd", "adam", fb.SGD(RATE), fb.AdamW(0.01)),
    "batch_size": ("auto", 3, 7),
    "shuffle": (True, False),
    "activation": ("relu", "tanh"),
    "max_iter": (1, 2, 5),
    "warm_start": (True, False),
    "early_stopping": (False, False, True),
    "learning_rate": ("constant", "adaptive", "invscaling"),
    "n_threads": (None, 1, 2),
}
WRONG = {
    "alpha": (-1.0, "x", None),
    "learning_rate_init": (0.0, -1, "x"),
    "solver": ("newton", 3, None),
    "batch_size": (0, "x", -3),
    "activation": ("nothing", 3),
    "hidden_layer_sizes": ((0,), "x", [8.0], True, (7, 7)),
    "max_iter": (0, -1, "x"),
    "loss": ("nothing", 5),
    "dtype": ("float16", int),
    "random_state": ("x", -1),
}
UNIT_PARAMETERS = {"max_iter": (1, 3), "shuffle": (True, False), "warm_start": (True, False), "batch_size": (1, 4)}
UNIT_WRONG = {"eta0": (0.0, -1, "x"), "max_iter": (0, "x"), "batch_size": (0, None), "dtype": ("float16",)}


class World(turns.World):
    """An estimator with the samples that it is trained on."""

    turns = (
        "fit", "partial_fit", "partial_fit", "read", "read", "read", "change", "assign", "set_params", "refuse",
        "refuse_parameters", "copies", "network", "step",
    )  # fmt: skip

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.kind = self.choose(
            MLPClassifier, MLPClassifier, MLPRegressor, MLPRegressor, Perceptron, Adaline, LogisticUnit
        )
        self.layered, self.regression = self.kind in (MLPClassifier, MLPRegressor), self.kind is MLPRegressor
        options = {"random_state": int(rng.integers(100)), "dtype": self.choose(None, None, "float32", "float64")}
        if self.layered:
            options |= {"hidden_layer_sizes": self.choose((), (3,), (5, 2)), "max_iter": 2, "batch_size": 5}
            options |= {"solver": self.choose("sgd", "adam"), "activation": self.choose("relu", "tanh")}
        else:
            options |= {"max_iter": 2}
        self.labels = np.array(self.choose([0, 1], ["a", "b"], [0, 1, 2], ["a", "b", "c"], [-1, 7, 9]))
        self.targets = int(rng.integers(1, 3))
        self.model = self.kind(**options)

    # --- samples ------------------------------------------------------------------------------------------------------

    def samples(self, least: int = 12) -> tuple[np.ndarray, np.ndarray]:
        """Samples in which each class is there, twice at least."""
        rng, n = self.rng, int(self.rng.integers(least, 25))
        X = rng.normal(size=(n, N_IN)).astype(self.choose("f4", "f8"))
        X[rng.random(X.shape) < 0.3] = 0
        if self.regression:
            y = rng.normal(size=(n, self.targets))
            return self.given(X), y[:, 0] if self.targets == 1 else y
        return self.given(X), self.labels[rng.permutation(np.arange(n) % len(self.labels))]

    def other_form(self, X: np.ndarray) -> object:
        """The same inputs, given in another way."""
        forms = (np.asfortranarray, np.copy, sparse.csr_matrix, sparse.csc_array, lambda X: X[::-1].copy()[::-1])
        return self.choose(*forms)(X)

    @property
    def fitted(self) -> bool:
        return hasattr(self.model, "network_")

    # --- what must stay the same --------------------------------------------------------------------------------------

    @staticmethod
    def marks(model: object) -> dict[str, object]:
        """All that is public of an estimator, as bytes and text."""
        found: dict[str, object] = {name: repr(value) for name, value in model.get_params().items()}
        if hasattr(model, "network_"):
            found["network"] = [None if part is None else part.tobytes() for part in parameters(model.network_)]
            found["architecture"] = model.network_.architecture
        for name, value in vars(model).items():
            if name.endswith("_") and not name.startswith("_"):
                found[name] = value.tobytes() if isinstance(value, np.ndarray) else repr(value)
        return found

    def same(self, other: object, said: str) -> None:
        found, wanted = self.marks(other), self.marks(self.model)
        wrong = [name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)]
        assert not wrong, f"{said}: {self.kind.__name__} has other {', '.join(wrong)}"

    def train(self, call: Callable[[object, object], object], X: np.ndarray, said: str) -> None:
        """Let the estimator and a copy of it train, the copy on inputs in another form."""
        twin, before = copy.deepcopy(self.model), self.marks(self.model)
        results = []
        for model, inputs in ((self.model, X), (twin, self.other_form(X))):
            try:
                results.append(call(model, inputs) is model)
            except ValueError as error:
                if "diverged" not in str(error) and "non-finite" not in str(error):
                    raise
                results.append(str(error))
        assert results[0] == results[1], f"{said} says {results}"
        self.same(twin, f"{said} with inputs in another form")
        if results[0] is not True:
            assert self.marks(self.model) == before, f"{said} that has diverged changes the estimator"

    # --- turns --------------------------------------------------------------------------------------------------------

    def fit(self) -> None:
        X, y = self.samples()
        if self.layered and self.model.warm_start and self.fitted:
            self.model.set_params(hidden_layer_sizes=self.model.network_.sizes[1:-1])
        options = {}
        if self.layered and self.rng.random() < 0.3:
            options["sample_weight"] = self.rng.uniform(0.5, 2, len(X))
        self.train(lambda model, inputs: model.fit(inputs, y, **options), X, "fit")
        if self.fitted and not self.regression:
            assert self.model.classes_.tolist() == sorted(self.labels.tolist())

    def partial_fit(self) -> None:
        if self.layered and self.model.early_stopping:
            self.model.set_params(early_stopping=False)
        X, y = self.samples(1 if self.fitted else 12)
        if self.layered and self.fitted:
            self.model.set_params(hidden_layer_sizes=self.model.network_.sizes[1:-1])
        options = {} if self.regression else {"classes": self.labels}
        self.train(lambda model, inputs: model.partial_fit(inputs, y, **options), X, "partial_fit")

    def outputs(self, X: np.ndarray) -> np.ndarray:
        """What NumPy computes with the arrays that the estimator shows."""
        made = self.model.network_.architecture
        if self.layered:
            arrays = self.model.coefs_, self.model.intercepts_
        else:
            arrays = [self.model.coef_.T], [self.model.intercept_]
        arrays = [[part.astype(float) for part in each] for each in arrays]
        with np.errstate(all="ignore"):
            return reference.forward(X.astype(float), *arrays, made.activation, made.output)[1][-1]

    def read(self) -> None:
        """All that an estimator predicts is what NumPy computes."""
        X, y = self.samples(1)
        if not self.fitted:
            error = turns.error_of(lambda: self.model.predict(X), "predict before fit", AttributeError)
            assert error is not None, "predict before fit"
            return
        model, a = self.model, self.outputs(X)
        found = model.predict(X)
        if not np.isfinite(a).all() or np.abs(a).max() > 1e4:
            return
        tolerance = TIGHT if model.network_.dtype == np.float64 else 1e-3
        if self.regression:
            turns.alike(found, a[:, 0] if self.targets == 1 else a, tolerance, "predict")
            model.score(X, y) if len(X) > 1 else None
        else:
            self.read_classes(X, y, a, found, tolerance)
        if self.layered:
            hidden = model.transform(X)
            assert hidden.shape == (len(X), model.network_.sizes[-2])
        other = model.predict(self.other_form(X))
        assert (np.asarray(found) == np.asarray(other)).all(), "predict of inputs in another form"
        assert model.network_.predict(X).shape[0] == len(X)

    def read_classes(self, X: np.ndarray, y: np.ndarray, a: np.ndarray, found: np.ndarray, tolerance: float) -> None:
        """The classes, their probabilities and the score."""
        model = self.model
        if a.shape[1] == 1:
            middle = 0.5 if model.network_.architecture.output == "sigmoid" else 0.0
            sure, wanted = np.abs(a[:, 0] - middle) > 1e-3, (a[:, 0] >= middle).astype(int)
        else:
            two = np.sort(a, axis=1)[:, -2:]
            sure, wanted = two[:, 1] - two[:, 0] > 1e-3, a.argmax(axis=1)
        assert (found[sure] == model.classes_[wanted][sure]).all(), "predict has other classes than NumPy"
        assert model.score(X, y) == np.mean(found == y)
        if hasattr(model, "predict_proba"):
            p = model.predict_proba(X)
            assert p.shape == (len(X), len(model.classes_))
            wanted = np.hstack([1 - a, a]) if a.shape[1] == 1 else a
            if self.layered:
                turns.alike(p, wanted, tolerance, "predict_proba")
            assert np.allclose(p.sum(axis=1), 1, atol=1e-5)
            assert np.allclose(np.exp(model.predict_log_proba(X)), p, atol=1e-6)
        if hasattr(model, "decision_function"):
            z = model.decision_function(X)
            assert len(z) == len(X)

    def change(self) -> None:
        """The user changes the arrays in place."""
        if not self.fitted:
            return
        arrays = self.model.coefs_ if self.layered else [self.model.coef_]
        before = self.model.network_.theta
        array = arrays[self.rng.integers(len(arrays))]
        array *= self.choose(0.5, -1.0, 1.25)
        if self.rng.random() < 0.5:
            array[0] = self.rng.normal(size=array.shape[1])
            biases = self.model.intercepts_[0] if self.layered else self.model.intercept_
            biases[...] = 0.25
        shown = self.model.network_.weights if self.layered else [self.model.network_.weights[0].T]
        assert any(np.allclose(array, W, 1e-6) for W in shown if W.shape == array.shape), (
            "the network does not have the arrays of the user"
        )
        assert not array.any() or not np.array_equal(before, self.model.network_.theta)
        self.read()

    def assign(self) -> None:
        """The user assigns arrays, of this shape or of other numbers of hidden units, or arrays that do not fit."""
        if not self.fitted:
            return None
        model, rng, net = self.model, self.rng, self.model.network_
        if not self.layered:
            model.coef_ = rng.normal(size=model.coef_.shape)
            return self.read()
        sizes = [*net.sizes]
        if len(sizes) > 2 and rng.random() < 0.5:
            sizes[1] = int(rng.integers(1, 8))
        shapes = [*itertools.pairwise(sizes)]
        if rng.random() < 0.2:
            shapes[-1] = (shapes[-1][0] + 1, shapes[-1][1])
        kept = [W.copy() for W in model.coefs_], [b.copy() for b in model.intercepts_]
        model.coefs_ = [rng.normal(size=shape) for shape in shapes]
        model.intercepts_ = [rng.normal(size=shape[1]) for shape in shapes]
        if turns.error_of(lambda: model.predict(np.zeros((1, N_IN))), f"coefs_ of shapes {shapes}"):
            model.coefs_, model.intercepts_ = kept
        model.set_params(hidden_layer_sizes=model.network_.sizes[1:-1])
        return self.read()

    def set_params(self) -> None:
        among = PARAMETERS if self.layered else UNIT_PARAMETERS
        name = str(self.choose(*among))
        value = self.choose(*among[name])
        assert self.model.set_params(**{name: value}) is self.model
        assert self.model.get_params()[name] is value

    def refuse_parameters(self) -> None:
        """A parameter that is wrong: the next call is refused, and the estimator is what it was."""
        among = WRONG if self.layered else UNIT_WRONG
        name = str(self.choose(*among))
        if name not in self.model.get_params():
            return
        value, kept = self.choose(*among[name]), self.model.get_params()[name]
        (X, y), before = self.samples(), self.marks(self.model)
        self.model.set_params(**{name: value})
        call = self.choose(self.model.fit, self.model.partial_fit)
        options = {} if self.regression or call == self.model.fit else {"classes": self.labels}
        said = f"{call.__name__} with {name}={value!r}"
        error = turns.error_of(lambda: call(X, y, **options), said, AttributeError)
        self.model.set_params(**{name: kept})
        if error is not None:
            assert self.marks(self.model) == before, f"{said} changes the estimator, and raises {error!r}"

    def refuse(self) -> None:
        """Samples that are wrong."""
        (X, y), before = self.samples(), self.marks(self.model)
        bad = X.astype("f8")
        bad[0, 0] = self.choose(np.nan, np.inf, -np.inf)
        wrong = {
            "values": (bad, y),
            "lengths": (X, y[:-1]),
            "no rows": (X[:0], y[:0]),
            "one axis": (X[0], y),
            "text": (np.full(X.shape, "x"), y),
            "no targets": (X, None),
            "masked": (np.ma.array(X, mask=X > 0.5), y) if (X > 0.5).any() else (bad, y),
            "dates": (pd.DataFrame({name: pd.to_datetime(["2020-01-01"] * len(X)) for name in "abcd"}), y),
            "sparse": (sparse.csr_matrix(bad), y),
            "a missing target": (X, np.where(np.arange(len(y)) == 0, np.nan, 1.0)),
        }
        call = self.choose("fit", "partial_fit")
        options = {} if self.regression or call == "fit" else {"classes": self.labels}
        if self.fitted and (call == "partial_fit" or self.model.warm_start):
            wrong["columns"] = X[:, :-1], y
        name = str(self.choose(*wrong))
        if call == "partial_fit" and self.layered and self.model.early_stopping:
            self.model.set_params(early_stopping=False)
            before = self.marks(self.model)
        twin = copy.deepcopy(self.model)
        error = turns.error_of(lambda: getattr(self.model, call)(*wrong[name], **options), f"{call}: {name}")
        assert error is not None, f"{call} takes samples with wrong {name}"
        assert self.marks(self.model) == before, f"{call} with wrong {name} changes the estimator, and raises {error!r}"
        self.follow(twin, X, y, f"after {call} with wrong {name}")

    def follow(self, twin: object, X: np.ndarray, y: np.ndarray, said: str) -> None:
        """The next call comes to the bits to which it comes without what was before."""
        options = {} if self.regression else {"classes": self.labels}
        if self.layered and self.model.early_stopping:
            return
        results = [turns.error_of(lambda m=model: m.partial_fit(X, y, **options), said) for model in (self.model, twin)]
        assert repr(results[0]) == repr(results[1]), f"{said}: {results}"
        self.same(twin, said)

    def copies(self) -> None:
        """Clones begin anew, and copies go on alone."""
        new = clone(self.model)
        assert repr(new.get_params()) == repr(self.model.get_params())
        assert not hasattr(new, "network_")
        ways = (copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)))
        twin = self.choose(*ways)(self.model)
        self.same(twin, "a copy")
        X, y = self.samples()
        self.follow(twin, X, y, "a copy")
        if self.fitted:
            before = self.marks(self.model)
            (twin.coefs_ if self.layered else [twin.coef_])[0][...] = 0
            twin.predict(X)
            assert self.marks(self.model) == before, "a copy shares its arrays"

    def network(self) -> None:
        """The user changes the network, or trains it: what was changed last counts."""
        if not self.fitted:
            return
        net = self.model.network_
        if self.rng.random() < 0.5:
            net.set_weights([0.5 * W for W in net.weights], net.biases)
        else:
            threshold = net.threshold
            trainer = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e-3), seed=0)
            X, _ = self.samples()
            trainer.partial_fit(X, np.zeros((len(X), net.sizes[-1])))
            net.threshold = threshold
        shown = self.model.coefs_[0] if self.layered else self.model.coef_.T
        assert np.allclose(shown, net.weights[0], 1e-6), "the arrays are not those of the network"
        self.read()

    def step(self) -> None:
        """A call of partial_fit with one minibatch is a step of the twin."""
        if not (self.layered and self.fitted) or self.model.network_.dtype != np.float64:
            return
        alpha, rate = float(self.choose(0.0, 0.1)), RATE
        options = {"solver": fb.SGD(rate), "alpha": alpha, "batch_size": "auto", "early_stopping": False}
        options |= {"learning_rate": "constant", "hidden_layer_sizes": self.model.network_.sizes[1:-1]}
        self.model.set_params(**options)
        X, y = self.samples(2)
        X, net = X.astype(float), self.model.network_
        made, n_out = net.architecture, net.sizes[-1]
        if made.activation != (self.model.activation,) * len(made.activation):
            return
        loss = "squared_error" if self.regression else "cross_entropy" if n_out > 1 else "binary_cross_entropy"
        if self.regression:
            rows = y.reshape(len(y), -1)
        else:
            codes = np.searchsorted(self.model.classes_, y)
            rows = np.eye(n_out)[codes] if n_out > 1 else codes[:, None].astype(float)
        twin = Twin(fb.Trainer(copy.deepcopy(net), loss=loss, optimizer=fb.SGD(rate)))
        if twin.largest_sum(X) > 1e3:
            return
        _, g = twin.gradients(X, rows, None)
        depth = len(g) // 2
        wanted = [
            p - rate * (dp + (alpha / len(X) * p if k < depth else 0))
            for k, (p, dp) in enumerate(zip(twin.theta, g, strict=True))
        ]
        self.model.partial_fit(X, y)
        for one, other in zip(parameters(self.model.network_), wanted, strict=True):
            turns.alike(one, other, TIGHT, "a step of partial_fit")


def prepare() -> None:
    """Warnings of scikit-learn are not what this is about."""
    os.fsync = lambda handle: None
    warnings.simplefilter("ignore")
    turns.warm_up(play)


def play(seed: int) -> dict[str, int]:
    """Let some estimators take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
