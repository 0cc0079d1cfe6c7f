"""Ensemble: networks that are trained at once, one a core, and whose predictions are averaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..callbacks import Callback, Lambda, State
from ..engine import threads
from ..history import History
from ..network import classes
from .hooks import Hooks
from .trainer import Trainer


class Ensemble:
    """Trainers side by side, each with a network of its own.

    Parameters
    ----------
    trainers : sequence of Trainer
        Of networks with the same inputs and outputs. They may differ in all else; at least in their seeds.

    Raises
    ------
    ValueError, TypeError
        If there is none, or two share a network, or inputs or outputs differ.

    Notes
    -----
    Every network is trained by one thread, and ends with the same bits as if it were trained alone. Source: Hansen and
    Salamon (1990).

    Examples
    --------
    >>> import fastbp as fb
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
        """Train all, as many at once as there are cores.

        Parameters
        ----------
        X, y, epochs, sample_weight, class_weight, validation_data, validation_split : as for `Trainer.fit`
        callbacks : function, keyword-only
            Of the number of a trainer, 0, 1, ...: the callbacks of that one.
        progress : bool, keyword-only
            A progress bar of the first; by default if standard error is a terminal.

        Returns
        -------
        list of History

        Raises
        ------
        ValueError, TypeError, FloatingPointError, KeyboardInterrupt
            As `Trainer.fit`; the others have ended by then too.

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
            # Between calls into compiled code, which costs nothing, it is seen whether others have ended in an error.
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
        """The mean of a^L over the networks, for each row of X.

        Parameters
        ----------
        X, n_threads : as for `MLP.predict`

        Returns
        -------
        array of shape (n, n_out)

        Raises
        ------
        ValueError, TypeError
            As `MLP.predict`.

        Examples
        --------
        >>> import fastbp as fb
        >>> nets = [fb.MLP([2, 3], output="softmax", seed=seed) for seed in range(2)]
        >>> ensemble = fb.Ensemble([fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets])
        >>> ensemble.predict([[0, 1.0]]).shape
        (1, 3)
        """
        networks = [trainer.network for trainer in self.trainers]
        first = networks[0].predict(X, n_threads=n_threads)
        total = first.astype(np.result_type(*(network.dtype for network in networks)), copy=False)
        for network in networks[1:]:
            total += network.predict(X, n_threads=n_threads)
        total /= len(networks)
        return total

    def predict_classes(self, X: np.ndarray, *, n_threads: int | None = None) -> np.ndarray:
        """The class of each row of X by the mean of the networks, int64 (n,), as of `MLP.predict_classes`.

        Parameters
        ----------
        X, n_threads : as for `MLP.predict`

        Returns
        -------
        array of shape (n,)

        Raises
        ------
        ValueError, TypeError
            As `MLP.predict`.

        Examples
        --------
        >>> import fastbp as fb
        >>> nets = [fb.MLP([2, 3], output="softmax", seed=seed) for seed in range(2)]
        >>> ensemble = fb.Ensemble([fb.Trainer(net, loss="cross_entropy", seed=0) for net in nets])
        >>> ensemble.predict_classes([[0, 1.0]]).shape
        (1,)
        """
        return classes(self.predict(X, n_threads=n_threads), self.trainers[0].network.threshold)
