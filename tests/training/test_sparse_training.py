"""Training with sparse matrices: whatever the settings, it comes to the bits of the training with arrays."""

from __future__ import annotations

import copy
import pickle
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from helpers import any_scale, digest, in_child, same
from interrupted import Case, interrupted, outcome
from scipy import sparse

import fastbp as fb

N, N_IN, N_OUT = 150, 70, 3
X = sparse.random(N, N_IN, 0.15, "csr", np.float32, random_state=0)
DENSE = X.toarray()
RNG = np.random.default_rng(0)
LABELS, WEIGHTS = RNG.integers(0, N_OUT, N), RNG.uniform(0, 2, N)
MANY = sparse.csr_matrix(RNG.random((N, N_OUT)) < 0.4, dtype=np.float64)


def make(seed: int = 0, dropout: float = 0.2, dtype: str = "f4", loss: str = "cross_entropy", **settings) -> fb.Trainer:
    output = "softmax" if loss == "cross_entropy" else "sigmoid"
    net = fb.MLP([N_IN, 20, N_OUT], output=output, dropout=dropout, scale=0.5, dtype=dtype, seed=seed)
    return fb.Trainer(
        net, loss=loss, **{"optimizer": fb.SGD(0.1, momentum=0.9), "batch_size": 16, "seed": 0} | settings
    )


SETTINGS = {
    "minibatches of 1": {"batch_size": 1},
    "minibatches of 150": {"batch_size": 150},
    "minibatches of 1000": {"batch_size": 1000},
    "stored": {"gradient": "stored"},
    "in order": {"shuffle": False},
    "plain": {"optimizer": fb.SGD(0.1)},
    "adam": {"optimizer": fb.Adam(0.01)},
    "adamw": {"optimizer": fb.AdamW(0.01)},
    "rprop": {"optimizer": fb.Rprop(), "batch_size": N},
    "lbfgs": {"optimizer": fb.LBFGS()},
    "penalties": {"l1": 0.001, "l2": 0.01, "clip_norm": 0.5},
    "average": {"average": fb.EMA(0.9)},
    "many targets": {"loss": "binary_cross_entropy"},
}
FITS = {
    "all": {},
    "weights": {"sample_weight": WEIGHTS},
    "split": {"validation_split": 0.3, "sample_weight": WEIGHTS},
    "buffer": {"shuffle_buffer": 40},
}


ONCE = ("adamw", "rprop")
"""Settings of which one dtype is enough: each rule has kernels of its own for each dtype."""


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, dtype) for name in SETTINGS for dtype in ("f4", "f8") if dtype == "f4" or name not in ONCE],
)
def test_settings_have_the_bits_of_arrays(name, fit, dtype):
    """With each number of threads."""
    y = MANY if "loss" in SETTINGS[name] else LABELS
    twin = make(dtype=dtype, **SETTINGS[name])
    twin.fit(DENSE, y.toarray() if y is MANY else y, epochs=2, **FITS[fit])
    for n_threads in (1, 2, 3):
        own = make(dtype=dtype, n_threads=n_threads, **SETTINGS[name])
        own.fit(X, y, epochs=2, **FITS[fit])
        assert outcome(own) == outcome(twin)


@any_scale
def test_parts_of_large_minibatches_have_the_bits_of_arrays():
    many = sparse.random(5000, N_IN, 0.1, "csr", random_state=0)
    own, twin = (make(batch_size=3000, n_threads=2) for _ in range(2))
    own.fit(many, np.arange(5000) % N_OUT, epochs=2)
    twin.fit(many.toarray(), np.arange(5000) % N_OUT, epochs=2)
    assert outcome(own) == outcome(twin)
    assert (own.network.predict(many, n_threads=2) == twin.network.predict(many.toarray())).all()


@dataclass(frozen=True)
class SparseCase(Case):
    """A `Case` whose inputs, with one in three of them, are a sparse matrix."""

    def samples(self):
        X, y = super().samples()
        return sparse.csr_array(np.where(X > 0.4, X, 0)), y


