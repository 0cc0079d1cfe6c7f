"""Ensembles: members that are trained side by side as if alone, their mean, and how they end together."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import any_pair, labelled, mutations, parameters, same

import fastbp as fb
from fastbp.base import model_files
from fastbp.callbacks import Callback, Lambda, State
from fastbp.engine import threads

X, Y = labelled(120)
rng = np.random.default_rng(1)


MANY = 5000
"""Epochs that take a second: more than is left when another member ends."""


def member(seed: int, **options) -> fb.Trainer:
    """Members differ in all that they may."""
    activation = ["tanh", "relu", "sigmoid", "silu"][seed % 4]
    net = fb.MLP([6, 10 + seed, 3], activation=activation, output="softmax", dropout=0.1 * (seed % 2), seed=seed)
    optimizer = [fb.SGD(0.1, momentum=0.9), fb.Adam(0.01)][seed % 2]
    options = {"loss": "cross_entropy", "optimizer": optimizer, "batch_size": 16 + seed, "seed": seed} | options
    return fb.Trainer(net, **options)


def ensemble(count: int = 4, **options) -> fb.Ensemble:
    return fb.Ensemble([member(seed, **options) for seed in range(count)])


def measured(history: fb.History) -> dict[str, list[float]]:
    return {name: column for name, column in history.items() if name != "seconds"}


@pytest.fixture(params=[1, 2, 4])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """As many members are trained at once."""
    monkeypatch.setattr(threads, "available", lambda: request.param)
    return request.param


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there are fewer cores."""
    monkeypatch.setattr(threads, "available", lambda: 8)


@pytest.mark.parametrize("n_threads", [None, 1, 2, 3])
def test_members_are_as_if_alone(cores, n_threads):
    """To the bit, whatever their number of threads, which is theirs again afterwards; in a second fit too."""
    together, alone = ensemble(n_threads=n_threads), [member(seed, n_threads=n_threads) for seed in range(4)]
    for epochs in (2, 1):
        histories = together.fit(X, Y, epochs=epochs)
        for own, twin, history in zip(together.trainers, alone, histories, strict=True):
            twin.fit(X, Y, epochs=epochs)
            assert same(parameters(own), parameters(twin))
            assert history is own.history
            assert measured(history) == measured(twin.history)
            assert own.n_threads == n_threads


def test_one_thread_each():
    """While they are trained: the cores are for the members."""
    seen = []
    look = Lambda(batch_end=lambda state: seen.append(state.trainer.n_threads))
    ensemble(3, n_threads=2).fit(X, Y, callbacks=lambda k: [look])
    assert set(seen) == {1}


def test_samples_and_validation():
    """Weights of samples and of classes, and a split of its own for each member, as in `Trainer.fit`."""
    options = {"sample_weight": rng.uniform(size=120), "class_weight": "balanced", "validation_split": 0.2}
    together, alone = ensemble(3, metrics=["mae"]), [member(seed, metrics=["mae"]) for seed in range(3)]
    histories = together.fit(X, Y, epochs=2, **options)
    assert [measured(history) for history in histories] == [measured(t.fit(X, Y, epochs=2, **options)) for t in alone]
    assert all("validation_mae" in history for history in histories)
    assert len({history["validation_loss"][-1] for history in histories}) == 3


@pytest.mark.parametrize("weights", [[], [rng.uniform(size=40)]], ids=["plain", "weighted"])
def test_validation_data(weights):
    together = ensemble(3)
    histories = together.fit(X, Y, epochs=2, validation_data=(X[:40], Y[:40], *weights))
    for own, history in zip(together.trainers, histories, strict=True):
        scores = own.evaluate(X[:40], Y[:40], sample_weight=weights[0] if weights else None)
        assert scores == {name: history[f"validation_{name}"][-1] for name in ("loss", "accuracy")}


def test_no_epochs():
    together = ensemble(2)
    before = [parameters(own) for own in together.trainers]
    assert together.fit(X, Y, epochs=0) == [{}, {}]
    assert all(same(a, parameters(own)) for a, own in zip(before, together.trainers, strict=True))


