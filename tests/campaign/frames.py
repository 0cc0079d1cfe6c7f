"""Data frames: columns in another order, columns that are missing or new, dtypes of every kind, series and indices.

Trainers and estimators know the columns by their names. A frame with the same columns comes to the bits of the array,
in whatever order they are; every other frame is refused.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from campaign import checks, turns

import fastbp as fb
from fastbp.sklearn import LogisticUnit, MLPClassifier, MLPRegressor

WORLDS, TURNS = 8, 30
NUMERIC = ("f4", "f8", "i8", "u1", "bool", "Int64", "Float32", "boolean", "i2")
WRONG = ("object", "category", "datetime64[ns]", "timedelta64[ns]", "string", "complex128", "missing", "period")


class World(turns.World):
    """A trainer and an estimator that were trained on a frame, and twins that were trained on the array."""

    turns = (
        "read",
        "read",
        "read",
        "read_model",
        "read_model",
        "train",
        "wrong",
        "wrong",
        "dtypes",
        "series",
        "file",
        "history",
    )

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.n_in = int(rng.integers(1, 7))
        self.columns = [str(name) for name in rng.permutation([*"abcdefgh"])[: self.n_in]]
        X = rng.normal(size=(20, self.n_in))
        self.trainers = [self.trainer() for _ in range(2)]
        y = rng.integers(0, 2, 20)
        y[:2] = 0, 1
        kind, options = self.choose(
            (MLPClassifier, {"hidden_layer_sizes": (3,), "max_iter": 1}),
            (MLPRegressor, {"hidden_layer_sizes": (3,), "max_iter": 1}),
            (LogisticUnit, {"max_iter": 2}),
        )
        self.models = [kind(**options, random_state=0) for _ in range(2)]
        for given, trainer, model in zip((self.frame(X), X), self.trainers, self.models, strict=True):
            trainer.fit(given, y)
            model.fit(given, y)
        assert self.trainers[0].network.columns == tuple(self.columns)

    def trainer(self) -> fb.Trainer:
        net = fb.MLP([self.n_in, 4, 2], output="softmax", dtype="f8", seed=0)
        return fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(0.05), batch_size=7, seed=0)

    def frame(self, X: np.ndarray) -> pd.DataFrame:
        """The inputs as a frame with the columns of the training, with an index of any kind."""
        frame = pd.DataFrame(X, columns=self.columns)
        if self.rng.random() < 0.3:
            frame.index = self.rng.permutation(len(X)) + 100
        return frame

    def moved(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same columns in another order, in one block or in several."""
        order = [self.columns[k] for k in self.rng.permutation(self.n_in)]
        if self.rng.random() < 0.3:
            return pd.DataFrame({name: frame[name] for name in order})
        return frame[order]

    def inputs(self, least: int = 1) -> np.ndarray:
        return self.rng.normal(size=(int(self.rng.integers(least, 20)), self.n_in))

    # --- frames that fit ----------------------------------------------------------------------------------------------

    def read(self) -> None:
        X = self.inputs()
        frame, (own, twin) = self.moved(self.frame(X)), self.trainers
        y = self.rng.integers(0, 2, len(X))
        a = own.network.predict(frame)
        assert (a == twin.network.predict(X)).all(), "predict of a frame"
        assert (a == own.network.predict(X)).all(), "predict of the array"
        assert (own.network.predict(frame.iloc[0]) == a[0]).all(), "one row of a frame"
        assert own.evaluate(frame, y) == twin.evaluate(X, y), "evaluate of a frame"
        assert (own.network.predict_classes(frame) == a.argmax(axis=1)).all()
        assert (own.network.transform(frame) == twin.network.transform(X)).all()
        found, wanted = (
            net.gradients(given, y, loss="cross_entropy", flat=True)
            for net, given in ((own.network, frame), (twin.network, X))
        )
        assert found[0] == wanted[0]
        assert (found[1] == wanted[1]).all(), "gradients of a frame"

    def read_model(self) -> None:
        """Estimators want the order of the training, as those of scikit-learn do; their networks do not."""
        X = self.inputs()
        frame, (own, twin) = self.frame(X), self.models
        a = own.predict(frame)
        assert (a == twin.predict(X)).all(), "predict of an estimator"
        if hasattr(own, "predict_proba"):
            assert (own.predict_proba(frame) == twin.predict_proba(X)).all()
        moved = self.moved(frame)
        assert (own.network_.predict(moved) == twin.network_.predict(X)).all(), "the network of an estimator"
        if [*moved.columns] != self.columns:
            error = turns.error_of(lambda: own.predict(moved), "an estimator with columns in another order")
            assert isinstance(error, ValueError), f"columns in another order: {error!r}"

    def train(self) -> None:
        X = self.inputs(2)
        y, w = self.rng.integers(0, 2, len(X)), self.rng.uniform(0.5, 2, len(X))
        frame = self.moved(self.frame(X))
        labels, weights = pd.Series(y, index=frame.index), pd.Series(w, index=frame.index[::-1])
        own, twin = self.trainers
        if self.rng.random() < 0.5:
            own.partial_fit(frame, labels, sample_weight=weights)
            twin.partial_fit(X, y, sample_weight=w)
        else:
            own.fit(frame, labels, sample_weight=weights, validation_data=(frame, labels), validation_split=0.0)
            twin.fit(X, y, sample_weight=w, validation_data=(X, y))
        assert checks.bits(own) == checks.bits(twin), "training on a frame"
        if not isinstance(self.models[0], LogisticUnit):
            for model, given in zip(self.models, ((self.frame(X), labels), (X, y)), strict=True):
                model.partial_fit(*given)
            assert all((a == b).all() for a, b in zip(self.models[0].coefs_, self.models[1].coefs_, strict=True))

    def series(self) -> None:
        """Targets and weights of every kind of series."""
        X = self.inputs(2)
        y = self.rng.integers(0, 2, len(X))
        kinds = ("i8", "Int64", "f8", "u1", "Float64", "bool", "boolean")
        targets = pd.Series(y).astype(self.choose(*kinds))
        net = self.trainers[0].network
        found, wanted = (net.gradients(X, each, loss="cross_entropy", flat=True) for each in (targets, y))
        assert (found[1] == wanted[1]).all(), f"targets of {targets.dtype}"

    def dtypes(self) -> None:
        """Columns of every dtype of numbers."""
        kinds = [str(self.choose(*NUMERIC)) for _ in self.columns]
        X = self.rng.integers(0, 2, (int(self.rng.integers(1, 9)), self.n_in)).astype(float)
        frame = pd.DataFrame(
            {
                name: pd.Series(X[:, k]).astype(kind)
                for k, (name, kind) in enumerate(zip(self.columns, kinds, strict=True))
            }
        )
        found = self.trainers[0].network.predict(self.moved(frame))
        assert (found == self.trainers[0].network.predict(X)).all(), f"columns of {kinds}"

    # --- frames that do not -------------------------------------------------------------------------------------------

    def spoilt(self, X: np.ndarray) -> tuple[str, object]:
        """A frame that does not fit, and why."""
        frame, k = self.frame(X), int(self.rng.integers(self.n_in))
        name, kind = (
            self.columns[k],
            str(self.choose("missing", "new", "twice", "renamed", "numbers", "dtype", "value")),
        )
        if kind == "missing":
            return kind, frame.drop(columns=name)
        if kind == "new":
            return kind, frame.assign(new=1.0)
        if kind == "twice":
            return kind, pd.concat([frame, frame[[name]]], axis=1)
        if kind == "renamed":
            return kind, frame.rename(columns={name: "other"})
        if kind == "numbers":
            return "a value that is not finite", frame.assign(**{name: np.where(np.arange(len(X)) == 0, np.inf, 1.0)})
        if kind == "value":
            return kind, frame.assign(**{name: pd.array([pd.NA] * len(X), "Int64")})
        dtype = str(self.choose(*WRONG))
        n = len(X)
        columns = {
            "object": ["x"] * n,
            "category": pd.Categorical(["x"] * n),
            "datetime64[ns]": pd.date_range("2020", periods=n),
            "timedelta64[ns]": pd.to_timedelta(np.arange(n), "D"),
            "string": pd.array(["1"] * n, "string"),
            "complex128": np.full(n, 1j),
            "missing": np.full(n, np.nan),
            "period": pd.period_range("2020", periods=n, freq="D"),
        }
        return f"a column of {dtype}", frame.assign(**{name: columns[dtype]})

    def wrong(self) -> None:
        X = self.inputs(2)
        y = np.arange(len(X)) % 2
        said, frame = self.spoilt(X)
        own, model, net = self.trainers[0], self.models[0], self.trainers[0].network
        calls: dict[str, Callable[[], object]] = {
            "predict": lambda: net.predict(frame),
            "evaluate": lambda: own.evaluate(frame, y),
            "partial_fit": lambda: own.partial_fit(frame, y),
            "fit": lambda: own.fit(frame, y),
            "gradients": lambda: net.gradients(frame, y, loss="cross_entropy"),
            "validation": lambda: own.fit(self.frame(X), y, epochs=0, validation_data=(frame, y)),
            "blocks": lambda: own.fit([(frame, y)]),
            "one row": lambda: net.predict(frame.iloc[0]),
            "an estimator": lambda: model.predict(frame),
            "an estimator's partial_fit": lambda: model.partial_fit(frame, y),
            "standardize": lambda: fb.MLP([self.n_in, 1]).standardize(frame),
        }
        name = str(self.choose(*calls))
        fresh = name == "standardize" and said in ("renamed",)
        before, kept = checks.bits(own), [part.copy() for part in model.network_.weights]
        error = turns.error_of(calls[name], f"{name} of a frame: {said}")
        # scikit-learn takes text that is a number, and a row of several dtypes is a series of objects.
        row = said == "a column of string" and name in ("one row", "an estimator", "an estimator's partial_fit")
        assert error is not None or fresh or row, f"{name} takes a frame: {said}"
        if name != "standardize":
            assert checks.bits(own) == before, f"{name} of a frame that was refused ({said}) changes the trainer"
            assert all((a == b).all() for a, b in zip(kept, model.network_.weights, strict=True))

    # --- files and tables ---------------------------------------------------------------------------------------------

    def file(self) -> None:
        """A file keeps the names."""
        X, net = self.inputs(), self.choose(self.trainers[0].network, self.models[0].network_)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "network"
            net.save(path)
            twin = fb.load(path)
        assert twin.columns == tuple(self.columns)
        assert (twin.predict(self.moved(self.frame(X))) == net.predict(X)).all(), "a network from a file"

    def history(self) -> None:
        """The history as a frame."""
        history = self.trainers[0].history
        frame = history.to_frame()
        assert len(frame) == history.epochs
        assert [*frame.columns] == [*history]


def prepare() -> None:
    """Warnings of scales and of epochs are not what this is about."""
    os.fsync = lambda handle: None
    warnings.simplefilter("ignore")
    turns.warm_up(play)


def play(seed: int) -> dict[str, int]:
    """Let some trainers and estimators take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
