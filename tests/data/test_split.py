"""`validation_split`: which samples are held out, and that the others train as if there were no more."""

import numpy as np
import pytest
import reference
from epochs import TARGETS, N, assert_same, held_out, make, memory_map
from helpers import labelled, parameters, same

CLASSES = np.random.default_rng(0).permutation(np.repeat(range(4), [31, 7, 2, 20]))


def targets(kind):
    """60 targets of a kind, and the class of each."""
    binary, rng = (CLASSES < 2).astype(int), np.random.default_rng(1)
    return {
        "labels": (CLASSES, CLASSES),
        "one-hot rows": (reference.one_hot(CLASSES, 4), CLASSES),
        "labels for a regression": (CLASSES, CLASSES),
        "0 and 1": (binary, binary),
        "a column of 0 and 1": (binary[:, None].astype(float), binary),
        "-1 and 1": (2 * binary - 1, binary),
        "several of 0 and 1": (rng.integers(0, 2, (60, 4)), np.zeros(60, int)),
        "numbers": (rng.normal(size=60), np.zeros(60, int)),
    }[kind]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 1 / 3, 0.5, 0.9])
@pytest.mark.parametrize("kind", TARGETS)
def test_every_class_has_its_share_held_out(kind, fraction):
    """To within one sample; a share of all, where there are no classes that exclude each other."""
    y, classes = targets(kind)
    rows = held_out(y, fraction, kind)
    for k in {*classes}:
        assert abs((classes[rows] == k).sum() - fraction * (classes == k).sum()) < 1
    assert abs(len(rows) - fraction * 60) < 1


@pytest.mark.parametrize("kind", TARGETS)
def test_the_seed_says_what_is_held_out(kind):
    """In each call of fit and each epoch the same, with windows and weights too; at random."""
    y, _ = targets(kind)
    rows = held_out(y, 0.25, kind)
    for options in ({"calls": 3}, {"epochs": 4}, {"shuffle_buffer": 8}, {"sample_weight": np.arange(1, 61)}):
        assert (held_out(y, 0.25, kind, **options) == rows).all()
    others = {tuple(held_out(y, 0.25, kind, seed=seed)) for seed in range(1, 6)}
    assert len({*others, tuple(rows)}) == 6
    assert {*range(60)} == {*rows}.union(*others, *(held_out(y, 0.25, kind, seed=s) for s in range(6, 30)))


def test_no_seed_holds_out_the_same_in_each_call():
    y, _ = targets("labels")
    assert len(held_out(y, 0.25, seed=None, calls=4, epochs=2)) == 15


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(
    ("batch_size", "options"),
    [
        (7, {}),
        (1000, {}),
        (7, {"sample_weight": np.linspace(0, 2, N)}),
        (7, {"class_weight": {0: 2.0, 2: 0.5}}),
        (7, {"sample_weight": np.linspace(0, 2, N), "class_weight": {0: 2.0, 2: 0.5}}),
        (7, {"shuffle_buffer": 20}),
    ],
)
def test_the_rest_trains_as_arrays_of_it_would(shuffle, batch_size, options):
    """To the bit; weights of samples count for what is held out too, those of classes do not."""
    X, y = labelled()
    held = held_out(y, 0.2)
    rest = np.setdiff1d(np.arange(N), held)
    split, arrays = (make(shuffle=shuffle, batch_size=batch_size) for _ in range(2))
    split.fit(X, y, epochs=3, validation_split=0.2, **options)
    weights = options.get("sample_weight")
    of_rest = {} if weights is None else {"sample_weight": weights[rest]}
    of_held = () if weights is None else (weights[held],)
    arrays.fit(X[rest], y[rest], epochs=3, validation_data=(X[held], y[held], *of_held), **(options | of_rest))
    assert "validation_accuracy" in split.history
    assert_same(split, arrays)


def test_balanced_classes_are_those_that_are_trained_with():
    """ "balanced" gives all classes the same sum, of the samples that are left."""
    X, y = labelled()
    held = held_out(y, 0.2)
    rest = np.setdiff1d(np.arange(N), held)
    assert np.ptp(np.bincount(y[rest]) / np.bincount(y)) > 0
    split, arrays = make(), make()
    split.fit(X, y, validation_split=0.2, class_weight="balanced")
    arrays.fit(X[rest], y[rest], validation_data=(X[held], y[held]), class_weight="balanced")
    assert_same(split, arrays)


def test_no_share():
    X, y = labelled()
    split, plain = make(), make()
    split.fit(X, y, validation_split=0)
    plain.fit(X, y)
    assert_same(split, plain)


def test_a_share_of_a_memory_map(tmp_path):
    X, y = labelled()
    mapped, plain = make(), make()
    mapped.fit(memory_map(tmp_path / "X", X), y, validation_split=0.3, shuffle_buffer=14)
    plain.fit(X, y, validation_split=0.3, shuffle_buffer=14)
    assert_same(mapped, plain)


@pytest.mark.parametrize(
    ("n", "options", "error", "message"),
    [
        (1, {"validation_split": 0.5}, ValueError, r"validation_split must leave samples on both sides, got 0.5 of 1"),
        (10, {"validation_split": 0.05}, ValueError, "must leave samples on both sides"),
        (10, {"validation_split": 1 - 1e-12}, ValueError, "must leave samples on both sides"),
        (10, {"validation_split": 1.0}, ValueError, r"validation_split must be .* below 1, got 1.0"),
        (10, {"validation_split": -0.1}, ValueError, "validation_split must be .* at least 0"),
        (10, {"validation_split": np.nan}, ValueError, "validation_split must be a finite number"),
        (10, {"validation_split": "0.5"}, TypeError, "validation_split must be a number"),
        (10, {"validation_split": 0.5, "validation_data": labelled(3)}, ValueError, "must be 0 with validation_data"),
    ],
)
def test_bad_shares(n, options, error, message):
    trainer = make()
    before = parameters(trainer)
    with pytest.raises(error, match=message):
        trainer.fit(*labelled(n), **options)
    assert same(before, parameters(trainer))
    assert not trainer.history


def test_something_that_weighs_must_be_left():
    X, y = labelled()
    held = held_out(y, 0.2)
    trainer = make()
    with pytest.raises(ValueError, match="weights must have a sum above 0"):
        trainer.fit(X, y, validation_split=0.2, sample_weight=np.isin(np.arange(N), held).astype(float))
    assert not trainer.history
