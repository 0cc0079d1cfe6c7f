"""Ensembles: their means are those of the twins of their networks, and what does not fit together is refused.

Training comes to the bits of trainers that train alone. A network that is exchanged by one of another size, or that two
trainers share, is refused by every call, and the ensemble works again when it is put back.
"""

from __future__ import annotations

import copy
import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import reference
from campaign import checks, draws, turns
from campaign.checks import TIGHT
from campaign.twin import Twin
from scipy import sparse

import fastbp as fb

WORLDS, TURNS = 8, 25
PAIRS = (("cross_entropy", "softmax"), ("squared_error", "identity"), ("binary_cross_entropy", "sigmoid"))
OPTIMIZERS = fb.SGD(0.05), fb.SGD(0.05, momentum=0.9), fb.Adam(0.01, epsilon=1e-4)


class World(turns.World):
    """An ensemble of one to four trainers."""

    turns = (
        "predict",
        "predict",
        "predict",
        "predict",
        "evaluate",
        "fit",
        "partial_fit",
        "partial_fit",
        "settings",
        "misfit",
        "shared",
        "refuse",
        "file",
        "copies",
        "threads",
    )

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.loss, self.output = self.choose(*PAIRS)
        self.n_in, self.n_out = int(rng.integers(1, 9)), int(rng.integers(2, 5))
        self.dtypes = self.choose(("f4",), ("f8",), ("f8",), ("f4", "f8"))
        self.ensemble = fb.Ensemble([self.trainer(k) for k in range(int(rng.integers(1, 5)))])

    def network(self, n_in: int, n_out: int) -> fb.MLP:
        hidden = [int(size) for size in self.rng.integers(1, 12, self.rng.integers(0, 3))]
        options = {"activation": self.choose("tanh", "relu"), "output": self.output, "dtype": self.choose(*self.dtypes)}
        return fb.MLP([n_in, *hidden, n_out], **options, scale=self.choose(1.0, 0.5), seed=int(self.rng.integers(99)))

    def trainer(self, k: int) -> fb.Trainer:
        options = {"optimizer": self.choose(*OPTIMIZERS), "average": self.choose(None, None, fb.EMA(0.5))}
        options |= {"batch_size": int(self.rng.integers(1, 20)), "n_threads": 1}
        return fb.Trainer(self.network(self.n_in, self.n_out), loss=self.loss, **options, seed=k)

    def samples(self, most: int = 30) -> draws.Samples:
        n = int(self.rng.integers(1, most))
        X = self.rng.normal(size=(n, self.n_in)).astype(self.choose("f4", "f8"))
        X[self.rng.random(X.shape) < 0.3] = 0
        y, rows = draws.targets(self.rng, n, self.n_out, self.loss)
        return draws.Samples(self.given(X), y, rows, self.rng.uniform(0.5, 2, n) if self.rng.random() < 0.3 else None)

    # --- what is right ------------------------------------------------------------------------------------------------

    def bits(self) -> list[dict[str, object]]:
        return [checks.bits(trainer) for trainer in self.ensemble.trainers]

    def outputs(self, X: np.ndarray) -> tuple[np.ndarray, bool]:
        """The mean of the twins, and whether they are float64 and of moderate size."""
        twins = [Twin(trainer).evaluated() for trainer in self.ensemble.trainers]
        exact = all(trainer.network.dtype == np.float64 for trainer in self.ensemble.trainers)
        return np.mean([twin.predict(X) for twin in twins], axis=0), exact

    def solo(self, calls: list[Callable[[fb.Trainer], object]], call: Callable[[], object], said: str) -> None:
        """Let trainers that are alone make the calls that the ensemble makes for its own."""
        alone, error = copy.deepcopy(self.ensemble.trainers), None
        try:
            call()
        except FloatingPointError as found:
            error = found
        if error is None:
            for trainer, each in zip(alone, calls, strict=True):
                each(trainer)
            wanted = [checks.bits(trainer) for trainer in alone]
            assert self.bits() == wanted, f"{said} differs from trainers that are alone"

    # --- turns --------------------------------------------------------------------------------------------------------

    def predict(self) -> None:
        X = self.samples(self.choose(4, 12, 40)).X
        a = self.ensemble.predict(X)
        wanted, exact = self.outputs(X)
        if np.isfinite(wanted).all() and np.abs(wanted).max() < 100:
            turns.alike(a, wanted, TIGHT if exact else 1e-4, "the mean")
        other = self.choose(np.asfortranarray, lambda X: X.tolist(), sparse.csr_array, lambda X: X[::-1].copy()[::-1])
        if X.dtype == np.float64:
            assert (self.ensemble.predict(other(X)) == a).all(), "predict of inputs in another form"
        assert (self.ensemble.predict(X, n_threads=2) == a).all(), "predict with two threads"
        one = self.ensemble.predict(X[0])
        assert (one == a[0]).all(), "one sample"
        classes = self.ensemble.predict_classes(X)
        if self.ensemble.trainers[0].network.multilabel:
            assert (classes == (a >= 0.5)).all()
        else:
            assert (classes == a.argmax(axis=1)).all()

    def evaluate(self) -> None:
        given = self.samples()
        scores = self.ensemble.evaluate(given.X, given.y, sample_weight=given.weights)
        a, exact = self.outputs(given.X)
        if not exact or (self.loss != "squared_error" and (a.min() < 1e-6 or a.max() > 1 - 1e-6)):
            return
        if self.loss == "cross_entropy":
            cost = -(given.rows * np.log(a)).sum(axis=1)
        elif self.loss == "binary_cross_entropy":
            cost = -(given.rows * np.log(a) + (1 - given.rows) * np.log(1 - a)).sum(axis=1)
        else:
            cost = reference.LOSSES["squared_error"](a, given.rows)[0]
        turns.alike(scores["loss"], np.average(cost, weights=given.weights), 1e-8, "the loss of the mean")

    def fit(self) -> None:
        given, epochs = self.samples(), int(self.rng.integers(3))
        options = {"epochs": epochs, "sample_weight": given.weights}
        calls = [lambda trainer: trainer.fit(given.X, given.y, **options)] * len(self.ensemble.trainers)
        self.solo(calls, lambda: self.ensemble.fit(given.X, given.y, **options), "fit")

    def partial_fit(self) -> None:
        """On shared samples, or on some for each trainer."""
        if self.rng.random() < 0.6:
            given = self.samples()
            calls = [lambda trainer: trainer.partial_fit(given.X, given.y)] * len(self.ensemble.trainers)
            self.solo(calls, lambda: self.ensemble.partial_fit(given.X, given.y), "partial_fit")
            return
        parts = [self.samples() for _ in self.ensemble.trainers]
        calls = [lambda trainer, part=part: trainer.partial_fit(part.X, part.y) for part in parts]
        lists = [part.X for part in parts], [part.y for part in parts]
        self.solo(calls, lambda: self.ensemble.partial_fit(*lists), "partial_fit of lists")

    def settings(self) -> None:
        trainer = self.choose(*self.ensemble.trainers)
        name = str(self.choose("average", "optimizer", "batch_size", "l2", "network", "weights"))
        if name == "network":  # of other hidden layers
            trainer.network = self.network(self.n_in, self.n_out)
        elif name == "weights":
            net = trainer.network
            net.set_weights([0.5 * W for W in net.weights], net.biases)
        else:
            among = {
                "average": (None, fb.EMA(0.5), fb.SWA()),
                "optimizer": OPTIMIZERS,
                "batch_size": (1, 5),
                "l2": (0.0, 0.1),
            }
            setattr(trainer, name, self.choose(*among[name]))

    def calls(self) -> dict[str, Callable[[], object]]:
        """All calls of the ensemble."""
        given, path = self.samples(), "nowhere/at/all"
        return {
            "predict": lambda: self.ensemble.predict(given.X),
            "predict_classes": lambda: self.ensemble.predict_classes(given.X),
            "evaluate": lambda: self.ensemble.evaluate(given.X, given.y),
            "fit": lambda: self.ensemble.fit(given.X, given.y),
            "partial_fit": lambda: self.ensemble.partial_fit(given.X, given.y),
            "save": lambda: self.ensemble.save(path),
        }

    def misfit(self) -> None:
        """A network of other ends, or that decides at another number."""
        if len(self.ensemble.trainers) == 1:
            return
        trainer = self.choose(*self.ensemble.trainers)
        kept, sizes = copy.deepcopy(trainer.network), (self.n_in + int(self.rng.integers(2)), self.n_out + 1)
        name, call = self.choose(*self.calls().items())
        if self.rng.random() < 0.3:
            trainer.network.threshold = 0.0
        else:
            trainer.network = self.network(*sizes)
        before = self.bits()
        error = turns.error_of(call, f"{name} of an ensemble that does not fit")
        assert isinstance(error, ValueError), f"{name} of an ensemble that does not fit: {error!r}"
        assert self.bits() == before, f"{name} that was refused changes a trainer"
        trainer.network = kept
        self.predict()

    def shared(self) -> None:
        """Two trainers with one network."""
        if len(self.ensemble.trainers) == 1:
            return
        one, other = self.ensemble.trainers[:2]
        kept, (name, call) = one.network, self.choose(*self.calls().items())
        one.network = other.network
        error = turns.error_of(call, f"{name} of trainers with one network")
        assert isinstance(error, ValueError), f"{name} of trainers with one network: {error!r}"
        one.network = kept
        self.predict()

    def refuse(self) -> None:
        given = self.samples()
        bad = given.X.astype("f8")
        bad[0, 0] = np.nan
        wrong = {
            "values": (bad, given.y), "columns": (np.ones((3, self.n_in + 1)), given.y[:1].repeat(3, axis=0)),
            "lengths": (given.X, np.concatenate([given.y, given.y[:1]])), "no rows": (given.X[:0], given.y[:0]),
            "sparse": (sparse.csr_array(bad), given.y), "no targets": (given.X, None), "text": ("x", given.y),
            "labels": (given.X, np.full(len(given.X), 99)), "targets": (given.X, np.full(given.rows.shape, np.nan)),
        }  # fmt: skip
        name, before = str(self.choose(*wrong)), self.bits()
        call = self.choose("fit", "partial_fit", "evaluate")
        error = turns.error_of(lambda: getattr(self.ensemble, call)(*wrong[name]), f"{call}: {name}")
        assert error is not None, f"{call} takes wrong {name}"
        assert self.bits() == before, f"{call} with wrong {name} changes a trainer, and raises {error!r}"
        if name in ("values", "columns", "no rows", "text", "sparse"):
            assert turns.error_of(lambda: self.ensemble.predict(wrong[name][0]), f"predict: {name}") is not None
        for given in ([], [1], [self.ensemble.trainers[0]] * 2, None, self.ensemble):
            assert turns.error_of(lambda given=given: fb.Ensemble(given), f"Ensemble({given!r})") is not None

    def file(self) -> None:
        X = self.samples().X
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "ensemble"
            self.ensemble.save(path)
            twin = fb.Ensemble.load(path)
            assert (twin.predict(X) == self.ensemble.predict(X)).all(), (
                "an ensemble from a file predicts something else"
            )
            content = bytearray(path.read_bytes())
            content[self.rng.integers(len(content))] ^= 1 << int(self.rng.integers(8))
            path.write_bytes(content)
            error = turns.error_of(lambda: fb.Ensemble.load(path), "a damaged file")
            assert error is None or isinstance(error, fb.ModelFileError)

    def copies(self) -> None:
        X, before = self.samples().X, self.bits()
        way = self.choose(copy.copy, copy.deepcopy, lambda ensemble: pickle.loads(pickle.dumps(ensemble)))
        twin = way(self.ensemble)
        assert (twin.predict(X) == self.ensemble.predict(X)).all(), "a copy predicts something else"
        for trainer in twin.trainers:
            trainer.network.set_weights([0.0 * W for W in trainer.network.weights], trainer.network.biases)
        assert self.bits() == before, "a copy shares its networks"

    def threads(self) -> None:
        X = self.samples(12).X
        a = self.ensemble.predict(X)
        with ThreadPoolExecutor(3) as pool:
            found = [*pool.map(lambda _: self.ensemble.predict(X), range(6))]
        assert all((each == a).all() for each in found), "predictions of several threads differ"


def prepare() -> None:
    """Files need not reach the disk here. Scales and pairs are of no matter."""
    os.fsync = lambda handle: None
    warnings.filterwarnings("ignore", category=UserWarning)
    turns.warm_up(play)


def play(seed: int) -> dict[str, int]:
    """Let some ensembles take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