def test_one_member():
    together, alone = ensemble(1), member(0)
    together.fit(X, Y)
    alone.fit(X, Y)
    assert same(parameters(together.trainers[0]), parameters(alone))
    assert (together.predict(X) == alone.network.predict(X)).all()


def test_more_members_than_cores(cores):
    """All have their turn."""
    histories = ensemble(9).fit(X, Y, epochs=2)
    assert [history.epochs for history in histories] == [2] * 9


def test_progress(capsys):
    """Of the first alone."""
    together = ensemble(3)
    together.fit(X, Y, epochs=2, progress=True)
    assert capsys.readouterr().err.count("240/240") == 1
    together.fit(X, Y, progress=False)
    together.fit(X, Y)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("count", [1, 2, 5])
def test_predict_is_the_mean(count):
    together = ensemble(count)
    together.fit(X, Y)
    each = [own.network.predict(X) for own in together.trainers]
    mean = together.predict(X)
    assert mean.shape == (120, 3)
    assert mean.dtype == np.float32
    assert mean == pytest.approx(np.mean(np.array(each, np.float64), axis=0), rel=1e-6)
    assert (together.predict_classes(X) == mean.argmax(axis=1)).all()
    assert together.predict_classes(X).dtype == np.int64
    for n_threads in (1, 2):
        assert (together.predict(X, n_threads=n_threads) == mean).all()
        assert (together.predict_classes(X, n_threads=n_threads) == mean.argmax(axis=1)).all()
    assert all((a == own.network.predict(X)).all() for a, own in zip(each, together.trainers, strict=True))


def constant(*outputs: float) -> fb.Trainer:
    """A member that always says the same."""
    net = fb.MLP([1, len(outputs)], dtype=np.float64)
    net.set_weights([np.zeros((1, len(outputs)))], [outputs])
    return fb.Trainer(net, loss="squared_error")


@pytest.mark.parametrize(
    ("members", "wanted"),
    [
        ([(1.0, 0.0, 0.0), (0.0, 0.6, 0.4), (0.0, 0.6, 0.4)], 1),  # no vote: the mean
        ([(0.9, 0.1, 0.0), (0.0, 0.4, 0.6), (0.0, 0.4, 0.6)], 2),
        ([(0.0, 0.5, 0.5), (0.0, 0.5, 0.5)], 1),  # of equal outputs the first
        ([(0.9,), (0.0,)], 0),  # of one output, from 1/2
        ([(1.0,), (0.0,)], 1),
        ([(0.75,), (0.0,), (0.75,)], 1),
    ],
)
def test_classes_are_those_of_the_mean(members, wanted):
    together = fb.Ensemble([constant(*outputs) for outputs in members])
    assert together.predict([[0.0]])[0] == pytest.approx(np.mean(members, axis=0))
    assert together.predict_classes([[0.0], [1.0]]).tolist() == [wanted] * 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_members_of_different_dtypes(order):
    """The mean does not depend on who comes first."""
    nets = [fb.MLP([6, 3], dtype=dtype, seed=seed) for seed, dtype in enumerate((np.float32, np.float64))]
    trainers = [fb.Trainer(net, loss="squared_error") for net in nets]
    mean = fb.Ensemble([trainers[k] for k in order]).predict(X)
    assert mean.dtype == np.float64
    assert mean == pytest.approx((nets[0].predict(X).astype(float) + nets[1].predict(X)) / 2, rel=1e-12)


@pytest.mark.parametrize("name", ["predict", "predict_classes"])
def test_predictions_of_bad_samples(name):
    predict = getattr(ensemble(2), name)
    with pytest.raises(ValueError, match=r"X must have shape \(n, 6\)"):
        predict(X[:, :5])
    with pytest.raises(ValueError, match="n_threads must be at least 1, got 0"):
        predict(X, n_threads=0)


