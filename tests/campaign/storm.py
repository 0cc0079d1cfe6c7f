"""KeyboardInterrupt at random instructions of every call that takes a while, from an interval timer.

Whatever instruction it hits, the trainer and the network must fit together afterwards, no lock may stay closed, no file
may be half written, no thread may be left, and from a known state the next training must come to the bits that it comes
to elsewhere. A seed decides which call is interrupted and after which time. At which instruction that is depends on the
machine, so a repetition makes more interrupts.
"""

from __future__ import annotations

import copy
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from campaign import checks, child, draws
from campaign.calls_of import alone
from helpers import same

import fastbp as fb

CASES, INTERRUPTS = 6, 25
"""The number of trainers, and of interrupts of a round."""


class World:
    """A trainer with samples and a directory. `begin` takes it to a known state."""

    def __init__(self, case: int):
        rng = np.random.default_rng(case)
        loss, output = draws.choose(rng, draws.PAIRS)
        self.sizes = [int(size) for size in rng.integers(2, 30, 2 + case % 3)]
        self.made = {
            "activation": draws.choose(rng, draws.ACTIVATIONS),
            "output": output,
            "dropout": draws.choose(rng, (0.0, 0.2)),
            "max_norm": draws.choose(rng, (None, 1.5)),
            "dtype": draws.choose(rng, (np.float32, np.float64)),
        }
        self.settings = {
            "loss": loss,
            "optimizer": fb.LBFGS(memory=3) if case == CASES - 1 else draws.choose(rng, draws.OPTIMIZERS),
            "average": draws.choose(rng, draws.AVERAGES),
            "clip_norm": draws.choose(rng, (None, 0.5)),
            "gradient": draws.choose(rng, ("fused", "stored")),
            "batch_size": 7,
            "n_threads": 1 + (case == 0),
        }
        self.given = draws.samples(rng, 40, self.sizes, loss)
        self.others = draws.SCHEDULES[1], draws.OPTIMIZERS[case % len(draws.OPTIMIZERS)]
        self.trainer = fb.Trainer(self.network(0), **self.settings, seed=0)
        self.random = copy.deepcopy(self.trainer.state.rng.bit_generator.state)

    def network(self, seed: int) -> fb.MLP:
        return fb.MLP(self.sizes, **self.made, seed=seed)

    def begin(self, anew: bool) -> None:
        """Take the trainer to its known state: with a new network, or with the weights of one."""
        net, trainer = self.network(0), self.trainer
        if anew or trainer.network.sizes != net.sizes:
            trainer.network = net
        else:
            trainer.network.set_weights(net.weights, net.biases)
        # An assignment of another kind of optimizer makes the state of the optimizer begin anew.
        trainer.optimizer = fb.Adadelta()
        trainer.average = trainer.schedule = None
        for name, value in self.settings.items():
            setattr(trainer, name, value)
        trainer.history.clear()
        trainer.state.rng.bit_generator.state = self.random
        trainer.state.resumed = False

    def outcome(self) -> str:
        """What a training comes to from the known state."""
        given = self.given
        scores = self.trainer.fit(given.X, given.y, epochs=2, sample_weight=given.weights)
        return checks.digest(self.trainer) + repr(scores["loss"])

    def check(self) -> None:
        """The network computes what another one with its weights does, and after a step, all parts fit together."""
        trainer, given = self.trainer, self.given
        net, state = trainer.network, trainer.state
        assert len({len(column) for column in trainer.history.values()}) <= 1, "the columns of the history differ"
        twin = fb.MLP(self.sizes, **self.made)
        twin.set_weights(net.weights, net.biases)
        calls = [each.gradients(given.X, given.y, loss=trainer.loss) for each in (net, twin)]
        assert same([*calls[0][1], *calls[0][2]], [*calls[1][1], *calls[1][2]]), "the weights are not those it uses"
        assert (net.outputs(given.X) == twin.outputs(given.X)).all()
        step = trainer.fit if trainer.optimizer.searches else trainer.partial_fit
        step(given.X, given.y)
        assert state.parameters is net.parameters, "the state is that of another network"
        assert state.variant == trainer.optimizer.variant, "the state is that of another optimizer"
        assert state.vectors.size == trainer.optimizer.state_count * net.parameters.theta.size
        assert (state.average is None) == (trainer.average is None), "an average is left, or there is none"


