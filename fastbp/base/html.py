"""This module draws networks, histories and trainers for notebooks, in HTML with small pictures in SVG.

It is imported when a notebook first shows one of these objects. All text of users is escaped. The pictures have the
colour of the text around them, so that one can also read them on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from .value_objects import text

MOST_LAYERS, MOST_UNITS = 12, 5
"""The largest number of layers, and of units of a layer, that a picture of a network shows."""

MOST_ROWS, MOST_POINTS, MOST_CURVES = 20, 300, 4
"""The largest number of rows of a table, of points of a curve, and of pictures with curves."""

NOT_DRAWN = ("learning_rate", "seconds")
"""The columns of a history that are not scores."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table. Its cells are escaped."""

    def line(kind: str, cells: Sequence[object]) -> str:
        return "<tr>" + "".join(f"<{kind}>{escape(str(cell))}</{kind}>" for cell in cells) + "</tr>"

    body = "".join(line("td", row) for row in rows)
    return f"<table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table>"


def svg(width: float, height: float, title: str, inside: Iterable[str]) -> str:
    """Return a picture with a title, which browsers show and read aloud."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" fill="none" stroke="currentColor" font-family="sans-serif" '
        f'font-size="10"><title>{escape(title)}</title>{"".join(inside)}</svg>'
    )


def label(x: float, y: float, words: str, anchor: str = "middle") -> str:
    """Return a line of text in a picture."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor" stroke="none">{escape(words)}</text>'


def network(net: Any) -> str:
    """Return an `MLP` as HTML: a picture of its units, and a table of its layers."""
    made, rows = net.architecture, []
    names = [name if isinstance(name, str) else repr(name) for name in (*made.activation, made.output)]
    dropout = [*made.dropout[1:], 0.0]
    for l, (n_in, n_out) in enumerate(pairwise(net.sizes)):
        biases = n_out if made.bias[l] else 0
        row = [l + 1, names[l], f"{n_in:,} x {n_out:,}", f"{biases:,}", f"{n_in * n_out + biases:,}"]
        rows.append([*row, f"{dropout[l]:g}"] if any(made.dropout) else row)
    head = ["layer", "activation", "weights", "biases", "parameters", *(["dropout"] if any(made.dropout) else [])]
    more = [f"dropout of inputs {made.dropout[0]:g}"] if made.dropout[0] else []
    more += [f"input noise {made.input_noise:g}"] if made.input_noise else []
    more += [f"max-norm {made.max_norm:g}"] if made.max_norm else []
    line = ", ".join([f"{net.n_parameters:,} parameters", str(net.dtype), *more])
    return f"<div><p><b>MLP</b> {escape(line)}</p>{_units(net.sizes)}{table(head, rows)}</div>"


def _units(sizes: Sequence[int]) -> str:
    """Return a picture with a column of circles for each layer, and lines between them."""
    if len(sizes) > MOST_LAYERS:
        return ""
    space, height, radius = 72.0, 22.0 * MOST_UNITS + 20, 6.0
    columns = []
    for l, n in enumerate(sizes):
        count = min(n, MOST_UNITS)
        first = (22.0 * MOST_UNITS - 22.0 * count) / 2 + 11
        places = [(space * (l + 0.5), first + 22.0 * k) for k in range(count)]
        columns.append([place for k, place in enumerate(places) if n <= MOST_UNITS or k != MOST_UNITS // 2])
    lines = [f"M{x + radius:g} {y:g}L{u - radius:g} {v:g}" for a, b in pairwise(columns) for x, y in a for u, v in b]
    parts = [f'<path d="{"".join(lines)}" stroke-opacity="0.25"/>']
    parts += [f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}"/>' for column in columns for x, y in column]
    middle = 22.0 * MOST_UNITS / 2
    for l, n in enumerate(sizes):
        if n > MOST_UNITS:
            parts += [
                f'<circle cx="{space * (l + 0.5):g}" cy="{middle + dy:g}" r="1" fill="currentColor"/>'
                for dy in (-4, 0, 4)
            ]
        parts.append(label(space * (l + 0.5), height - 4, f"{n:,}"))
    return svg(space * len(sizes), height, f"layers of {', '.join(map(str, sizes))} units", parts)


def history(columns: Mapping[str, Sequence[float]]) -> str:
    """Return the columns of a history as HTML: a curve of each score, and a table of the last epochs."""
    epochs = len(next(iter(columns.values()), ()))
    if not epochs:
        return "<p>There is no epoch yet.</p>"
    groups: dict[str, list[str]] = {}
    for name in columns:
        if name not in NOT_DRAWN:
            groups.setdefault(name.removeprefix("validation_"), []).append(name)
    curves = [_curves({name: columns[name] for name in names}) for names in [*groups.values()][:MOST_CURVES]]
    first = max(0, epochs - MOST_ROWS)
    rows = [
        [epoch, *("-" if math.isnan(value) else f"{value:.4g}" for value in values)]
        for epoch, values in enumerate(zip(*(column[first:] for column in columns.values()), strict=True), first + 1)
    ]
    note = f"<p>These are the last {MOST_ROWS} of {epochs} epochs.</p>" if first else ""
    return f"<div>{''.join(curves)}{table(['epoch', *columns], rows)}{note}</div>"


def _curves(columns: Mapping[str, Sequence[float]]) -> str:
    """Return a picture with a curve for each column. The curves of validation are dashed."""
    width, height, left, top, low = 260.0, 140.0, 48.0, 18.0, 16.0
    finite = [value for column in columns.values() for value in column if math.isfinite(value)]
    least, most = min(finite, default=0.0), max(finite, default=1.0)
    epochs = len(next(iter(columns.values())))
    # Each number is divided first, because the difference of two large numbers can be infinite.
    span = most / 2 - least / 2 or 1.0
    parts = [f'<path d="M{left:g} {top:g}V{height - low:g}H{width - 8:g}" stroke-opacity="0.4"/>']
    every = max(1, -(-epochs // MOST_POINTS))
    for name, column in columns.items():
        dashed = ' stroke-dasharray="4 3"' if name.startswith("validation_") else ""
        path, drawing = [], False
        for k in [*range(0, epochs - 1, every), epochs - 1]:
            if math.isfinite(column[k]):
                x = left + (width - left - 8) * (k / (epochs - 1) if epochs > 1 else 0.5)
                y = top + (height - top - low) * (1 - (column[k] / 2 - least / 2) / span)
                # The line h0 of length 0 is a dot, for a value without neighbours.
                path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}{'' if drawing else 'h0'}")
            drawing = math.isfinite(column[k])
        parts.append(f'<path d="{"".join(path)}" stroke-width="1.5" stroke-linecap="round"{dashed}/>')
    title = ", ".join(f"{name} (dashed)" if name.startswith("validation_") else name for name in columns)
    parts += [label(left, 12, title, "start"), label(left - 4, top + 8, f"{most:.3g}", "end")]
    parts += [label(left - 4, height - low, f"{least:.3g}", "end"), label(left, height - 4, "1", "start")]
    parts.append(label(width - 8, height - 4, f"epoch {epochs}", "end"))
    return svg(width, height, f"{title} in {epochs} epochs", parts)


def trainer(network_: str, settings: Mapping[str, object], columns: Mapping[str, Sequence[float]]) -> str:
    """Return a trainer as HTML: its network, which is HTML already, its settings, and the columns of its history."""
    rows = [[name, text(value)] for name, value in settings.items()]
    return f"<div><p><b>Trainer</b></p>{network_}{table(['setting', 'value'], rows)}{history(columns)}</div>"