def test_callbacks_of_each(cores):
    """The function gets the numbers of the trainers, once each, and what it gives goes to that one alone."""
    together, asked, seen = ensemble(5), [], {}

    def callbacks(k: int) -> list[Callback]:
        asked.append(k)
        seen[k] = []
        return [Lambda(epoch_end=lambda state: seen[k].append((state.trainer, state.epoch)))]

    together.fit(X, Y, epochs=3, callbacks=callbacks)
    assert sorted(asked) == list(range(5))
    for k, own in enumerate(together.trainers):
        assert seen[k] == [(own, 1), (own, 2), (own, 3)]


def test_each_may_stop_by_itself(cores):
    """Which is no error: the others go on."""

    def callbacks(k: int) -> list[Callback]:
        def stop(state: State) -> None:
            state.stop = state.epoch == k + 1

        return [Lambda(epoch_end=stop)] if k < 3 else []

    histories = ensemble().fit(X, Y, epochs=6, callbacks=callbacks)
    assert [history.epochs for history in histories] == [1, 2, 3, 6]


def test_early_stopping():
    """Each is stopped and restored as if alone; any iterable of callbacks will do."""
    stopping = [fb.EarlyStopping(patience=2) for _ in range(3)]
    together, alone = ensemble(3), [member(seed) for seed in range(3)]
    together.fit(X, Y, epochs=30, validation_split=0.3, callbacks=lambda k: (stopping[k],))
    for own, twin, callback in zip(together.trainers, alone, stopping, strict=True):
        again = fb.EarlyStopping(patience=2)
        twin.fit(X, Y, epochs=30, validation_split=0.3, callbacks=[again])
        assert same(parameters(own), parameters(twin))
        assert callback.best_epoch == again.best_epoch > 0


class Mine(Exception):  # noqa: N818
    """One that nothing else raises."""


def fails(number: int, hook: str, error: BaseException) -> tuple[Callable[[int], list[Callback]], list[int]]:
    """Callbacks whose `number` raises when all others are in their second epoch, and the others that have ended.

    The others wait for it after their first epoch, so that there is something left of them to end early.
    """
    ended: list[int] = []
    failing, others = threading.Event(), {k: threading.Event() for k in range(3) if k != number}

    def fail(state: State) -> None:
        for started in others.values():
            assert started.wait(60)
        failing.set()
        raise error

    def callbacks(k: int) -> list[Callback]:
        if k == number:
            return [Lambda(**{hook: fail})]

        def wait(state: State) -> None:
            others[k].set()
            assert failing.wait(60)

        return [Lambda(epoch_end=wait, train_end=lambda state: ended.append(k))]

    return callbacks, ended


