"""What README.md shows of benchmarks/RESULTS.md: a table with fewer columns, and a picture.

`python benchmarks/compare.py --quote` calls this module. Every number is copied from RESULTS.md as it is written there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

MARKS = re.compile(r"<!-- results -->\n.*?<!-- /results -->", re.DOTALL)
COLOURS = {"JAX": "#0072b2", "PyTorch": "#d55e00", "NumPy": "#009e73", "scikit-learn": "#cc79a7"}
"""library: its colour in the picture. Readers who confuse red and green can tell these apart (Okabe and Ito 2008)."""


class Row(NamedTuple):
    """One case of RESULTS.md."""

    case: str
    network: str
    seconds: str
    """What fastbp takes, with its unit: microseconds or seconds."""
    times: dict[str, str]
    """library: how many times as long as fastbp it takes; "-" if it cannot do the case."""


def read(results: str) -> tuple[str, dict[str, list[Row]]]:
    """Read the text of RESULTS.md.

    Returns
    -------
    machine : str
        What the measurements ran on.
    tables : dict
        The rows of the tables "training", "prediction" and "MNIST".
    """
    text = MARKS.search(results)[0]
    machine = text.split("\n")[1].partition(". ")[0]
    tables = {}
    names = {"Microseconds a training step": "training", "Microseconds a prediction": "prediction", "Seconds": "MNIST"}
    for title, name in names.items():
        lines = text.partition(f"\n{title}")[2].partition("\n\n")[2].partition("\n\n")[0].splitlines()
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        tables[name] = [_row(dict(zip(cells[0], values, strict=True)), name) for values in cells[2:]]
    return machine, tables


def _row(cells: dict[str, str], table: str) -> Row:
    """Return a row of a table, with its names in words."""
    case = re.sub(r", (?=[\d,]+ rows?$)", ", predict ", cells["case"])
    network = re.sub(r"\[(\d+)\]\*(\d+)", r"(\2 x \1)", re.sub(r" b(\d+)", r", batch \1", cells["network"]))
    if table == "prediction":
        network = network.partition(",")[0]
    seconds = f"{cells['fastbp'].partition(' ')[0]} {'s' if table == 'MNIST' else 'µs'}"
    found = {name: re.search(r"\*\*(.*)\*\*", cells[name]) for name in COLOURS}
    times = {name: match[1] if match else "-" for name, match in found.items()}
    return Row("MNIST to 98 %" if table == "MNIST" else case, network, seconds, times)


def compact(results: str) -> str:
    """Return what stands between the marks of README.md, with the marks."""
    machine, tables = read(results)
    lines = [["Case", "Network and minibatch", "fastbp", *COLOURS], ["---", "---", *["---:"] * (1 + len(COLOURS))]]
    for row in (row for rows in tables.values() for row in rows):
        times = [f"**{value}**" if value != "-" and float(value) < 1 else value for value in row.times.values()]
        lines.append([row.case, row.network, row.seconds, *times])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"<!-- results -->\nMeasured on: {machine}.\n\n{table}\n\n<!-- /results -->"


def write(results: Path, readme: Path, picture: Path) -> None:
    """Copy the results into the README, and draw the picture."""
    text = results.read_text(encoding="utf-8")
    quoted = compact(text)
    readme.write_text(MARKS.sub(lambda _: quoted, readme.read_text(encoding="utf-8")), encoding="utf-8")
    draw(text, picture)


def draw(results: str, picture: Path) -> None:
    """Draw how many times as long as fastbp each library takes, as an SVG file."""
    import matplotlib
    from matplotlib.figure import Figure

    _, tables = read(results)
    panels = {
        "One training step": tables["training"],
        "Predictions, and the way to 98 % on MNIST": tables["prediction"] + tables["MNIST"],
    }
    # The text stays text, so that the file is small and can be searched. Without metadata, the same results give the
    # same file.
    style = {"svg.fonttype": "none", "svg.hashsalt": "fastbp", "font.family": "sans-serif", "font.size": 9}
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10.4, 6.0), facecolor="white", layout="constrained")
        for axes, (title, rows) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            _panel(axes, title, rows, height=max(map(len, panels.values())))
        handles = [matplotlib.patches.Patch(color=colour, label=name) for name, colour in COLOURS.items()]
        figure.axes[1].legend(handles=handles, loc="lower center", frameon=False, fontsize=10)
        figure.supxlabel("times as long as fastbp (logarithmic scale; at the line, both are equally fast)", fontsize=10)
        figure.savefig(picture, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))


def _panel(axes, title: str, rows: list[Row], height: int) -> None:
    """Draw bars for some rows. A bar that goes to the right of 1 is slower than fastbp, to the left faster."""
    thick = 0.8 / len(COLOURS)
    for k, row in enumerate(rows):
        for i, (name, colour) in enumerate(COLOURS.items()):
            if row.times[name] == "-":
                continue
            value, y = float(row.times[name]), k - 0.4 + thick * (i + 0.5)
            axes.barh(y, value - 1, thick * 0.9, left=1, color=colour)
            axes.text(max(value, 1) * 1.06, y, row.times[name], va="center", fontsize=7.5, color="#222222")
    axes.axvline(1, color="#222222", linewidth=1)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xscale("log")
    axes.set_xlim(0.6, 110)
    ticks = [1, 2, 5, 10, 20, 50]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(height - 0.45, -0.55)
    labels = [f"{row.case}\n{row.network}".replace(", batch", "\nbatch", 1) for row in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
