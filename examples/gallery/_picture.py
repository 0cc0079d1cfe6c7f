"""What the scripts of the gallery share: where their pictures go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def picture(figure: Figure, script: str) -> None:
    """Save a picture under the name of its script, or show it.

    The directory is the one after ``--save``, or the environment variable FASTBP_PICTURES. Without both, a window shows
    the picture if there is a display.
    """
    arguments = sys.argv[1:]
    directory = arguments[1] if arguments[:1] == ["--save"] else os.environ.get("FASTBP_PICTURES")
    if directory:
        path = Path(directory, Path(script).stem).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path)
        print(f"saved {path}")
    elif plt.get_backend().lower() != "agg":
        plt.show()
