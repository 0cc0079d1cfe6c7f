"""Sparse matrices: in every format, with parts that lie, and with parts that change while they are used.

A matrix that is what it says comes to the bits of the array. One that lies is refused, or its entries can be read and
count. Whatever a callback, a generator or another thread makes of the parts meanwhile, the process must not end, and
no call may change anything that it does not say.
"""

from __future__ import annotations

import contextlib
import copy
import os
import threading
import warnings
from collections.abc import Iterator

import numpy as np
from campaign import checks, turns
from scipy import sparse

import fastbp as fb

WORLDS, TURNS = 10, 25
FORMS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
PARTS = {
    "csr": ("data", "indices", "indptr", "_shape"), "csc": ("data", "indices", "indptr", "_shape"),
    "bsr": ("data", "indices", "indptr", "_shape"), "coo": ("data", "row", "col", "_shape"),
    "lil": ("data", "rows", "_shape"), "dok": ("_shape",), "dia": ("data", "offsets", "_shape"),
}  # fmt: skip
OPTIMIZERS = fb.SGD(0.05), fb.SGD(0.05, momentum=0.9), fb.Adam(0.01)


class World(turns.World):
    """A trainer with samples of which many numbers are 0."""

    turns = ("read", "read", "read", "train", "blocks", "lie", "lie", "lie", "lie", "changes", "changes", "thread")

    def __init__(self, rng: np.random.Generator):
        super().__init__(rng)
        self.n_in, self.n_out = int(rng.integers(1, 40)), int(rng.integers(1, 4))
        hidden = [int(size) for size in rng.integers(1, 20, rng.integers(0, 2))]
        options = {"dtype": self.choose("f4", "f8"), "scale": self.choose(1.0, 0.5), "seed": 0}
        net = fb.MLP([self.n_in, *hidden, self.n_out], activation="tanh", **options)
        settings = {"optimizer": self.choose(*OPTIMIZERS), "gradient": self.choose("fused", "stored", "lazy")}
        settings |= {"batch_size": int(rng.integers(1, 12)), "n_threads": int(rng.integers(1, 3)), "seed": 0}
        if settings["gradient"] == "lazy":
            settings["optimizer"] = fb.SGD(0.05)
        self.trainer = fb.Trainer(net, loss="squared_error", **settings)

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        n = int(self.rng.integers(1, 30))
        X = self.rng.normal(size=(n, self.n_in)) * (self.rng.random((n, self.n_in)) < self.choose(0.05, 0.3, 0.9))
        if self.rng.random() < 0.2:
            X = np.abs(3 * X).astype(np.uint8)
        return X.astype(self.choose("f4", "f8")) if X.dtype.kind == "f" else X, self.rng.normal(size=(n, self.n_out))

    def matrix(self, X: np.ndarray, form: str = "") -> object:
        """The same inputs as a matrix or an array of SciPy, some with unsorted or wide places, next to guards."""
        form = form or str(self.choose(*FORMS))
        made = getattr(sparse, f"{form}_{self.choose('matrix', 'array')}")(X)
        if form == "csr":
            if self.rng.random() < 0.3:
                made.indices, made.indptr = made.indices.astype("i8"), made.indptr.astype("i8")
            if self.rng.random() < 0.3:
                rows = [np.arange(*made.indptr[k : k + 2]) for k in range(len(X))]
                order = np.concatenate([self.rng.permutation(row) for row in rows]).astype(int)
                made.data, made.indices, made.has_sorted_indices = made.data[order], made.indices[order], False
            made.data, made.indices, made.indptr = map(self.given, (made.data, made.indices, made.indptr))
        return made

    @contextlib.contextmanager
    def unchanged(self, said: str) -> Iterator[None]:
        before = checks.bits(self.trainer)
        yield
        assert checks.bits(self.trainer) == before, f"{said} changes the trainer"

    # --- matrices that are what they say ------------------------------------------------------------------------------

    def read(self) -> None:
        X, y = self.samples()
        made, net, form = self.matrix(X), self.trainer.network, ""
        with self.unchanged("a call that only reads"):
            form = type(made).__name__
            assert (net.predict(made) == net.predict(X)).all(), f"predict of {form}"
            assert (net.outputs(made, n_threads=2) == net.outputs(X, n_threads=1)).all(), f"outputs of {form}"
            assert self.trainer.evaluate(made, y) == self.trainer.evaluate(X, y), f"evaluate of {form}"
            options = {"loss": "squared_error", "flat": True, "inputs": True}
            for one, other in zip(net.gradients(made, y, **options), net.gradients(X, y, **options), strict=True):
                assert np.array_equal(one, other), f"gradients of {form}"
            if len(net.sizes) > 2:
                assert (net.transform(made, 1) == net.transform(X, 1)).all()
            assert (net.jacobian(made) == net.jacobian(X)).all() if len(X) < 5 else True

    def twin(self) -> fb.Trainer:
        """A copy that takes arrays."""
        twin = copy.deepcopy(self.trainer)
        twin.gradient = "fused"
        return twin

    def train(self) -> None:
        """Training comes to the same bits."""
        X, y = self.samples()
        self.anew()
        twin, made = self.twin(), self.matrix(X)
        epochs = int(self.rng.integers(3))
        for trainer, inputs in ((self.trainer, made), (twin, X)):
            if epochs:
                trainer.fit(inputs, y, epochs=epochs)
            else:
                trainer.partial_fit(inputs, y)
        assert checks.bits(self.trainer) == checks.bits(twin), f"training on {type(made).__name__}"

    def blocks(self) -> None:
        """Also in blocks of several formats."""
        parts = [self.samples() for _ in range(int(self.rng.integers(1, 4)))]
        kind = self.choose("f4", "f8")
        self.anew()
        parts = [(X.astype(kind), y) for X, y in parts]
        twin, made = self.twin(), [(self.matrix(X), y) for X, y in parts]
        for trainer, given in ((self.trainer, made), (twin, parts)):
            trainer.fit(given, shuffle_buffer=7)
        assert checks.bits(self.trainer) == checks.bits(twin), "training on blocks of matrices"

    # --- matrices that lie --------------------------------------------------------------------------------------------

    def wrong(self, part: object) -> object:
        """Another array, or another shape, in the place of a part of a matrix."""
        rng = self.rng
        if isinstance(part, tuple):
            return self.choose(
                (1, 1), (10**6, part[1]), part[::-1], (part[0], part[1] + 5), (part[0] + 5, part[1]), (0, part[1])
            )
        array = np.array(part)
        if array.dtype == object:
            array = np.atleast_1d(array)
            return self.choose(
                array[:-1], array[::-1], np.array([*array, [3] * 9], object), np.array([None] * len(array)), []
            )
        if array.dtype.kind not in "biuf":
            return array[..., None]
        ends = (-1, 2**31 - 1, 2**30, 10**6, -(2**31), self.n_in)
        spoilt = array.copy()
        if array.size:
            with contextlib.suppress(ValueError, OverflowError):  # a number that the dtype does not have
                spoilt.flat[rng.integers(array.size)] = self.choose(*ends)
        shuffled = array.ravel().copy()
        rng.shuffle(shuffled)
        return self.choose(
            np.atleast_1d(array)[:-1],
            np.atleast_1d(array)[:0],
            np.append(array, array),
            spoilt,
            spoilt,
            spoilt,
            shuffled.reshape(array.shape),
            array.astype("f4"),
            array.astype("i1"),
            array.astype("u8"),
            array[..., None],
            array.tolist(),
            None,
            array.astype(object),
            array.astype(array.dtype.newbyteorder()),
            np.flip(array),
            "x",
            np.float64(1.0),
            np.full(array.shape, 2**40),
            -array,
            np.ma.masked_array(array, True),
            array.astype(complex),
        )

    def lie(self) -> None:
        X, y = self.samples()
        form = str(self.choose(*FORMS))
        made = self.matrix(X, form)
        said = [form]
        for _ in range(int(self.rng.integers(1, 3))):
            name = str(self.choose(*PARTS[form]))
            value = self.wrong(getattr(made, name))
            said.append(f"{name} = {value!r:.100}")
            with contextlib.suppress(ValueError, TypeError, AttributeError):  # SciPy refuses some
                setattr(made, name, value)
        net, trainer = self.trainer.network, self.trainer
        calls = {
            "predict": lambda: net.predict(made), "evaluate": lambda: trainer.evaluate(made, y),
            "gradients": lambda: net.gradients(made, y, loss="squared_error"),
            "validation": lambda: trainer.fit(X, y, epochs=0, validation_data=(made, y)),
            "partial_fit": lambda: trainer.partial_fit(made, y), "fit": lambda: trainer.fit(made, y),
            "fit of blocks": lambda: trainer.fit([(made, y)]),
        }  # fmt: skip
        name, call = self.choose(*calls.items())
        before = checks.bits(trainer)
        with np.errstate(all="ignore"):
            error = turns.error_of(call, f"{name} with {said}")
        if error is not None or "fit" not in name:
            assert checks.bits(trainer) == before or isinstance(error, FloatingPointError), f"{name} with {said}"
        if checks.bits(trainer) != before:  # entries of any size have come in
            self.anew()

    def anew(self) -> None:
        """Begin again with small weights, which training does not make large."""
        net = self.trainer.network
        self.trainer.network = fb.MLP(net.sizes, activation="tanh", dtype=net.dtype, scale=net.scale, seed=0)

    # --- matrices that change -----------------------------------------------------------------------------------------

    def spoil(self, made: object) -> None:
        """Change a part in place, or exchange it."""
        name = str(self.choose("data", "indices", "indptr", "shape", "arrays"))
        if name == "shape":
            with contextlib.suppress(ValueError, IndexError, OverflowError):
                made.resize((2, 2))
        elif name == "arrays":
            made.data, made.indices = made.data[:1], made.indices[:1]
        else:
            array, most = getattr(made, name), np.iinfo(np.int32).max
            with np.errstate(all="ignore"):
                array.fill(self.choose(-1, most, -most, 5, 0, 10**6)) if name != "data" else array.fill(
                    self.choose(7, 0)
                )
            self.rng.shuffle(array)

    def changes(self) -> None:
        """In a callback, or in the generator that has yielded it."""
        X, y = self.samples()
        made = self.matrix(X, "csr")
        spoil = fb.callbacks.Lambda(batch_end=lambda state: self.spoil(made))

        def blocks() -> Iterator[tuple]:
            yield made, y
            self.spoil(made)
            yield self.matrix(X, "csr"), y

        with contextlib.suppress(FloatingPointError, ValueError):
            if self.rng.random() < 0.6:
                self.trainer.fit(made, y, epochs=2, callbacks=[spoil], validation_data=(self.matrix(X), y))
            else:
                self.trainer.fit(blocks(), callbacks=[spoil])
        self.anew()
        self.read()

    def thread(self) -> None:
        """In another thread."""
        X, y = self.samples()
        made = self.matrix(X, "csr")
        ended = threading.Event()

        def spoil() -> None:
            rng = np.random.default_rng(0)
            while not ended.is_set():
                for array, fill in ((made.indices, -1), (made.indptr, 2**20), (made.indices, 2**31 - 1)):
                    array[rng.integers(array.size) :] = fill if array.size else 0

        if not made.nnz:
            return
        other = threading.Thread(target=spoil)
        other.start()
        try:
            for call in (self.trainer.network.predict, lambda made: self.trainer.partial_fit(made, y)) * 10:
                with np.errstate(all="ignore"):
                    turns.error_of(lambda call=call: call(made), "a matrix that another thread changes")
        finally:
            ended.set()
            other.join()
        self.anew()
        self.read()


def prepare() -> None:
    """Warnings of SciPy are not what this is about."""
    os.fsync = lambda handle: None
    warnings.simplefilter("ignore")
    turns.warm_up(play)


def play(seed: int) -> dict[str, int]:
    """Let some trainers take turns."""
    return turns.play(World, seed, WORLDS, TURNS)
