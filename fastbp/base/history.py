"""This module holds `History`, a table of the scores of each epoch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from . import checks, extras, hints

if TYPE_CHECKING:
    import matplotlib.axes
    import pandas


class History(dict[str, list[float]], hints.Hinted):
    """`History` is a table of training: a dict of columns with one value for each finished epoch.

    The columns are lists of float with the same length. `Trainer.fit` fills in the columns "loss", "learning_rate" and
    "seconds". It adds "accuracy" if the targets are classes, and "validation_loss" and so on if there are validation
    data. An epoch without a value for a column has NaN there. Printing a history shows the table.

    Examples
    --------
    >>> import fastbp as fb
    >>> history = fb.History(loss=[0.5, 0.25], seconds=[1.0, 1.5])
    >>> print(history)
    epoch      loss   seconds
        1    0.5000    1.0000
        2    0.2500    1.5000
    >>> history.to_dict()
    {'loss': [0.5, 0.25], 'seconds': [1.0, 1.5]}
    """

    @classmethod
    def checked(cls, columns: Mapping[str, list[float]]) -> History:
        """Make a history of columns from a file. Raise ValueError unless they have the same length and only floats."""
        history = cls(columns)
        for name, column in columns.items():
            if not all(isinstance(value, float) for value in column) or len(column) != history.epochs:
                raise ValueError(f"the column {name!r} of its history must have {history.epochs} floats")
        return history

    @property
    def epochs(self) -> int:
        """The number of epochs in the history."""
        return len(next(iter(self.values()), ()))

    def record(self, **values: float) -> None:
        """Add the values of one epoch to the columns.

        Parameters
        ----------
        **values : float
            The value of each column, by its name. A new column has NaN for the epochs before. A column without a value
            gets NaN for this epoch.

        Examples
        --------
        >>> import fastbp as fb
        >>> history = fb.History(loss=[0.5])
        >>> history.record(loss=0.25, accuracy=0.75)
        >>> history.to_dict()
        {'loss': [0.5, 0.25], 'accuracy': [nan, 0.75]}
        """
        self.record_epochs({name: [value] for name, value in values.items()}, 1)

    def record_epochs(self, values: Mapping[str, list[float]], count: int) -> None:
        """Add the values of several epochs to the columns: lists of `count` values, by the names of the columns."""
        epochs, nothing = self.epochs, [math.nan] * count
        for name in values:
            self.setdefault(name, [math.nan] * epochs)
        rows = [values.get(name, nothing) for name in self]
        # This runs in C, so Ctrl-C cannot leave columns of different lengths.
        deque(map(list.extend, self.values(), rows), maxlen=0)

    def to_dict(self) -> dict[str, list[float]]:
        """Return the columns as a plain dict of lists. Both are copies. Another thread may train meanwhile."""
        columns = {name: list(column) for name, column in list(self.items())}
        epochs = min(map(len, columns.values()), default=0)
        return {name: column[:epochs] for name, column in columns.items()}

    def to_frame(self) -> pandas.DataFrame:
        """Return the history as a pandas DataFrame with a row for each epoch. The first epoch has the index 1.

        Returns
        -------
        pandas.DataFrame
            A float64 column for each column of the history.

        Raises
        ------
        ImportError
            If pandas is not installed: ``pip install "fastbp[pandas]"``.

        Examples
        --------
        >>> import fastbp as fb
        >>> print(fb.History(loss=[0.5, 0.25]).to_frame().loc[2, "loss"])
        0.25
        """
        pandas = extras.package("pandas", "to_frame")
        columns = self.to_dict()
        epochs = len(next(iter(columns.values()), ()))
        return pandas.DataFrame(columns, index=pandas.RangeIndex(1, epochs + 1, name="epoch"))

    def plot(self, *columns: str, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw columns of the history as curves over the epochs, with matplotlib.

        Parameters
        ----------
        *columns : str
            The names of the columns. Without any, these are "loss" and, if it is there, "validation_loss".
        ax : matplotlib.axes.Axes or None, keyword-only, default None
            The axes to draw in. With None, there is a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes, for example for a title, or for ``ax.set_yscale("log")``.

        Raises
        ------
        ImportError
            If matplotlib is not installed: ``pip install "fastbp[plot]"``.
        ValueError
            If the history has no column of this name.

        Examples
        --------
        >>> import fastbp as fb
        >>> history = fb.History(loss=[0.5, 0.25], validation_loss=[0.6, 0.4])
        >>> ax = history.plot()
        >>> [line.get_label() for line in ax.lines]
        ['loss', 'validation_loss']
        """
        for name in columns:
            checks.choice(name, "columns", self)
        pyplot = extras.package("plot", "History.plot", "pyplot")
        ax = pyplot.subplots()[1] if ax is None else ax
        kept = self.to_dict()
        for name in columns or [name for name in ("loss", "validation_loss") if name in kept]:
            values = kept[name]
            ax.plot(range(1, len(values) + 1), values, label=name, marker="." if len(values) < 50 else None)
        ax.set_xlabel("epoch")
        if len(ax.lines):
            ax.legend()
        return ax

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the curves, and a table of the last epochs."""
        from . import html

        return html.history(self.to_dict())

    def __str__(self) -> str:
        columns = self.to_dict()
        widths = {name: max(len(name), 9) for name in columns}
        lines = ["epoch " + " ".join(f"{name:>{width}}" for name, width in widths.items())]
        for epoch, values in enumerate(zip(*columns.values(), strict=True), 1):
            cells = ("-" if math.isnan(value) else f"{value:.4f}" for value in values)
            row = (f"{cell:>{width}}" for cell, width in zip(cells, widths.values(), strict=True))
            lines.append(f"{epoch:5} " + " ".join(row))
        return "\n".join(lines)


class Histories(list[History]):
    """`Histories` is the list of the histories of several trainers. It is shown as a table of their last epochs."""

    def _last(self) -> tuple[list[str], list[list[str]]]:
        """Return the names of the columns, and for each trainer its number, its epochs and the scores of the last."""
        columns = [each.to_dict() for each in self]
        names = list(dict.fromkeys(name for each in columns for name in each))
        rows = [
            [
                str(k),
                str(len(next(iter(each.values()), ()))),
                *(f"{each[n][-1]:.4g}" if each.get(n) else "-" for n in names),
            ]
            for k, each in enumerate(columns)
        ]
        return ["trainer", "epochs", *names], rows

    def __repr__(self) -> str:
        head, rows = self._last()
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = (" ".join(f"{cell:>{n}}" for cell, n in zip(row, widths, strict=True)) for row in (head, *rows))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        from . import html

        return html.table(*self._last())