def calls(world: World, place: Path) -> dict[str, Callable[[], object]]:
    """What is interrupted."""
    trainer, (X, y, _, w) = world.trainer, world.given
    net, other, twin = trainer.network, world.network(1), fb.MLP(world.sizes, **world.made, seed=2)
    schedule, optimizer = world.others
    searches = world.settings["optimizer"].searches
    halves = [(X[:17], y[:17]), (X[17:], y[17:])]
    checkpoint = fb.Checkpoint(place / "run", per="epoch" if searches else "step", every=1 if searches else 4, keep=2)
    stopping = fb.EarlyStopping("validation_loss", patience=2)
    found = {
        "fit": lambda: trainer.fit(X, y, epochs=2, sample_weight=w),
        "fit with a split": lambda: trainer.fit(X, y, epochs=2, validation_split=0.3, callbacks=[stopping]),
        "fit with checkpoints": lambda: trainer.fit(X, y, epochs=2, callbacks=[checkpoint]),
        "fit with hooks": lambda: trainer.fit(X, y, callbacks=[fb.callbacks.Lambda(batch_end=lambda state: None)]),
        "partial_fit": lambda: trainer.partial_fit(X, y, sample_weight=w),
        "evaluate": lambda: trainer.evaluate(X, y, sample_weight=w),
        "predict": lambda: net.predict(X),
        "gradients": lambda: net.gradients(X, y, loss=trainer.loss, sample_weight=w),
        "set_weights": lambda: net.set_weights(twin.weights, twin.biases),
        "save": lambda: net.save(place / "m"),
        "copy": lambda: copy.deepcopy(trainer),
        "assign an optimizer": lambda: setattr(trainer, "optimizer", optimizer),
        "assign a network": lambda: setattr(trainer, "network", other),
        "assign others": lambda: [setattr(trainer, *each) for each in (("average", fb.EMA()), ("schedule", schedule))],
        "resume": lambda: fb.Trainer.resume(place / "kept"),
        "load": lambda: fb.load(place / "loaded"),
    }
    if not searches:
        found["fit of blocks"] = lambda: trainer.fit(halves, epochs=2, shuffle_buffer=10)
    return found


class Timer:
    """Raises KeyboardInterrupt in a call after a time."""

    def __init__(self):
        self.armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, *_: object) -> None:
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt

    def interrupted(self, call: Callable[[], object], seconds: float) -> bool:
        """Whether the interrupt has come out of the call. Like an interactive Python, this keeps the traceback."""
        try:
            self.armed = True
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
            call()
            self.armed = False
        except KeyboardInterrupt as error:
            sys.last_value = error
            return True
        finally:
            self.armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        return False


wanted: dict[int, str] = {}
"""What a training of each case comes to."""


def prepare() -> None:
    """Make every call of every case, so that no kernel has to be compiled or loaded when an interrupt comes."""
    os.fsync = lambda handle: None
    for case, _ in itertools.product(range(CASES), range(2)):
        world = World(case)
        with tempfile.TemporaryDirectory() as directory:
            for call in _set_up(world, Path(directory)).values():
                call()
        world.trainer.optimizer = world.others[1]
        world.trainer.partial_fit(world.given.X, world.given.y)
        world.begin(True)
        world.check()
        world.begin(False)
        outcome = world.outcome()
        assert wanted.setdefault(case, outcome) == outcome, "the known state is not one"


def _set_up(world: World, place: Path) -> dict[str, Callable[[], object]]:
    """Take a world to its known state, and make the files that calls read. Returns the calls."""
    world.begin(True)
    if not (place / "kept").exists():
        trainer, given = copy.deepcopy(world.trainer), world.given
        trainer.fit(given.X, given.y, callbacks=[fb.Checkpoint(place / "kept")])
        world.trainer.network.save(place / "loaded")
        world.trainer.network.save(place / "m")
    return calls(world, place)


def play(seed: int) -> dict[str, int]:
    """Interrupt one kind of call of one trainer again and again."""
    rng, timer, interrupts = np.random.default_rng(seed), Timer(), 0
    case = int(rng.integers(CASES))
    world, sys.last_value = World(case), None
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        name = str(rng.choice(sorted(_set_up(world, place))))
        start = time.perf_counter()
        _set_up(world, place)[name]()
        duration = time.perf_counter() - start
        for _ in range(INTERRUPTS * (50 if child.repeats else 1)):
            call, mask = _set_up(world, place)[name], _umask()
            interrupts += timer.interrupted(call, float(rng.uniform(0, 1.2 * duration)))
            child.say(alive=interrupts)
            alone()
            assert _umask() == mask, f"{name}: the umask has changed"
            _check_files(place, name)
            world.check()
            sys.last_value = None
            world.begin(bool(rng.integers(2)))
            assert world.outcome() == wanted[case], f"after an interrupt of {name}, a training has other bits"
    return {"interrupts": interrupts}


def _check_files(place: Path, name: str) -> None:
    """A saved network and all checkpoints can be read, and no part of a file is left.

    Of a checkpoint, a part may be left until the next call of fit removes it.
    """
    fb.load(place / "m")
    assert not list(place.glob(".*")), f"{name}: a part of a file is left"
    for path in (place / "run").glob("checkpoint-*"):
        with tempfile.TemporaryDirectory() as directory:
            shutil.copy(path, directory)
            fb.Trainer.resume(directory)
    shutil.rmtree(place / "run", ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
