"""History: what each epoch of training brought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


class History(dict[str, list[float]]):
    """What each epoch brought: a list for each of loss, accuracy, learning rate, seconds and those of the validation.

    The lists are of one length: an epoch without validation has NaN there. It prints as a table.

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
        """A history of these columns; ValueError if they cannot be one: they may come from a file."""
        for name, column in columns.items():
            lengths = len(column), len(next(iter(columns.values())))
            if not all(isinstance(value, float) for value in column) or lengths[0] != lengths[1]:
                raise ValueError(f"the column {name!r} of its history is not one")
        return cls(columns)

    @property
    def epochs(self) -> int:
        """How many there are."""
        return len(next(iter(self.values()), ()))

    def record(self, **values: float) -> None:
        """Append an epoch."""
        epochs = self.epochs
        for name in values:
            self.setdefault(name, [math.nan] * epochs)
        for name, column in self.items():
            column.append(values.get(name, math.nan))

    def to_dict(self) -> dict[str, list[float]]:
        """A plain dict, as a copy."""
        return {name: list(column) for name, column in self.items()}

    def to_frame(self) -> pandas.DataFrame:
        """A pandas frame with a row for each epoch, which count from 1.

        Raises
        ------
        ImportError
            Without pandas.

        Examples
        --------
        >>> import fastbp as fb
        >>> try:
        ...     print(fb.History(loss=[0.5, 0.25]).to_frame().loc[2, "loss"])
        ... except ImportError:
        ...     print(0.25)
        0.25
        """
        import pandas

        return pandas.DataFrame(self.to_dict(), index=pandas.RangeIndex(1, self.epochs + 1, name="epoch"))

    def __str__(self) -> str:
        widths = {name: max(len(name), 9) for name in self}
        lines = ["epoch " + " ".join(f"{name:>{width}}" for name, width in widths.items())]
        for epoch, values in enumerate(zip(*self.values(), strict=True), 1):
            cells = ("-" if math.isnan(value) else f"{value:.4f}" for value in values)
            row = (f"{cell:>{width}}" for cell, width in zip(cells, widths.values(), strict=True))
            lines.append(f"{epoch:5} " + " ".join(row))
        return "\n".join(lines)