@pytest.mark.parametrize("error", [Mine, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("hook", ["train_begin", "batch_end", "epoch_end"])
@pytest.mark.parametrize("number", [0, 2])
def test_an_error_ends_all(number, hook, error, all_at_once):
    """It is raised, and by then the others have ended, long before their epochs are done."""
    together = ensemble(3, n_threads=2)
    callbacks, ended = fails(number, hook, error("mine"))
    with pytest.raises(error, match="mine"):
        together.fit(X, Y, epochs=MANY, callbacks=callbacks)
    assert sorted(ended) == [k for k in range(3) if k != number]
    for k, own in enumerate(together.trainers):
        assert own.n_threads == 2
        assert own.history.epochs == (hook == "epoch_end") if k == number else 1 <= own.history.epochs < MANY
    histories = [own.history.epochs for own in together.trainers]
    assert [history.epochs for history in together.fit(X, Y)] == [epochs + 1 for epochs in histories]


@pytest.mark.parametrize("error", [Mine, KeyboardInterrupt])
def test_an_error_of_the_function_ends_all(error, all_at_once):
    """That of the number of a trainer, which gives the callbacks."""
    asked, started = threading.Event(), threading.Event()

    def callbacks(k: int) -> list[Callback]:
        if k == 1:
            assert started.wait(60)
            asked.set()
            raise error("mine")

        def wait(state: State) -> None:
            started.set()
            assert asked.wait(60)

        return [Lambda(epoch_end=wait)]

    together = ensemble(2)
    with pytest.raises(error, match="mine"):
        together.fit(X, Y, epochs=MANY, callbacks=callbacks)
    assert 1 <= together.trainers[0].history.epochs < MANY
    assert together.trainers[1].history.epochs == 0


def test_members_that_wait_are_not_begun(monkeypatch):
    """Of one core, the others have not had their turn when the first fails, and get none."""
    monkeypatch.setattr(threads, "available", lambda: 1)
    together = ensemble()
    before = [parameters(own) for own in together.trainers[1:]]

    def fail(state: State) -> None:
        raise Mine

    with pytest.raises(Mine):
        together.fit(X, Y, epochs=2, callbacks=lambda k: [Lambda(epoch_end=fail)] if k == 0 else [])
    assert [own.history.epochs for own in together.trainers] == [1, 0, 0, 0]
    assert all(same(a, parameters(own)) for a, own in zip(before, together.trainers[1:], strict=True))


def test_a_member_diverges(cores):
    """Its parameters are those that its epoch began with, and the others end early."""
    net = fb.MLP([6, 3], seed=0)
    first = fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(1e30), batch_size=16)
    together, before = fb.Ensemble([first, member(1), member(2)]), parameters(first)
    with pytest.raises(FloatingPointError, match="the loss is not finite at step 2 of epoch 1"):
        together.fit(X, Y, epochs=MANY)
    assert same(before, parameters(first))
    assert [own.history.epochs < MANY for own in together.trainers] == [True] * 3


def test_two_fail(all_at_once):
    """One of the errors is raised; no trainer is left locked."""
    meet = threading.Barrier(3)

    def fail(state: State) -> None:
        meet.wait(60)
        raise Mine(str(state.trainer is together.trainers[0]))

    together = ensemble(3)
    with pytest.raises(Mine):
        together.fit(X, Y, epochs=3, callbacks=lambda k: [Lambda(epoch_end=fail)])
    assert [own.history.epochs for own in together.trainers] == [1, 1, 1]
    assert [history.epochs for history in together.fit(X, Y)] == [2, 2, 2]


def sharing() -> list[fb.Trainer]:
    first = member(0)
    return [first, member(1), fb.Trainer(first.network, loss="cross_entropy")]


def other(sizes: list[int]) -> list[fb.Trainer]:
    return [member(0), fb.Trainer(fb.MLP(sizes, seed=0), loss="squared_error")]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: [], ValueError, "trainers must be at least one, got none"),
        (lambda: other([6, 4]), ValueError, r"equal numbers of inputs and outputs, got \[\(6, 3\), \(6, 4\)\]"),
        (lambda: other([5, 3]), ValueError, "trainers must have networks with equal numbers of inputs"),
        (sharing, ValueError, "trainers must each have a network of their own"),
        (lambda: [member(0)] * 2, ValueError, "trainers must each have a network of their own"),
        (lambda: member(0), TypeError, "trainers must be a sequence of Trainer, got Trainer"),
        (lambda: [member(0), member(1).network], TypeError, "trainers must be a sequence of Trainer"),
        (lambda: (member(k) for k in range(2)), TypeError, "trainers must be a sequence of Trainer, got <generator"),
        (lambda: 3, TypeError, "trainers must be a sequence of Trainer, got 3"),
        (lambda: None, TypeError, "trainers must be a sequence of Trainer, got None"),
        (lambda: "ab", TypeError, "trainers must be a sequence of Trainer, got 'ab'"),
    ],
)
def test_trainers(make, error, message):
    with pytest.raises(error, match=message):
        fb.Ensemble(make())