RESUMED = {
    "everything": SparseCase(
        {"dropout": [0.1, 0.2], "max_norm": 1.5},
        {"optimizer": fb.Adam(0.1), "average": fb.EMA(0.9), "clip_norm": 0.5},
        {"validation_split": 0.2},
    ),
    "stored": SparseCase({}, {"optimizer": fb.AdamW(0.01), "gradient": "stored"}),
    "window": SparseCase({"dropout": 0.3}, {}, {"shuffle_buffer": 20}),
    "blocks": SparseCase({"dropout": 0.3}, {}, {"shuffle_buffer": 40}, blocks=True),
    "lbfgs": SparseCase({}, {"optimizer": fb.LBFGS(memory=3)}),
}


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("name", RESUMED)
def test_an_interrupted_training_goes_on(tmp_path, name, step):
    case = RESUMED[name]
    interrupted(case, tmp_path, step, every=1, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    assert outcome(case.train(trainer)) == outcome(case.train(case.made()))


def test_sparse_and_dense_calls_alternate():
    """On one network, with calls of different lengths, of which some have many zeros and some have few."""
    own, twin = make(), make()
    for k, n in enumerate([N, 1, 17, 64, 3, N, 16, 90]):
        few = DENSE[:n] * (k % 3 > 0) + (k % 3 == 0)
        one, other = [few, sparse.csc_array(few)][k % 2], few
        assert own.partial_fit(one, LABELS[:n]) == twin.partial_fit(other, LABELS[:n])
        assert (own.network.predict(X[:n]) == twin.network.predict(DENSE[:n])).all()
        gradients = [
            each.network.gradients(given, LABELS[:n], loss="cross_entropy", seed=k)
            for each, given in ((own, X[:n]), (twin, DENSE[:n]))
        ]
        assert gradients[0][0] == gradients[1][0]
        assert same(gradients[0][1], gradients[1][1])
    own.fit(X, LABELS)
    twin.fit(DENSE, LABELS)
    assert outcome(own) == outcome(twin)


def test_weights_of_inputs_without_entries_still_move_with_momentum():
    """Later calls have no entries at all."""
    own, twin = make(), make()
    for each, X_ in ((own, X), (twin, DENSE)):
        each.fit(X_, LABELS)
        before = each.network.weights[0].copy()
        each.partial_fit(X_[:0:-1] * 0, LABELS[:0:-1])
        assert (each.network.weights[0] != before).any()
    assert digest(own) == digest(twin)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda own: pickle.loads(pickle.dumps(own))])
def test_a_copy_goes_on_alike(copied):
    own = make()
    own.fit(X, LABELS)
    twin = copied(own)
    own.fit(X, LABELS)
    twin.fit(DENSE, LABELS)
    assert outcome(own) == outcome(twin)


def test_a_forked_child_goes_on_alike():
    own = make(n_threads=2)
    own.fit(X, LABELS)

    def go_on() -> str:
        own.fit(X, LABELS)
        return digest(own)

    assert in_child(go_on) == go_on()


def test_threads_of_python_share_a_network():
    net, found = make().network, []
    wanted = net.predict(DENSE)

    def predict() -> None:
        for given in [X, DENSE, sparse.csc_matrix(X)] * 10:
            found.append((net.predict(given, n_threads=2) == wanted).all())

    others = [threading.Thread(target=predict) for _ in range(4)]
    for each in others:
        each.start()
    for each in others:
        each.join()
    assert len(found) == 120
    assert all(found)


@pytest.mark.parametrize("options", [{"validation_data": (X, LABELS)}, {"validation_split": 0.2}])
def test_an_ensemble_has_the_bits_of_arrays(options):
    own, twin = (fb.Ensemble([make(seed) for seed in range(3)]) for _ in range(2))
    histories = own.fit(X, LABELS, epochs=2, **options)
    if "validation_data" in options:
        options = {"validation_data": (DENSE, LABELS)}
    assert [h["validation_loss"] for h in twin.fit(DENSE, LABELS, epochs=2, **options)] == [
        h["validation_loss"] for h in histories
    ]
    assert (own.predict(X) == twin.predict(DENSE)).all()
    assert (own.predict_classes(X) == twin.predict_classes(DENSE)).all()


@any_scale
def test_a_diverged_epoch_is_undone():
    """And no entry of it is left over for the next one."""
    own, twin = (make(dtype="f8", loss="squared_error", optimizer=fb.SGD(0.1), dropout=0.0) for _ in range(2))
    for each, given in ((own, X), (twin, DENSE)):
        wild = given.astype("f8") * 1e200
        with pytest.raises(FloatingPointError, match="not finite at step"):
            each.fit(wild, np.full((N, N_OUT), 1e300))
        each.fit(given, MANY.toarray())
    assert digest(own) == digest(twin)
