"""Epochs of training, through `Trainer.fit`."""

import dataclasses

import numpy as np
from cases import CASES

import fastbp as fb
from fastbp.engine import threads


class _Fit:
    """An epoch of a case; compilation and the first epoch are not timed."""

    number, rounds, repeat, warmup_time = 1, 2, (3, 20, 10.0), 0.0

    def prepare(self, case: str, n_threads: int | None = None, **options: object) -> None:
        self.trainer, (self.X, self.y) = CASES[case].trainer(n_threads, **options), CASES[case].data()
        self.trainer.fit(self.X, self.y)

    def fit(self) -> None:
        self.trainer.fit(self.X, self.y)


class Training(_Fit):
    """The cases that compare.py has."""

    params, param_names = list(CASES), ("case",)

    def setup(self, case: str) -> None:
        self.prepare(case)

    def time_epoch(self, case: str) -> None:
        self.fit()


class Scaling(_Fit):
    """From one thread to as many as there are cores."""

    counts = sorted({*(2**k for k in range(10) if 2**k < threads.available()), threads.available()})
    params, param_names = (["S", "M", "L"], counts), ("case", "threads")

    def setup(self, case: str, count: int) -> None:
        self.prepare(case, count)

    def time_epoch(self, case: str, count: int) -> None:
        self.fit()


class Dtypes(_Fit):
    """float32 and float64, of parameters and inputs."""

    params, param_names = (["S", "M"], ["float32", "float64"]), ("case", "dtype")

    def setup(self, case: str, dtype: str) -> None:
        self.prepare(case, dtype=np.dtype(dtype).type)
        self.X = self.X.astype(dtype)

    def time_epoch(self, case: str, dtype: str) -> None:
        self.fit()


OPTIMIZERS = {
    "SGD": fb.SGD(0.01),
    "momentum": fb.SGD(0.01, momentum=0.9),
    "Nesterov": fb.SGD(0.01, momentum=0.9, nesterov=True),
    "Adam": fb.Adam(0.001),
    "AdamW": fb.AdamW(0.001),
    "RMSprop": fb.RMSprop(0.001),
    "Adagrad": fb.Adagrad(0.001),
    "Adadelta": fb.Adadelta(0.1),
}


class Optimizers(_Fit):
    """Every update rule, on the same network."""

    params, param_names = list(OPTIMIZERS), ("optimizer",)

    def setup(self, optimizer: str) -> None:
        self.prepare("M", optimizer=OPTIMIZERS[optimizer])

    def time_epoch(self, optimizer: str) -> None:
        self.fit()


class Sources(_Fit):
    """Samples shuffled all together, in windows, and as blocks."""

    params, param_names = ["array", "windows", "blocks"], ("source",)

    def setup(self, source: str) -> None:
        self.prepare("S")
        self.options = {} if source == "array" else {"shuffle_buffer": 4096}
        cuts = range(0, len(self.X), 1000)
        self.samples = (self.X, self.y)
        if source == "blocks":
            self.samples = ([(self.X[i : i + 1000], self.y[i : i + 1000]) for i in cuts],)

    def time_epoch(self, source: str) -> None:
        self.trainer.fit(*self.samples, **self.options)


class Ensembles:
    """Networks trained at once, one a core: as many as there are cores, and twice as many."""

    number, rounds, repeat, warmup_time = 1, 2, (3, 20, 10.0), 0.0
    params, param_names = [threads.available(), 2 * threads.available()], ("networks",)

    def setup(self, count: int) -> None:
        self.X, self.y = CASES["S"].data()
        self.ensemble = fb.Ensemble([CASES["S"].trainer() for _ in range(count)])
        self.ensemble.fit(self.X, self.y)

    def time_epoch(self, count: int) -> None:
        self.ensemble.fit(self.X, self.y)


class Inputs(_Fit):
    """Raw pixels, float32 and float64, read where they lie."""

    params, param_names = ["uint8", "float32", "float64"], ("dtype",)

    def setup(self, dtype: str) -> None:
        case = dataclasses.replace(CASES["S"], scale=1 / 255)
        self.trainer, (X, self.y) = case.trainer(), case.data()
        self.X = (255 * X).astype(dtype)
        self.fit()

    def time_epoch(self, dtype: str) -> None:
        self.fit()
