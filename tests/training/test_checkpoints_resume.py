"""Checkpoints: a training that anything has ended goes on, and ends with the bits of one that nothing has."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import run_function, same
from interrupted import (
    CASES,
    EVERYTHING,
    MOMENTUM,
    InterruptedFit,
    Steps,
    alone,
    interrupted,
    names,
    outcome,
    uninterrupted,
)

import fastbp as fb
from fastbp.schedules import ReduceOnPlateau


def test_everything_really_happens():
    """The case that has everything stops early, goes back to an epoch before, and lowers its learning rate."""
    stopping = fb.EarlyStopping(patience=EVERYTHING.patience)
    history = EVERYTHING.train(EVERYTHING.made(), stopping).history
    assert stopping.best_epoch + EVERYTHING.patience == history.epochs < EVERYTHING.epochs
    assert ReduceOnPlateau(gamma=0.5, patience=0).factor(np.zeros(1), history) < 1


@pytest.mark.parametrize(
    ("dtype", "every", "per"),
    [("float32", 1, "step"), ("float32", 7, "step"), ("float32", 1, "epoch"), ("float64", 7, "step")],
)
@pytest.mark.parametrize("name", CASES)
def test_interrupted_after_any_step(tmp_path, name, dtype, every, per):
    """It goes on from the last checkpoint, no earlier and no later.

    Of the steps between two checkpoints, these are the first and the last one.
    """
    case, (wanted, epochs) = CASES[name], uninterrupted(name, dtype)
    numbers = range(1, len(epochs) + 1)
    # The step of the newest checkpoint after each step.
    newest = [step // every * every if per == "step" else epochs.index(epochs[step - 1]) for step in numbers]
    for step, kept, before, after in zip(numbers, newest, [None, *newest], [*newest[1:], None], strict=False):
        if before == kept == after:
            continue
        directory = tmp_path / str(step)
        interrupted(case, directory, step, case.made(dtype), every=every, per=per)
        trainer, steps = fb.Trainer.resume(directory) if kept else case.made(dtype), Steps()
        assert bool(names(directory)) == bool(kept)
        case.train(trainer, steps, fb.Checkpoint(directory, every=every, per=per))
        assert outcome(trainer) == wanted, f"interrupted after step {step}"
        assert steps.numbers == [*range(kept + 1, len(epochs) + 1)]


@pytest.mark.parametrize("late", [False, True], ids=["before the checkpoint", "after it"])
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_batch_begin", "on_epoch_end", "on_train_end"])
@pytest.mark.parametrize(("every", "per"), [(1, "step"), (1, "epoch")])
def test_interrupted_by_any_hook(tmp_path, every, per, hook, late):
    """In the third epoch, or at the end."""
    case = EVERYTHING

    def cut(state):
        if state.epoch >= 2 or hook == "on_train_end":
            raise InterruptedFit

    killer = fb.callbacks.Callback()
    setattr(killer, hook, cut)
    killer.late = late
    with pytest.raises(InterruptedFit):
        case.train(case.made(), fb.Checkpoint(tmp_path, every=every, per=per), killer)
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted("everything")[0]


@pytest.mark.parametrize("name", ["momentum", "everything", "blocks"])
@pytest.mark.parametrize("second", [11, 17], ids=["before another checkpoint", "after another"])
def test_interrupted_twice(tmp_path, name, second):
    case = CASES[name]
    interrupted(case, tmp_path, 10, every=4, per="step")
    interrupted(case, tmp_path, second, fb.Trainer.resume(tmp_path), every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == uninterrupted(name)[0]


def finish(name: str, directory: str) -> None:
    """Print the outcome of an interrupted case."""
    print(json.dumps(outcome(CASES[name].train(fb.Trainer.resume(directory)))))


@pytest.mark.parametrize("name", ["everything", "blocks"])
def test_another_process(tmp_path, name):
    interrupted(CASES[name], tmp_path, 8, every=4, per="step")
    printed = run_function(finish, name, str(tmp_path)).stdout
    assert tuple(json.loads(printed)) == uninterrupted(name)[0]


@pytest.mark.parametrize("name", ["everything", "minibatches in parts"])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (None, 2), (2, None)])
def test_another_number_of_threads(tmp_path, name, before, after):
    case = CASES[name]
    interrupted(case, tmp_path, 4, case.made(n_threads=before), every=2, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    assert trainer.n_threads == before
    trainer.n_threads = after
    assert outcome(case.train(trainer)) == uninterrupted(name)[0]


def test_without_a_seed(tmp_path):
    """Orders, masks and the samples held out go on as they began, though nobody has named a seed."""
    case = EVERYTHING
    whole = case.train(case.made(seed=None), fb.Checkpoint(tmp_path, every=1, per="step", keep=10**6))
    for number in range(1, len(names(tmp_path)), 4):
        assert outcome(case.train(fb.Trainer.resume(alone(tmp_path, number)))) == outcome(whole), number


def test_more_epochs_than_before(tmp_path):
    """After a training that has ended, a larger number goes on, and the same one does nothing."""
    case, steps = MOMENTUM, Steps()
    case.train(case.made(), fb.Checkpoint(tmp_path))
    before = names(tmp_path)
    trainer = case.train(fb.Trainer.resume(tmp_path), steps, fb.Checkpoint(tmp_path))
    assert outcome(trainer) == uninterrupted("momentum")[0]
    assert (names(tmp_path), steps.numbers) == (before, [])
    whole = case.train(case.made(), epochs=5)
    assert outcome(case.train(trainer, epochs=2)) == outcome(whole), "a call of its own"
    assert outcome(case.train(fb.Trainer.resume(tmp_path), epochs=5)) == outcome(whole)


def test_stopped_early_stays_stopped(tmp_path):
    """And has the parameters of the best epoch again."""
    steps, wanted = Steps(), uninterrupted("everything")[0]
    EVERYTHING.train(EVERYTHING.made(), fb.Checkpoint(tmp_path, every=100))
    trainer = fb.Trainer.resume(tmp_path)
    assert outcome(trainer) != wanted
    assert outcome(EVERYTHING.train(trainer, steps)) == wanted
    assert not steps.numbers


def test_a_second_call_of_fit(tmp_path):
    """Epochs of the call that was interrupted are what counts, and not those of calls before."""
    case = MOMENTUM
    whole = case.train(case.train(case.made(), epochs=2))
    trainer = case.train(case.made(), epochs=2)
    interrupted(case, tmp_path, 16, trainer, every=5, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == outcome(whole)


def test_calls_after_a_resumed_one(tmp_path):
    """They add their epochs to those that are there, as always."""
    case = EVERYTHING
    wanted = outcome(case.train(case.train(case.made()), epochs=2))
    interrupted(case, tmp_path, 8, every=4, per="step")
    trainer = case.train(fb.Trainer.resume(tmp_path))
    assert outcome(case.train(trainer, epochs=2)) == wanted


def test_calls_after_one_that_was_stopped_within_an_epoch(tmp_path):
    """They draw the same orders."""
    case = MOMENTUM

    def stop(state):
        state.stop = state.step == 8

    whole = case.made()
    case.train(whole, fb.callbacks.Lambda(batch_end=stop), fb.Checkpoint(tmp_path, every=1, per="step"))
    trainer = case.train(fb.Trainer.resume(tmp_path))
    assert outcome(trainer) == outcome(whole)
    assert outcome(case.train(trainer)) == outcome(case.train(whole))


def test_steps_before_fit(tmp_path):
    """Those of partial_fit count too, in schedules and in `every`."""
    case, (X, y) = MOMENTUM, MOMENTUM.samples()

    def begun():
        trainer = case.made()
        trainer.partial_fit(X[:40], y[:40])
        return trainer

    interrupted(case, tmp_path, 9, begun(), every=4, per="step")
    assert outcome(case.train(fb.Trainer.resume(tmp_path))) == outcome(case.train(begun()))


def test_divergence_after_an_interruption(tmp_path):
    """The network then has the parameters of the checkpoint."""
    case = MOMENTUM
    huge = {"loss": "squared_error", "schedule": fb.schedules.MultiStep([10], gamma=1e30, per="step")}
    interrupted(case, tmp_path, 9, case.made(**huge), every=1, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    before = trainer.network.weights
    with pytest.raises(FloatingPointError, match="of epoch 2: the parameters are again those of the checkpoint"):
        case.train(trainer)
    assert same(before, trainer.network.weights)


def test_samples_of_another_call(tmp_path):
    """Within an epoch their number must be what it was; a call that is refused changes nothing."""
    case, (X, y) = MOMENTUM, MOMENTUM.samples()
    interrupted(case, tmp_path, 8, every=4, per="step")
    trainer = fb.Trainer.resume(tmp_path)
    before = outcome(trainer)
    for given in ((X[1:], y[1:]), ([(X, y)],)):
        with pytest.raises(ValueError, match="X must have the 90 samples of the interrupted call, got"):
            trainer.fit(*given, epochs=3)
    with pytest.raises(ValueError, match="72"):
        trainer.fit(X, y, epochs=3, validation_split=0.2)
    assert outcome(trainer) == before
    assert outcome(case.train(trainer)) == uninterrupted("momentum")[0]
