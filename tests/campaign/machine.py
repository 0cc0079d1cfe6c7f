"""Sequences of calls that hypothesis invents: a trainer goes through them together with twins.

In float64, `twin.py` computes what each call must come to. In both dtypes, copies of the trainer make the same calls
with another number of threads, in a forked process, from a file or from a checkpoint, and must get the same bits.
"""

from __future__ import annotations

import contextlib
import copy
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
from campaign import calls_of, checks, child, draws
from campaign.strategies import CHANGES, IN_CALLBACK, NETWORKS, SEEDS, SETTINGS
from campaign.twin import Twin
from helpers import in_child, parameters, same
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from interrupted import InterruptedFit, names

import fastbp as fb

SEQUENCES, CALLS = 20, 8
"""The number of sequences of a round, and the largest number of calls of a sequence."""
done = {"sequences": 0}


class Machine(RuleBasedStateMachine):
    """A trainer that goes from call to call."""

    @initialize(
        dtype=st.sampled_from(("float32", "float64", "float64")),
        seed=SEEDS,
        network=st.fixed_dictionaries(NETWORKS),
        settings=st.fixed_dictionaries({name: st.sampled_from(values) for name, values in SETTINGS.items()}),
    )
    def begin(self, dtype: str, seed: int, network: dict, settings: dict) -> None:
        done["sequences"] += 1
        self.dtype, self.pair = dtype, network["pair"]
        self.trainer = fb.Trainer(self._network(network), loss=self.pair[0], seed=seed % 1000, **settings)

    def _network(self, drawn: dict) -> fb.MLP:
        sizes = [drawn["n_in"], *drawn["hidden"], drawn["n_out"]]
        sizes[-1] = max(sizes[-1], draws.least_outputs(*self.pair))
        rng = np.random.default_rng(drawn["seed"])
        net = fb.MLP(
            sizes, activation=drawn["activation"], output=self.pair[1], dropout=drawn["dropout"], dtype=self.dtype,
            max_norm=drawn["max_norm"], scale=rng.uniform(0.5, 1.0, sizes[0]), shift=0.1, seed=drawn["seed"],
        )  # fmt: skip
        net.set_weights(net.weights, [rng.uniform(-0.5, 0.5, b.shape) for b in net.biases])
        return net

    def _few(self, n: int) -> int:
        """A number of samples that takes few steps: each step amplifies the rounding of those before."""
        return min(n, 12 * self.trainer.batch_size)

    def _samples(self, seed: int, n: int, kind: str = "f8") -> draws.Samples:
        sizes = list(self.trainer.network.sizes)
        return draws.samples(np.random.default_rng(seed), n, sizes, self.pair[0], kind, below=4)

    @contextlib.contextmanager
    def _unchanged(self) -> Iterator[None]:
        before = checks.bits(self.trainer)
        yield
        assert checks.bits(self.trainer) == before, "a call that only reads has changed the trainer"

    def _copies(self, call: Callable[[fb.Trainer], object]) -> None:
        """A copy with other threads, and with the gradient in memory or not, comes to the same bits."""
        other = copy.deepcopy(self.trainer)
        other.n_threads = 3 - (other.n_threads or 1)
        other.gradient = "stored" if other.gradient == "fused" else "fused"
        results = [self._outcome(call, trainer) for trainer in (self.trainer, other)]
        assert results[0] == results[1], "the copy has another result"
        assert checks.bits(self.trainer) == checks.bits(other)

    def _outcome(self, call: Callable[[fb.Trainer], object], trainer: fb.Trainer) -> object:
        try:
            return repr(call(trainer))
        except FloatingPointError as error:
            return repr(error)

    def _settled(self) -> None:
        """Weights that have grown would amplify rounding: begin with small ones again."""
        if max(abs(array).max() for array in parameters(self.trainer)) > 20:
            net = self.trainer.network
            net.set_weights([W / 20 / abs(W).max() for W in net.weights], [np.zeros_like(b) for b in net.biases])
            self.trainer.optimizer, before = fb.Adadelta(), self.trainer.optimizer
            self.trainer.optimizer = before

    # --- training -----------------------------------------------------------------------------------------------------

    @rule(
        seed=SEEDS, n=st.integers(1, 70), epochs=st.integers(0, 2), kind=st.sampled_from(draws.KINDS),
        buffer=st.sampled_from((None, None, 1, 10, 25)), blocks=st.booleans(), validated=st.booleans(),
        changes=st.lists(st.tuples(st.integers(1, 8), IN_CALLBACK), max_size=2), end=st.integers(1, 30),
        how=st.sampled_from(("", "", "stop", "interrupt")),
    )  # fmt: skip
    def fit(self, seed, n, epochs, kind, buffer, blocks, validated, changes, end, how):
        """Whole epochs, with callbacks that change settings and that stop or interrupt the call."""
        given = self._samples(seed, self._few(n), kind)
        searches = self.trainer.optimizer.searches
        plan = calls_of.Fit(
            given, epochs, buffer, blocks and not searches, validated, [] if searches else changes, end, how, seed
        )
        twin = Twin(self.trainer)
        self._copies(plan.call)
        if checks.comparable(self.trainer, plan.optimizers(twin)):
            checks.fitted(self.trainer, twin, plan)
        self._settled()

    @rule(seed=SEEDS, n=st.integers(1, 40))
    def partial_fit(self, seed, n):
        given, twin = self._samples(seed, self._few(n)), Twin(self.trainer)
        scores = []
        options, listed = {"sample_weight": given.weights}, copy.deepcopy(self.trainer)
        self._copies(lambda trainer: scores.append(trainer.partial_fit(given.X, given.y, **options)))
        if checks.takes_sparse(self.trainer.network):
            self._outcome(lambda trainer: trainer.partial_fit(checks.as_sparse(given.X), given.y, **options), listed)
            assert checks.bits(self.trainer) == checks.bits(listed), "the sparse matrix has another result"
        if scores and checks.comparable(self.trainer, [self.trainer.optimizer]):
            checks.partial(self.trainer, twin, given, scores[0])
        self._settled()

    @rule(seed=SEEDS, n=st.integers(1, 40), optimizer=st.sampled_from(draws.OPTIMIZERS))
    def step(self, seed, n, optimizer):
        """One step from a known gradient, also in float32."""
        self.trainer.batch_size, self.trainer.optimizer = n, optimizer
        given, net, twin = self._samples(seed, n), self.trainer.network, Twin(self.trainer)
        if any(net.architecture.dropout):
            return
        options = {"sample_weight": given.weights}
        g = net.gradients(given.X, given.y, loss=self.trainer.loss, **options)
        self._copies(lambda trainer: trainer.partial_fit(given.X, given.y, **options))
        checks.stepped(self.trainer, twin, g)
        self._settled()

    @rule(change=CHANGES)
    def assign(self, change):
        twin = Twin(self.trainer)
        twin.assign(*change)
        setattr(self.trainer, *change)
        checks.state(self.trainer, twin, 0.0 if self.dtype == "float64" else 1e-7)

    @rule(network=st.fixed_dictionaries(NETWORKS))
    def another_network(self, network):
        """The state starts anew, and the history continues."""
        network["n_out"], history = self.trainer.network.sizes[-1], copy.deepcopy(self.trainer.history)
        self.trainer.network = self._network(network)
        assert self.trainer.state.step == 0
        assert self.trainer.history == history
        assert self.trainer.network.threshold == self.trainer.settings.resolved_loss.threshold
        fresh = fb.Trainer(copy.deepcopy(self.trainer.network), loss="squared_error", optimizer=self.trainer.optimizer)
        assert (self.trainer.state.vectors == fresh.state.vectors).all()

    @rule(seed=SEEDS)
    def set_weights(self, seed):
        rng, net = np.random.default_rng(seed), self.trainer.network
        weights = [(rng.normal(size=W.shape) / np.sqrt(len(W))).astype(net.dtype) for W in net.weights]
        net.set_weights(weights, [0.1 * b for b in net.biases])
        assert same(net.weights, weights)

    # --- reading ------------------------------------------------------------------------------------------------------

    @rule(seed=SEEDS, n=st.integers(1, 70), kind=st.sampled_from(draws.KINDS))
    def read(self, seed, n, kind):
        """Predictions, scores and gradients are those of the twin, whatever the number of threads."""
        given, net, trainer, twin = self._samples(seed, n, kind), self.trainer.network, self.trainer, Twin(self.trainer)
        with self._unchanged():
            a = net.outputs(given.X, n_threads=1)
            assert (a == net.outputs(given.X, n_threads=2)).all()
            assert (a[-1:] == net.outputs(given.X[-1:])).all()
            assert (net.predict(given.X) == (a[:, 0] if net.flat else a)).all()
            if checks.takes_sparse(net):
                assert (a == net.outputs(checks.as_sparse(given.X))).all()
            scores = trainer.evaluate(given.X, given.y, sample_weight=given.weights)
            options = {"loss": trainer.loss, "sample_weight": given.weights}
            found, other = (net.gradients(given.X, given.y, **options, n_threads=k) for k in (1, 2))
        assert found[0] == other[0]
        assert same([*found[1], *found[2]], [*other[1], *other[2]])
        checks.read(trainer, twin, given, a, scores, found)

    @rule(seed=SEEDS, which=SEEDS)
    def dropped(self, seed, which):
        """One sample with dropout: the gradient shows which units are dropped, and is that without them."""
        given, net = self._samples(seed, 1), self.trainer.network
        with self._unchanged():
            found = net.gradients(given.X, given.y, loss=self.trainer.loss, seed=which)
        checks.dropped(self.trainer, Twin(self.trainer), given, found)

    @rule(seed=SEEDS, n=st.integers(1, 30), way=st.sampled_from(("copy", "deepcopy", "pickle", "fork")))
    def copies(self, seed, n, way):
        """A copy, in this process or in another one, has all of the trainer and shares nothing with it."""
        given = self._samples(seed, n)
        train = lambda trainer: calls_of.trained(trainer, given)  # noqa: E731
        if way == "fork" and hasattr(os, "fork"):
            found = in_child(lambda: train(self.trainer))
        else:
            with self._unchanged():
                ways = {"copy": copy.copy, "pickle": lambda trainer: pickle.loads(pickle.dumps(trainer))}
                found = train(ways.get(way, copy.deepcopy)(self.trainer))
        assert found == train(self.trainer), f"what a {way} comes to differs"
        self._settled()

    @rule(seed=SEEDS, n=st.integers(1, 30))
    def file(self, seed, n):
        """A network that is saved and loaded predicts the same."""
        X, net = self._samples(seed, n).X, self.trainer.network
        with tempfile.TemporaryDirectory() as directory, self._unchanged():
            path = Path(directory) / "m"
            net.save(path)
            twin = fb.load(path)
            assert names(Path(directory)) == ["m"]
        assert twin.architecture == net.architecture
        assert same(parameters(twin), parameters(net))
        assert (twin.predict(X) == net.predict(X)).all()

    @rule(
        seed=SEEDS, n=st.integers(1, 50), epochs=st.integers(1, 3), cut=st.integers(1, 12), every=st.integers(1, 3),
        per=st.sampled_from(("step", "epoch")),
    )  # fmt: skip
    def resume(self, seed, n, epochs, cut, every, per):
        """A call of fit that is cut and resumed comes to the same bits as one that is not."""
        given, step, whole = self._samples(seed, n), self.trainer.state.step + cut, copy.deepcopy(self.trainer)
        fit = lambda trainer, *callbacks: calls_of.trained(trainer, given, epochs, *callbacks)  # noqa: E731
        wanted = fit(whole)
        with tempfile.TemporaryDirectory() as directory:
            checkpoint = fb.Checkpoint(directory, every=every, per=per)
            begun = copy.deepcopy(self.trainer)
            with contextlib.suppress(InterruptedFit):
                fit(begun, calls_of.Cut(step), checkpoint)
            if names(Path(directory)):
                self.trainer = fb.Trainer.resume(directory)
            assert fit(self.trainer, checkpoint) == wanted
            assert not list(Path(directory).glob(".*"))
        self._settled()

    def teardown(self):
        child.say(alive=done["sequences"])


def prepare() -> None:
    """Files need not reach the disk here, as the machine goes on."""
    os.fsync = lambda handle: None


def play(seed: int) -> dict[str, int]:
    """Let hypothesis invent sequences from a seed."""
    before = dict(done)
    phases = [hypothesis.Phase.generate, *[hypothesis.Phase.shrink] * child.repeats]
    options = hypothesis.settings(
        max_examples=SEQUENCES, stateful_step_count=CALLS, database=None, deadline=None, derandomize=False,
        phases=phases, report_multiple_bugs=False, suppress_health_check=list(hypothesis.HealthCheck), print_blob=False,
    )  # fmt: skip
    hypothesis.seed(seed)(Machine)
    run_state_machine_as_test(Machine, settings=options)
    return {name: done[name] - before[name] for name in done}