def test_a_sequence_that_changes():
    """The ensemble has its own."""
    trainers = [member(0), member(1)]
    together = fb.Ensemble(trainers)
    trainers.pop()
    assert len(together.trainers) == 2
    assert len(fb.Ensemble(tuple(together.trainers)).trainers) == 2


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": -1}, ValueError, "epochs must be at least 0, got -1"),
        ({"X": X[:, :5]}, ValueError, r"X must have shape \(n, 6\)"),
        ({"y": Y + 2}, ValueError, r"y\[\d+\] is \d; every value must be in \[0, 2\]"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(120,\)"),
        ({"class_weight": "even"}, ValueError, "class_weight must be one of 'balanced', got 'even'"),
        ({"validation_split": 1.0}, ValueError, "validation_split must be a finite number"),
        ({"validation_data": (X, Y), "validation_split": 0.1}, ValueError, "validation_split must be 0 with"),
        ({"validation_data": X}, TypeError, "validation_data must be a pair"),
        ({"callbacks": [Lambda()]}, TypeError, "callbacks must be a function of the number of a trainer, got"),
        ({"callbacks": 3}, TypeError, "callbacks must be a function of the number of a trainer, got 3"),
        ({"callbacks": lambda k: [print]}, TypeError, r"callbacks\[.\] must be a fastbp.callbacks.Callback"),
        ({"callbacks": lambda k: None}, TypeError, "callbacks must be"),
        ({"callbacks": lambda k: Lambda()}, TypeError, "callbacks must be"),
    ],
)
def test_arguments_of_fit(options, error, message):
    """As those of `Trainer.fit`; no member has changed then, and the ensemble can be trained."""
    together = ensemble(3)
    before = [parameters(own) for own in together.trainers]
    with pytest.raises(error, match=message):
        together.fit(**{"X": X, "y": Y, **options})
    assert all(same(a, parameters(own)) for a, own in zip(before, together.trainers, strict=True))
    assert [history.epochs for history in together.fit(X, Y)] == [1, 1, 1]


def test_numbers_of_callbacks_are_those_of_the_list():
    """A message counts the callbacks that were given, and none of the ensemble's."""
    with pytest.raises(TypeError, match=r"callbacks\[1\] must be"):
        ensemble(1).fit(X, Y, callbacks=lambda k: [Lambda(), print])


# --- samples for each -------------------------------------------------------------------------------------------------


def test_samples_for_each(cores):
    """As if each were trained alone on its own."""
    together, alone = ensemble(3), [member(seed) for seed in range(3)]
    rows = [rng.integers(0, 120, 50 + 10 * k) for k in range(3)]
    weights = [rng.uniform(size=len(own)) for own in rows]
    matrices = [X[own] for own in rows]
    together.fit(matrices, [Y[own] for own in rows], sample_weight=weights, epochs=2)
    for own, twin, some, weight in zip(together.trainers, alone, rows, weights, strict=True):
        twin.fit(X[some], Y[some], sample_weight=weight, epochs=2)
        assert same(parameters(own), parameters(twin))
    together.fit(tuple(matrices), [Y[own] for own in rows])
    together.partial_fit(matrices, [Y[own] for own in rows])


def test_a_list_that_is_one_matrix(cores):
    """Also one with as many rows as there are members."""
    for rows in (2, 120):
        together, twin = ensemble(2), ensemble(2)
        together.fit(X[:rows].tolist(), Y[:rows].tolist())
        twin.fit(X[:rows], Y[:rows])
        assert same(parameters(together.trainers[1]), parameters(twin.trainers[1]))
    together.fit(list(X), Y)


@pytest.mark.parametrize("name", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("X", "y", "weights", "message"),
    [
        ([X], [Y], None, "X must be a list with one array for each of 2 trainers, got 1"),
        ([X] * 3, [Y] * 3, None, "X must be a list with one array for each of 2 trainers, got 3"),
        ([X, X], Y, None, "y must be a list with one array for each of 2 trainers, got ndarray"),
        ([X, X], [Y], None, "y must be a list with one array for each of 2 trainers, got 1"),
        ([X, X], [Y, Y], np.ones(120), "sample_weight must be a list with one array for each of 2 trainers, got nd"),
        ([X, X[:, :5]], [Y, Y], None, r"X must have shape \(n, 6\)"),
    ],
)
def test_lists_that_do_not_fit(name, X, y, weights, message):
    together = ensemble(2)
    before = [parameters(own) for own in together.trainers]
    with pytest.raises(ValueError, match=message):
        getattr(together, name)(X, y, sample_weight=weights)
    assert all(same(a, parameters(own)) for a, own in zip(before, together.trainers, strict=True))


# --- few samples ------------------------------------------------------------------------------------------------------


