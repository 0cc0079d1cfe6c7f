"""The engine room: memory for a network's minibatches, and the compiled loop over them.

A `Job` owns the vectors that the kernels work in and the JOB record that tells them where everything lies. Network
and trainer fill in what they want done and call `run`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from . import threads
from .checks import Inputs, Targets
from .kernels import compiled
from .kernels.activations import IDENTITY, SOFTMAX, row_of
from .kernels.job import APPLY, EVALUATE, FUSED, JOB, LAYER, NORM_CHUNK, PREDICT, STORE, TRAIN
from .kernels.losses import room
from .kernels.panels import aligned, lanes_of, round_up
from .kernels.rules import HYPERPARAMETERS
from .kernels.simd import M, N

PART = {PREDICT: 256, EVALUATE: 256, TRAIN: 1024}
"""Most rows a part: beyond, activations leave the cache."""

PART_WORK = 1.6e10
"""Most operations a part, 0.15 s on one fast core: a call cannot end within one. A smaller bound would part minibatches
of large networks, whose gradient then goes through memory."""

CALL_SECONDS = 0.05
"""What a call into compiled code should last: Ctrl-C, progress and other Python threads wait for its end. It costs
some microseconds."""

MOST_STEPS = 1 << 15
"""Most steps a call, for which the hyperparameters are laid down before it."""

MOST_THREADS = 1024
"""More shares of a part than this are only loops that do nothing."""

SHARED_WORK = 3e6
"""Operations in a part that are worth another thread: a fork-join and the lines that cores exchange cost about what
one core does in 10 microseconds."""


class Layout:
    """Where the parameters of a network lie in theta, and their transposes in the copy for `backward`."""

    def __init__(self, sizes: list[int], dtype: np.dtype):
        self.sizes, self.dtype = sizes, dtype
        L = self.lanes = lanes_of(dtype)
        self.W, self.T, self.size = [], [-1], 0
        self.zeros, self.transposed_size = 0, N * L
        for n_in, n_out in pairwise(sizes):
            self.W.append(self.size)
            self.size += round_up(n_in, L) * round_up(n_out, L) + round_up(n_out, L)
        for n_in, n_out in pairwise(sizes[1:]):
            self.T.append(self.transposed_size)
            self.transposed_size += round_up(n_in, L) * round_up(n_out, L)

    def matrix(self, l: int) -> slice:
        """W^l in theta."""
        return slice(
            self.W[l], self.W[l] + round_up(self.sizes[l], self.lanes) * round_up(self.sizes[l + 1], self.lanes)
        )

    def bias(self, l: int) -> slice:
        """b^l in theta, without its padding."""
        start = self.matrix(l).stop
        return slice(start, start + self.sizes[l + 1])

    @property
    def weights(self) -> int:
        """The number of weights, padding included: what the kernels really multiply."""
        return sum(round_up(n, self.lanes) * m for n, m in pairwise(self.sizes))


class Model(NamedTuple):
    """A network as the kernels know it."""

    layout: Layout
    theta: np.ndarray
    shift: np.ndarray
    scale: np.ndarray
    """Of the inputs, padded to whole lines."""
    neurons: list[tuple[int, float]]
    """Of each layer, the code of sigma and its parameter."""
    dropout: tuple[float, ...]
    """Of a^0 to a^{L-1}, the share that is dropped in training."""
    noise: float
    """The deviation of the noise that training adds to the inputs."""


NO_SHAPING = {"l1": 0.0, "l2": 0.0, "clip_value": math.inf, "clip_norm": 0.0, "max_norm": 0.0}
"""Of the gradient and the weights: none."""


class DivergedError(ArithmeticError):
    """The loss of a part is not finite."""

    def __init__(self, part: int):
        super().__init__(part)
        self.part = part


def _lay_out(model: Model, mode: int, stride: int) -> tuple[np.ndarray, list[tuple | None], int, int]:
    """The LAYER records, the kernel that each layer's activation asks for, and the sizes of A and D."""
    layout, sizes = model.layout, model.layout.sizes
    widths = [-(-n // layout.lanes) * stride for n in sizes]
    layers, kernels = aligned(len(sizes) - 1, LAYER), []
    a, d, slope, last = 0, widths[-1], sum(widths), len(layers) - 1
    for l, (code, parameter) in enumerate(model.neurons):
        # The loss has the last activation in its hands, but for predictions.
        rate = model.dropout[l + 1] if l < last else 0.0
        kept = mode == TRAIN and l < last and (rate > 0 or (code != SOFTMAX and row_of(code).of_z))
        idle = (l == last and mode != PREDICT) or (code == IDENTITY and not rate)
        kernels.append(None if idle else (code, kept, rate > 0))
        z = a + widths[l]
        layers[l] = sizes[l], sizes[l + 1], layout.W[l], layout.T[l], a, z, d, 0, parameter, slope, rate
        a, d, slope = z, d + widths[l + 1], slope + kept * widths[l + 1]
    return layers, kernels, slope, d


WORDS = {name: JOB.fields[name][1] // 8 for name in JOB.names}
"""Where a field lies in a JOB record, in words of 8 bytes."""


def address(array: np.ndarray) -> int:
    """Of an array's first number; `array.ctypes.data` takes three times as long."""
    return array.__array_interface__["data"][0]


class Job:
    """Memory and settings for one kind of work on a network: PREDICT, EVALUATE or TRAIN.

    Parameters
    ----------
    model : the network.
    mode : what to do with a minibatch.
    batch : samples a minibatch.
    loss : its name and parameter; None to predict.
    rule, state : the update rule's name, and its state vectors, one after another, each like theta.
    hyper : the rule's hyperparameters at an array of steps, which count from 1.
    stored : FUSED, STORE or APPLY (kernels/job.py): what becomes of the gradient.
    shaping : of the gradient and the weights: l1, l2, clip_value, clip_norm, max_norm.
    average, average_rate : a vector like theta that moves towards it by this share at every step.
    seed : of dropout and noise; None for none of them.
    n_threads : None for as many as the work is worth.
    """

    def __init__(
        self,
        model: Model,
        mode: int,
        batch: int,
        *,
        loss: tuple[str, float] | None = None,
        rule: str = "sgd",
        state: np.ndarray | None = None,
        hyper: Callable[[np.ndarray], tuple] | None = None,
        stored: int = FUSED,
        shaping: Mapping[str, float] = NO_SHAPING,
        average: np.ndarray | None = None,
        average_rate: float = 0.0,
        seed: int | None = None,
        n_threads: int | None = None,
    ):
        if shaping["clip_norm"] and stored != STORE:
            stored = APPLY  # the norm is that of all of the gradient
        if seed is None:
            model = model._replace(dropout=(0.0,) * len(model.dropout), noise=0.0)
        layout, theta, shift, scale, neurons, dropout, noise = model
        dtype, L, sizes = layout.dtype, layout.lanes, layout.sizes
        part = min(batch, PART[mode], max(M, int(PART_WORK / (6 * layout.weights)) // M * M))
        parts = -(-batch // part)
        stride = (part | 1) * L  # an odd number of lines: a power of two would put every panel into the same cache sets
        layers, self._neurons, a_size, d_size = _lay_out(model, mode, stride)
        self._output = neurons[-1][0]
        outputs = round_up(sizes[-1], L)
        self.most_threads = min(n_threads or threads.available(), MOST_THREADS)
        self.vectors = {
            "theta": theta,
            "shift": shift,
            "scale": scale,
            "y_shift": aligned(outputs, dtype),
            "y_scale": aligned(outputs, dtype),
            "A": aligned(a_size, dtype),
            "D": aligned(0 if mode == PREDICT else d_size, dtype),
            "gradient": aligned(theta.size if stored or parts > 1 else 0, dtype),
            "state": aligned(0, dtype) if state is None else state,
            "transposed": aligned(layout.transposed_size if mode == TRAIN else 0, dtype),
            "norms": aligned(-(-theta.size // NORM_CHUNK) if shaping["clip_norm"] else 0, np.float64),
            "average": aligned(0, dtype) if average is None else average,
            "hyper": aligned(MOST_STEPS * HYPERPARAMETERS if hyper else 0, dtype),
            "layers": layers,
            "costs": aligned(part, np.float64),
            "hits": aligned(part, np.float64),
            "row_weights": aligned(0 if mode == PREDICT else part, np.float64),
            "columns": aligned(self.most_threads * room(L, sizes[-1]), dtype),
        }
        self.vectors["y_scale"][:] = 1
        self.layout, self.loss, self.rule, self.n_threads = layout, loss, rule, n_threads
        self._work_a_row = layout.weights * (6 if mode == TRAIN else 2)
        self.part, self.parts = part, parts
        self.hyper, self.step = hyper, 0
        # Products of inputs that need no conversion read them where they lie; the gradient wants panels.
        self._plain = mode != TRAIN and not shift.any() and bool((scale[: sizes[0]] == 1).all())
        self._inputs: tuple = ()
        self._parts_a_call, self._compiled = 0.0, {}
        self._memory = np.zeros(1, JOB)
        self.record, self._words = self._memory[0], self._memory.view(np.int64)
        self._address = address(self._memory)
        self.set(
            n_in=sizes[0],
            n_out=sizes[-1],
            seed=seed or 0,
            batch=batch,
            part=part,
            parts=parts,
            mode=mode,
            stored=stored,
        )
        self.record["dropout"], self.record["noise"] = dropout[0], noise
        self.record["loss_parameter"] = loss[1] if loss else 0.0
        for name, value in {**shaping, "average_rate": average_rate}.items():
            self.record[name] = value
        self._shaped = any(value for name, value in shaping.items() if name != "max_norm" and value != math.inf)
        self.set(depth=len(layers), stride=stride, zeros=layout.zeros, targets=0, room=room(L, sizes[-1]))
        for name, vector in self.vectors.items():
            self.set(**{name: address(vector) if vector.size else 0})
            if name + "_size" in JOB.names:
                self.set(**{name + "_size": vector.size})

    def set(self, **fields: int) -> None:
        """Set fields of the JOB record."""
        for name, value in fields.items():
            self._words[WORDS[name]] = value  # a third of what an assignment to a field of the record takes

    def reading(
        self,
        X: Inputs,
        y: Targets | None = None,
        order: np.ndarray | None = None,
        weights: np.ndarray | None = None,
    ) -> Job:
        """Work on these samples, in a with statement; weights are float64. An order may be another than that of
        storage, and leave samples out.

        At its end they are let go: the record must not keep addresses of memory that others may free, nor the job keep
        it alive.
        """
        self._inputs = X, y, order, weights
        held = len(X.array)
        self.set(n=held if order is None else order.size, held=held, X=address(X.array), X_kind=X.kind, order_size=0)
        self.set(direct=self._plain and order is None and X.array.dtype == self.layout.dtype)
        if y is not None:
            self.set(y=address(y.array), y_kind=y.kind, labels=y.labels, by_output=y.by_output)
        if order is not None:
            self.set(order=address(order), order_size=order.size)
        if weights is not None:
            self.set(weights=address(weights))
        return self

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._inputs = ()
        self.set(n=0, held=0, X=0, y=0, order=0, weights=0)

    def transpose(self) -> None:
        """Bring the transposed weights up to date with theta, which the kernels do by themselves from then on."""
        layout, L = self.layout, self.layout.lanes
        for l, start in enumerate(layout.T):
            if start < 0:
                continue
            n_in, n_out = layout.sizes[l : l + 2]
            rows, columns = round_up(n_in, L), round_up(n_out, L)
            W = self.vectors["theta"][layout.matrix(l)].reshape(columns // L, rows // L, L, L)
            T = self.vectors["transposed"][start : start + rows * columns].reshape(rows // L, columns // L, L, L)
            T[...] = W.transpose(1, 0, 3, 2)

    def _foresee(self, first: int, last: int) -> None:
        """Lay down the hyperparameters of minibatches [first, last)."""
        rows = self.vectors["hyper"].reshape(-1, HYPERPARAMETERS)[: last - first]
        for column, values in enumerate(self.hyper(np.arange(self.step + first + 1, self.step + last + 1))):
            rows[:, column] = values
        self.set(hyper_first=first)

    @property
    def sums(self) -> tuple[float, float, float]:
        """C, hits and weights of the samples seen since this was last set; set to carry on with others."""
        return float(self.record["cost"]), float(self.record["hit"]), float(self.record["seen"])

    @sums.setter
    def sums(self, values: tuple[float, float, float]) -> None:
        self.record["cost"], self.record["hit"], self.record["seen"] = values

    def scores(self, classes: bool) -> dict[str, float]:
        """The mean loss over the samples since `sums` was set, and of classes the accuracy; of weighted samples."""
        cost, hit, seen = self.sums
        scores = {"loss": cost / (seen or 1.0)}
        if classes:
            scores["accuracy"] = hit / (seen or 1.0)
        return scores

    @property
    def threads(self) -> int:
        """How many threads share a part."""
        if not threads.allowed():
            return 1
        if self.n_threads is not None:
            return self.most_threads
        rows = min(self.part, int(self._words[WORDS["n"]]))
        worth = min(int(rows * self._work_a_row / SHARED_WORK), -(-rows // M))
        return min(threads.available(), self.most_threads, worth) if worth > 1 else 1

    def run(self, first: int = 0, last: int | None = None) -> Iterator[int]:
        """Work through the parts [first, last), by default all, and yield how far it has come after each call.

        Part 0 belongs to step `step` + 1 of the update rule. `sums` go on.

        Raises
        ------
        DivergedError
            At a loss that is not finite. The parameters have not seen that part.
        """
        if last is None:
            last = self.parts * -(-int(self.record["n"]) // int(self.record["batch"]))
        count = self.threads
        kernels = self._kernels(count)
        self.set(threads=count, step=self.step)
        while first < last:
            stop = min(last, first + max(1, int(self._parts_a_call)))
            if self.hyper:
                stop = min(stop, (first // self.parts + MOST_STEPS) * self.parts)
                self._foresee(first // self.parts, -(-stop // self.parts))
            start = time.perf_counter()
            self._call(kernels, first, stop, count)
            pace = (stop - first) / max(time.perf_counter() - start, 1e-9)
            # Growth is bounded: the first call, of one part, includes what a cold cache costs.
            self._parts_a_call = min(max(8 * self._parts_a_call, 8), pace * CALL_SECONDS)
            first = stop
            yield first

    def _kernels(self, count: int) -> tuple:
        """The compiled loop and phases for a number of threads."""
        key = count > 1
        if key not in self._compiled:
            if key:
                threads.start()  # before the loop is compiled or loaded, which would start them with other spins
            dtype, training = self.layout.dtype, self.record["mode"] == TRAIN
            for layer, neuron in zip(self.vectors["layers"], self._neurons, strict=True):
                layer["neuron"] = compiled.neuron(dtype, *neuron) if neuron else 0
            if self.record["dropout"] or self.record["noise"]:
                self.set(disturb=compiled.disturb(dtype))
            judge = 0 if self.loss is None else compiled.judge(dtype, self.loss[0], self._output)
            descend = compiled.descend(dtype, self.rule, self._shaped) if training else 0
            if self._words[WORDS["average"]] or self.record["max_norm"] or self.record["clip_norm"]:
                self.set(adjust=compiled.adjust(dtype))
            self._compiled[key] = compiled.loop(key), compiled.propagate(dtype), judge, descend
        return self._compiled[key]

    def _call(self, kernels: tuple, first: int, last: int, count: int) -> None:
        """Have the compiled loop work through the parts [first, last)."""
        loop, *phases = kernels
        if count == 1:
            done = loop(*phases, self._address, first, last, 1)
        else:
            with threads.team(count):
                done = loop(*phases, self._address, first, last, count)
        if done < last:
            raise DivergedError(done)

    def finish(self) -> None:
        """Run all parts, with new `sums`."""
        self.set(cost=0, hit=0, seen=0)
        if int(self._words[WORDS["n"]]) > self.part:
            for _ in self.run():
                pass
            return
        # One part; `run` and its clock would be a third of what a row takes.
        count = self.threads
        self.set(threads=count)
        self._call(self._kernels(count), 0, 1, count)
