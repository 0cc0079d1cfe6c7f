"""The scripts of the gallery run, print what their docstrings claim, and draw their pictures."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import io
import json
import os
import re
import runpy
import struct
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import helpers
import pytest
from helpers import PACKAGE, ROOT, python_path

pytest.importorskip("matplotlib", reason="the scripts of the gallery draw with it")
pytest.importorskip("sklearn", reason="the scripts of the gallery use its data")
GALLERY = ROOT / "examples" / "gallery"
SCRIPTS = sorted(path.stem for path in GALLERY.glob("[0-9]*.py"))
NEEDS = {"22_frames_with_categories": "pandas", "30_from_pytorch_and_back": "torch"}


def run_all(directory: str, scripts: tuple[str, ...]) -> None:
    """Run scripts one after another in this process, which imports all packages once, and keep what each printed."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["savefig.dpi"] = 50  # which takes less time
    from matplotlib import pyplot

    warnings.simplefilter("error")
    sys.path.insert(0, str(GALLERY))
    for script in scripts:
        sys.argv = [script, "--save", directory]
        printed, start = io.StringIO(), time.perf_counter()
        with contextlib.redirect_stdout(printed):
            try:
                runpy.run_path(str(GALLERY / f"{script}.py"), run_name="__main__")
            except Exception:
                traceback.print_exc(file=sys.stdout)
        pyplot.close("all")
        result = {"printed": printed.getvalue(), "seconds": time.perf_counter() - start}
        Path(directory, f"{script}.json").write_text(json.dumps(result))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the pictures and the printed lines of all scripts."""
    directory = tmp_path_factory.mktemp("gallery")
    scripts = tuple(script for script in SCRIPTS if script not in NEEDS or importlib.util.find_spec(NEEDS[script]))
    helpers.run_function(run_all, str(directory), scripts, timeout=600)
    return directory


def numbers(text: str, pattern: str) -> list[float]:
    """The numbers in printed lines that a pattern captures."""
    found = re.findall(pattern, text)
    return [float(number) for match in found for number in ((match,) if isinstance(match, str) else match)]


def rises(values: list[float], count: int) -> bool:
    """Whether there are so many values, each larger than the one before."""
    return len(values) == count and all(a < b for a, b in pairwise(values))


def of_sharing(text: str) -> bool:
    one, hidden, shared = numbers(text, r"accuracy ([\d.]+)")
    return one < 0.9 and hidden == shared == 1 and numbers(text, r"(\d+) parameters") == [9, 81, 18]


def of_depth(text: str) -> bool:
    accuracies = numbers(text, r"accuracy ([\d.]+)")
    return len(accuracies) == 5 and accuracies[0] > 0.93 and 0.003 < accuracies[3] - accuracies[0] < 0.03


def of_descent(text: str) -> bool:
    whole, _, one, least = numbers(text, r"(?:: |loss +)(\d\.\d+)")
    return least <= whole < least + 0.001 < one


def of_rates(text: str) -> bool:
    small, right, large = numbers(text, r"loss ([\d.]+)")
    return 2 < small < 2.3 and right < 0.2 and large > 2.3


def of_remedies(text: str) -> bool:
    none, *others = numbers(text, r"loss ([\d.]+)")
    return len(others) == 6 and max(others) < none


def of_dropout(text: str) -> bool:
    thinned, mean, whole = numbers(text, r"(0\.\d+)")
    return thinned < whole - 0.02 and abs(mean - whole) < 0.02


def of_band(text: str) -> bool:
    (inside,), found = numbers(text, r"([\d.]+) %"), numbers(text, r"at 0\.\d ([\d.]+), true (\d\.\d+)")
    return 92 < inside < 98 and abs(found[0] - found[1]) < 0.03 and abs(found[2] - found[3]) < 0.1


def of_classes(text: str) -> bool:
    recall, precision, balanced, wider = numbers(text, r"recall ([\d.]+), precision ([\d.]+)")
    return balanced > recall + 0.2 and wider < precision


CLAIMS: dict[str, Callable[[str], bool]] = {
    "01_gates": lambda text: "f = -12.0" in text and "'x': -4.0" in text,
    "02_logic_by_hand": lambda text: "AND  0 0 0 1\nOR   0 1 1 1\nSAME 1 0 0 1" in text,
    "03_perceptron_by_mistakes": lambda text: ", 0]" in text and "separates the classes" in text,
    "04_templates_of_digits": lambda text: numbers(text, r"accuracy ([\d.]+)")[1] > 0.93,
    "05_wrap_around": lambda text: "No plane separates" in text and of_sharing(text),
    "06_regions_by_depth": lambda text: (
        (found := numbers(text, r"accuracy ([\d.]+)"))[0] < 0.7 and min(found[1:]) > 0.98
    ),
    "07_any_function": lambda text: (
        rises((found := numbers(text, r"error ([\d.]+)"))[::-1], 3) and found[2] < 0.2
    ),
    "08_depth_on_digits": of_depth,
    "09_numerical_gradient": lambda text: (
        (found := numbers(text, r"error (\S+)"))[1] < found[0] / 100 and numbers(text, r"(\d+) times")[0] > 10
    ),
    "10_paths": lambda text: len({*numbers(text, r"paths (\S+), backpropagation (\S+)")}) == 1 and "2 paths" in text,
    "11_descent_by_batch_size": of_descent,
    "12_rates_and_schedules": of_rates,
    "13_first_weights": lambda text: [l < 1 for l in numbers(text, r"loss (\S+);")] == [False, False, True, False],
    "14_overfitting": of_remedies,
    "15_dropout_as_an_ensemble": of_dropout,
    "16_autoencoder": lambda text: 70 < numbers(text, r"explain ([\d.]+) %")[0] < 90,
    "17_pretraining": lambda text: (found := numbers(text, r"accuracy ([\d.]+)"))[1] > found[0] + 0.1,
    "18_own_activation_and_loss": lambda text: "right: True" in text and numbers(text, r"wave ([\d.]+)")[0] < 0.3,
    "19_gaussian_likelihood": of_band,
    "20_quantiles": lambda text: all(
        abs(found - wanted) < 4 for found, wanted in zip(numbers(text, r": ([\d.]+) %"), (10, 50, 90), strict=True)
    ),
    "21_imbalanced_classes": of_classes,
    "22_frames_with_categories": lambda text: (
        numbers(text, r"flats ([\d.]+)")[0] > 0.95 and "order: True" in text and "'city_Oslo' is missing" in text
    ),
    "23_sparse_text": lambda text: numbers(text, r"sentences ([\d.]+)")[0] > 0.97 and numbers(text, r"(\d+) %")[0] < 50,
    "24_data_larger_than_memory": lambda text: (
        "same bits: True" in text and max(found := numbers(text, r"loss ([\d.]+)")) - min(found) < 0.02
    ),
    "25_checkpoint_and_resume": lambda text: "after epoch 10, and trained until epoch 30\nsame bits: True" in text,
    "26_cart_pole": lambda text: (
        (found := numbers(text, r"time (\d+) .* (\d+) in the last"))[1] > 3 * found[0]
    ),
    "27_network_in_a_simulation": lambda text: numbers(text, r"difference ([\d.]+)")[0] < 0.2,
    "28_several_processes": lambda text: numbers(text, r"accuracy ([\d.]+)")[0] > 0.95 and "process: True" in text,
    "29_in_place_of_scikit_learn": lambda text: (
        min(numbers(text, r"accuracy ([\d.]+)")) > 0.9 and "same predictions: True" in text
    ),
    "30_from_pytorch_and_back": lambda text: (
        max(numbers(text, r"difference (\S+),")) < 1e-5 and numbers(text, r"PyTorch ([\d.]+)")[1] > 0.97
    ),
    "31_same_bits": lambda text: (
        len({*(found := re.findall(r": ([0-9a-f]{16})", text))[:3]}) == 1 and found[3] != found[0]
    ),
}  # fmt: skip
"""What each script must print: a function of its output."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_prints_its_claim_and_draws_its_picture(script, results):
    if not (results / f"{script}.json").exists():
        pytest.skip(f"the script needs {NEEDS[script]}")
    printed = json.loads((results / f"{script}.json").read_text())["printed"]
    assert "Traceback" not in printed, printed
    assert CLAIMS[script](printed), printed
    picture = (results / f"{script}.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", picture[16:24])
    assert min(width, height) >= 75
    assert len(picture) > 2000  # an empty picture has less


def test_each_script_is_short_and_says_first_what_to_see():
    assert {*CLAIMS} == {*SCRIPTS}
    assert [int(script[:2]) for script in SCRIPTS] == list(range(1, len(SCRIPTS) + 1))
    for script in SCRIPTS:
        source = (GALLERY / f"{script}.py").read_text(encoding="utf-8")
        assert source.count("\n") <= 60, script
        docstring = ast.get_docstring(ast.parse(source)) or ""
        first, _, rest = docstring.partition("\n\n")
        assert first.endswith("."), script
        assert "\n" not in first, script
        assert re.search(r"\bpicture\b", rest), script


def test_a_script_alone_without_a_display_ends_without_a_picture(tmp_path):
    """It runs as a file, which finds the modules beside it, from any directory."""
    environment = {**os.environ, **python_path(PACKAGE.parent), "MPLBACKEND": "Agg"}
    environment.pop("FASTBP_PICTURES", None)
    ended = subprocess.run(
        [sys.executable, str(GALLERY / "01_gates.py")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    assert "f = -12.0" in ended.stdout
    assert ended.stderr == ""
    assert not [*tmp_path.iterdir()]