def mean_of_each(together: fb.Ensemble, X: np.ndarray) -> np.ndarray:
    total = sum((own.network.predict(X) for own in together.trainers[1:]), together.trainers[0].network.predict(X))
    return total / len(together.trainers)


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 8, 9, 30])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64])
@pytest.mark.parametrize("options", [{}, {"scale": 0.5, "shift": 1.0}, {"dtype": np.float64}], ids=str)
def test_few_samples_have_the_bits_of_the_mean(n, kind, options):
    nets = [fb.MLP([6, 7 + k, *[5] * k, 3], output="softmax", dropout=0.1, seed=k, **options) for k in range(5)]
    together = fb.Ensemble([fb.Trainer(net, loss="cross_entropy") for net in nets])
    for _ in range(2):
        samples = rng.integers(0, 4, (n, 6)).astype(kind)
        assert (together.predict(samples) == mean_of_each(together, samples)).all()


@pytest.mark.parametrize("count", [1, 40])
def test_one_output(count):
    """A sum along one number of 40 networks would be another one."""
    nets = [fb.MLP([6, 3, 1], seed=k) for k in range(count)]
    together = fb.Ensemble([fb.Trainer(net, loss="squared_error") for net in nets])
    assert (together.predict(X[:1]) == mean_of_each(together, X[:1])).all()


def test_few_samples_after_a_change():
    """Of the parameters, of a network, and of the transformation of inputs."""
    together = ensemble(3)
    first = together.predict(X[:2])
    together.fit(X, Y)
    second = together.predict(X[:2])
    assert (second == mean_of_each(together, X[:2])).all()
    assert (first != second).any()
    together.trainers[1].network = fb.MLP([6, 9, 3], output="softmax", scale=3.0, seed=9)
    third = together.predict(X[:2])
    assert (third == mean_of_each(together, X[:2])).all()
    assert (second != third).any()
    assert (first != third).any()


def test_results_are_not_overwritten():
    together = ensemble(2)
    first = together.predict(X[:1])
    kept = first.copy()
    together.predict(X[5:6])
    assert (first == kept).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_few_samples_that_are_not_finite(kind):
    together = ensemble(2)
    bad = X[:3].astype(kind)
    bad[1, 2] = np.nan
    with pytest.raises(ValueError, match=r"X\[1, 2\]"):
        together.predict(bad)
    assert (together.predict(X[:3]) == mean_of_each(together, X[:3])).all()


def test_sparse_and_mixed():
    sparse = pytest.importorskip("scipy.sparse", reason="makes a sparse matrix")
    together = ensemble(2)
    assert (together.predict(sparse.csr_matrix(X[:2])) == together.predict(X[:2])).all()
    nets = [fb.MLP([6, 3], dtype=dtype, seed=0) for dtype in ("float32", "float64")]
    mixed = fb.Ensemble([fb.Trainer(net, loss="squared_error") for net in nets])
    assert mixed.predict(X[:1]).dtype == np.float64


def test_few_samples_in_many_threads():
    together = ensemble(4)
    wanted = [mean_of_each(together, X[k : k + 1]) for k in range(120)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: together.predict(X[k : k + 1]), list(range(120)) * 5))
    assert all((a == wanted[k % 120]).all() for k, a in enumerate(found))


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies(twin):
    together = ensemble(2)
    wanted = together.predict(X[:1])
    other = twin(together)
    assert (other.predict(X[:1]) == wanted).all()
    other.fit(X, Y)
    assert (other.predict(X[:1]) != wanted).any()
    assert (together.predict(X[:1]) == wanted).all()


# --- scores and single steps ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, rng.uniform(size=120)], ids=["plain", "weighted"])
def test_evaluate(weights):
    together = ensemble(3, metrics=["top_5_accuracy", "mae", "objective"], l2=0.1)
    together.fit(X, Y, epochs=3)
    scores, mean = together.evaluate(X, Y, sample_weight=weights), together.predict(X).astype(np.float64)
    loss = np.average(-np.log(mean[np.arange(120), Y]), weights=weights)
    assert scores["loss"] == pytest.approx(loss, rel=1e-5)
    assert scores["accuracy"] == pytest.approx(np.average(mean.argmax(axis=1) == Y, weights=weights))
    error = np.abs(mean - np.eye(3)[Y]).mean(axis=1)
    assert scores["mae"] == pytest.approx(np.average(error, weights=weights), rel=1e-5)
    penalties = [0.05 * sum((W.astype(float) ** 2).sum() for W in own.network.weights) for own in together.trainers]
    assert scores["objective"] == pytest.approx(loss + np.mean(penalties), rel=1e-5)
    assert list(scores) == ["loss", "accuracy", "objective", "top_5_accuracy", "mae"]


