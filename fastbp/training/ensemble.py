"""This module holds `Ensemble`: several networks that are trained at the same time, and whose outputs are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..callbacks import Callback, Lambda, State
from ..engine import threads
from ..history import History
from ..metrics import classes
from .hooks import Hooks
from .trainer import Trainer


class Ensemble:
    """`Ensemble` trains several networks at the same time, one on each core, and averages their outputs.

    Parameters
    ----------
    trainers : sequence of Trainer
        At least one trainer. Each must have a network of its own. All networks must have the same number of inputs, the
        same number of outputs, and the same `threshold`. In everything else they may differ; they should differ at
        least in their seeds.

    Attributes
    ----------
    trainers : list of Trainer
        The trainers.

    Raises
    ------
    ValueError
        If there is no trainer, if two trainers share a network, or if the networks do not fit together.
    TypeError
        If `trainers` is not a sequence of trainers.

    Notes
    -----
    Each network is trained by one thread. It ends with exactly the same bits as if it were trained alone.

    Source: Hansen and Salamon (1990).

    Examples
    --------
    >>> import fastbp as fb
    >>> import numpy as np
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([0, 1, 1, 0])
    >>> nets = [fb.MLP([2, 8, 2], activation="tanh", output="softmax", seed=seed) for seed in range(3)]
    >>> options = {"loss": "cross_entropy", "optimizer": fb.SGD(0.5, momentum=0.9), "batch_size": 4}
    >>> ensemble = fb.Ensemble([fb.Trainer(net, seed=seed, **options) for seed, net in enumerate(nets)])
    >>> histories = ensemble.fit(X, y, epochs=200)
    >>> ensemble.predict_classes(X)
    array([0, 1, 1, 0])
    """

    def __init__(self, trainers: Sequence[Trainer]):
        if not isinstance(trainers, Sequence) or not all(isinstance(trainer, Trainer) for trainer in trainers):
            raise TypeError(f"trainers must be a sequence of Trainer, got {trainers!r}")
        ends = {(t.network.sizes[0], t.network.sizes[-1]) for t in trainers}
        if len(ends) != 1:
            raise ValueError(
                f"trainers must be some, of networks with the same inputs and outputs; got {ends or 'none'}"
            )
        if len({trainer.network.threshold for trainer in trainers}) > 1:
            raise ValueError("trainers must have losses that decide alike; hinge losses decide at 0, the others at 1/2")
        if len({id(trainer.network) for trainer in trainers}) < len(trainers):
            raise ValueError("trainers must have a network each, and two have the same")
        self.trainers = list(trainers)

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        epochs: int = 1,
        sample_weight: np.ndarray | None = None,
        class_weight: dict[int, float] | str | None = None,
        validation_data: tuple[np.ndarray, ...] | None = None,
        validation_split: float = 0.0,
        callbacks: Callable[[int], Iterable[Callback]] | None = None,
        progress: bool | None = None,
    ) -> list[History]:
        """Train all networks on the same samples, as many at the same time as there are cores.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            The inputs, as for `Trainer.fit`.
        y : array of shape (n,) or (n, n_out)
            The targets, as for `Trainer.fit`.
        epochs : int, keyword-only, default 1
            The number of epochs, at least 0.
        sample_weight : array of shape (n,) or None, keyword-only, default None
            The weight of each sample, as for `Trainer.fit`.
        class_weight : dict of int to float, "balanced" or None, keyword-only, default None
            The weight of each class, as for `Trainer.fit`.
        validation_data : tuple (X, y) or (X, y, sample_weight), or None, keyword-only, default None
            Samples that each trainer evaluates after each epoch, as for `Trainer.fit`.
        validation_split : float, keyword-only, default 0.0
            The share of the samples that each trainer holds out for validation, as for `Trainer.fit`. Trainers with
            different seeds hold different samples out.
        callbacks : function or None, keyword-only, default None
            A function that takes the number k = 0, 1, ... of a trainer, and returns the callbacks for this trainer.
            Each trainer needs callbacks of its own, because all trainers run at the same time. With None there are no
            callbacks.
        progress : bool or None, keyword-only, default None
            Whether to show a progress bar for the first trainer. With None, there is one if standard error is a
            terminal.

        Returns
        -------
        list of History
            The history of each trainer.

        Raises
        ------
        ValueError, TypeError, FloatingPointError, KeyboardInterrupt
            As for `Trainer.fit`. If one trainer raises an error, the others stop too, and the error comes when all have
            stopped.

        Examples
        --------
        >>> import fastbp as fb
        >>> nets = [fb.MLP([2, 3], output="softmax", seed=seed) for seed in range(2)]
        >>> ensemble = fb.Ensemble([fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets])
        >>> [history.epochs for history in ensemble.fit([[0, 1.0], [1, 0]], [0, 1], epochs=3)]
        [3, 3]
        """
        if callbacks is not None and not callable(callbacks):
            raise TypeError(f"callbacks must be a function of the number of a trainer, got {callbacks!r}")
        options = {"epochs": epochs, "sample_weight": sample_weight, "class_weight": class_weight}
        options |= {"validation_data": validation_data, "validation_split": validation_split}
        ended: list[bool] = []

        def stop_if_ended(state: State) -> None:
            state.stop = state.stop or bool(ended)

        def train(k: int) -> History:
            # This callback stops a trainer when another one has ended in an error. With every=None it runs only when
            # the compiled code returns to Python anyway, so it costs no time.
            watch = Lambda(train_begin=stop_if_ended, batch_end=stop_if_ended, epoch_end=stop_if_ended, every=None)
            trainer, wanted = self.trainers[k], self.trainers[k].n_threads
            trainer.n_threads = 1
            try:
                own = [] if callbacks is None else Hooks(callbacks(k), False).all
                shown = progress if k == 0 else False
                return trainer.fit(X, y, callbacks=[*own, watch], progress=shown, **options)
            except BaseException:
                ended.append(True)
                raise
            finally:
                trainer.n_threads = wanted

        count = len(self.trainers)
        with ThreadPoolExecutor(min(count, threads.available())) as pool:
            try:
                return list(pool.map(train, range(count)))
            except BaseException:
                ended.append(True)
                raise

    def predict(self, X: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the mean of the outputs a^L over all networks, for each sample.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            The inputs, as for `MLP.predict`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `MLP.predict`.

        Returns
        -------
        array of shape (n, n_out), or (n,) as for `MLP.predict`
            The mean outputs: float64 if a network has this dtype, else float32.

        Raises
        ------
        ValueError, TypeError
            As for `MLP.predict`.

        Examples
        --------
        >>> import fastbp as fb
        >>> nets = [fb.MLP([2, 3], output="softmax", seed=seed) for seed in range(2)]
        >>> ensemble = fb.Ensemble([fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets])
        >>> ensemble.predict([[0, 1.0]]).shape
        (1, 3)
        """
        a = self._outputs(X, n_threads)
        return a[:, 0] if self.trainers[0].network.flat else a

    def _outputs(self, X: np.ndarray, n_threads: int | None) -> np.ndarray:
        """Return the mean outputs as rows."""
        networks = [trainer.network for trainer in self.trainers]
        first = networks[0].outputs(X, n_threads=n_threads)
        total = first.astype(np.result_type(*(network.dtype for network in networks)), copy=False)
        for network in networks[1:]:
            total += network.outputs(X, n_threads=n_threads)
        total /= len(networks)
        return total

    def predict_classes(self, X: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
        """Compute the class of each sample from the mean outputs of all networks.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, n_in)
            The inputs, as for `MLP.predict`.
        n_threads : int or None, keyword-only, default None
            The number of threads, as for `MLP.predict`.

        Returns
        -------
        int64 array of shape (n,), or (n, n_out)
            The classes, as for `MLP.predict_classes`.

        Raises
        ------
        ValueError, TypeError
            As for `MLP.predict`.

        Examples
        --------
        >>> import fastbp as fb
        >>> nets = [fb.MLP([2, 3], output="softmax", seed=seed) for seed in range(2)]
        >>> ensemble = fb.Ensemble([fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets])
        >>> ensemble.predict_classes([[0, 1.0]]).shape
        (1,)
        """
        first = self.trainers[0].network
        return classes(self._outputs(X, n_threads), first.threshold, first.multilabel)