def test_evaluate_of_one_output():
    """It decides where its members do."""
    nets = [fb.MLP([6, 4, 1], seed=k) for k in range(3)]
    together = fb.Ensemble([fb.Trainer(net, loss="hinge") for net in nets])
    scores = together.evaluate(X, Y > 0)
    assert scores["accuracy"] == np.mean((together.predict(X)[:, 0] >= 0) == (Y > 0))


def test_evaluate_of_one_is_that_of_its_trainer():
    together = ensemble(1)
    alone = together.trainers[0].evaluate(X, Y)
    assert together.evaluate(X, Y) == pytest.approx(alone, rel=1e-5)


def test_partial_fit():
    together, alone = ensemble(3), [member(seed) for seed in range(3)]
    weights = rng.uniform(size=16)
    for first in (0, 16, 32):
        part = slice(first, first + 16)
        scores = together.partial_fit(X[part], Y[part], sample_weight=weights)
        assert scores == [own.partial_fit(X[part], Y[part], sample_weight=weights) for own in alone]
    for own, twin in zip(together.trainers, alone, strict=True):
        assert same(parameters(own), parameters(twin))
        assert own.history.epochs == 0


@any_pair
@pytest.mark.parametrize("name", ["fit", "partial_fit"])
def test_bad_samples_change_no_member(name, cores):
    """Also where only the loss of the last one refuses them."""
    trainers = [fb.Trainer(fb.MLP([6, 3], seed=k), loss=loss) for k, loss in enumerate(("squared_error", "poisson"))]
    together = fb.Ensemble(trainers)
    before = [parameters(own) for own in trainers]
    with pytest.raises(ValueError, match="y"):
        getattr(together, name)(X, -np.ones((120, 3)))
    assert all(same(a, parameters(own)) for a, own in zip(before, trainers, strict=True))


# --- files ------------------------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    """With everything in which members may differ; the twin predicts with the same bits, and learns."""
    path = tmp_path / "m.safetensors"
    trainers = [
        member(0, schedule=fb.schedules.Cosine(5), metrics=["mae", fb.metrics.TopK(2)], l2=0.1),
        member(1, average=fb.EMA(0.9), clip_norm=1.0),
        fb.Trainer(fb.MLP([6, 3], bias=False, shift=1.0, dtype="float64", seed=2), loss=fb.losses.Huber(0.5)),
    ]
    together = fb.Ensemble(trainers)
    together.fit(X, Y)
    together.save(path)
    twin = fb.Ensemble.load(path)
    assert (twin.predict(X) == together.predict(X)).all()
    for own, other in zip(together.trainers, twin.trainers, strict=True):
        assert other.settings == own.settings
        assert other.network.architecture == own.network.architecture
        network = own.averaged if own.average else own.network
        assert np.array_equal(other.network.theta, network.theta)
        assert (other.history.epochs, other.state.step) == (0, 0)
    twin.fit(X, Y)


def test_files_of_other_kinds(tmp_path):
    together, path = ensemble(2), tmp_path / "m"
    together.save(path)
    with pytest.raises(fb.ModelFileError, match="its format is 'fastbp ensemble', not 'fastbp network'"):
        fb.load(path)
    together.trainers[0].network.save(path)
    with pytest.raises(fb.ModelFileError, match="its format is 'fastbp network', not 'fastbp ensemble'"):
        fb.Ensemble.load(path)
    with pytest.raises(FileNotFoundError):
        fb.Ensemble.load(tmp_path / "other")


def test_what_no_file_can_keep(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="metrics must have no functions"):
        ensemble(1, metrics=[lambda y, a: 0.0]).save(path)
    assert path.read_bytes() == b"old"


def test_damaged_files(tmp_path):
    """Each raises ModelFileError, or is the same ensemble."""
    path = tmp_path / "m"
    small = fb.Ensemble([fb.Trainer(fb.MLP([2, 2, 1], seed=k), loss="squared_error") for k in range(2)])
    small.save(path)
    content, wanted, refused = path.read_bytes(), small.predict([[1.0, 2.0]]), 0
    for damaged in mutations(content, 600):
        path.write_bytes(damaged)
        try:
            assert (fb.Ensemble.load(path).predict([[1.0, 2.0]]) == wanted).all()
        except fb.ModelFileError:
            refused += 1
    assert refused > 550


@pytest.mark.parametrize(
    "change",
    [
        lambda members: members.clear(),
        lambda members: members.append(members[0]),
        lambda members: members.__setitem__(0, 3),
        lambda members: members[0].pop("trainer"),
        lambda members: members[0].__setitem__("network", {"Huber": {"delta": 1.0}}),
        lambda members: members[0].__setitem__("network", [1]),
        lambda members: members[0]["trainer"].__setitem__("network", 1),
        lambda members: members[0]["trainer"].__setitem__("loss", "los"),
        lambda members: members[0]["trainer"].__setitem__("metric_names", ["mae"]),
        lambda members: members[0]["network"]["Architecture"].__setitem__("threshold", "a"),
        lambda members: members[0]["network"]["Architecture"].__setitem__("sizes", [10**12, 3]),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path, change):
    path = tmp_path / "m"
    small = fb.Ensemble([fb.Trainer(fb.MLP([2, 1], seed=k), loss="squared_error") for k in range(2)])
    small.save(path)
    with model_files.opened(path, "ensemble") as contents:
        members, tensors = contents.description["members"], dict(contents.tensors())
    change(members)
    path.write_bytes(model_files.pack("ensemble", {"members": members}, tensors))
    with pytest.raises(fb.ModelFileError):
        fb.Ensemble.load(path)


def test_one_warning_of_scales_in_the_line_of_the_caller():
    together = fb.Ensemble([fb.Trainer(fb.MLP([6, 3], seed=k), loss="squared_error") for k in range(3)])
    with pytest.warns(UserWarning, match="the inputs have standard deviations") as caught:
        together.fit(1000 * X, X[:, :3])
    assert [(warning.filename, len(caught)) for warning in caught] == [(__file__, 1)]


def test_a_missing_column_is_refused_before_the_first_epoch():
    together = fb.Ensemble([fb.Trainer(fb.MLP([6, 3], seed=k), loss="squared_error") for k in range(2)])
    with pytest.raises(ValueError, match="validation_data or validation_split"):
        together.fit(X, X[:, :3], epochs=2, callbacks=lambda k: [fb.EarlyStopping("validation_loss")])
    assert [own.history.epochs for own in together.trainers] == [0, 0]


def test_scores_of_standardized_targets_have_one_unit():
    """The loss of the mean is that of `Trainer.evaluate`, and metrics have the unit of the targets."""
    y = 500 + 100 * X[:, :1]
    net = fb.MLP([6, 1], standardize=X, standardize_targets=y, seed=0)
    alone = fb.Trainer(net, loss="squared_error", metrics=["mae"])
    twin = fb.Trainer(copy.deepcopy(net), loss="squared_error", metrics=["mae"])
    assert fb.Ensemble([alone, twin]).evaluate(X, y) == pytest.approx(alone.evaluate(X, y), rel=1e-5)


def test_members_with_other_orders_of_columns(monkeypatch):
    pd = pytest.importorskip("pandas", reason="the names of columns come from frames")
    nets = [fb.MLP([2, 1], seed=k) for k in range(2)]
    nets[0].columns, nets[1].columns = ["a", "b"], ["b", "a"]
    together = fb.Ensemble([fb.Trainer(net, loss="squared_error") for net in nets])
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    assert together.predict(frame)[:3].tolist() == together.predict(frame[:3]).tolist()
