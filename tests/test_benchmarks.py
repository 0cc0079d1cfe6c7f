"""The benchmarks' own promises: peers do the same work, and what the README quotes is what was measured."""

import dataclasses
import os
import re
import runpy
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from helpers import PACKAGE, PATIENT, ROOT, python_path


@pytest.fixture
def benchmarks(monkeypatch):
    """The folder's modules, importable."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in ("cases", "options", "peers"):
            del sys.modules[name]


def test_the_readme_quotes_the_results():
    """The table of README.md and the picture have the numbers of RESULTS.md."""
    quote = runpy.run_path(str(ROOT / "benchmarks/quote.py"))
    names = ("README.md", "benchmarks/RESULTS.md", "benchmarks/speed.svg")
    readme, results, picture = ((ROOT / name).read_text(encoding="utf-8") for name in names)
    assert [match[0] for match in quote["MARKS"].finditer(readme)] == [quote["compact"](results)]
    _, tables = quote["read"](results)
    times = [time for rows in tables.values() for row in rows for time in row.times.values() if time != "-"]
    assert len(times) > 40
    assert Counter(re.findall(r">(\d+\.\d\d)<", picture)) == Counter(times)


@pytest.mark.parametrize("name", ["XS", "T", "R", "A"])
@pytest.mark.parametrize("peer", ["fastbp", "JAX", "PyTorch", "NumPy", "scikit-learn"])
@pytest.mark.usefixtures("benchmarks")
def test_peers_do_the_same_work(peer, name):
    """From the same weights over the same minibatches to the same weights, as far as float32 goes in so few steps."""
    import peers
    from cases import CASES

    pytest.importorskip(peers.PEERS[peer].package, reason=f"{peer} is not installed")
    case = CASES[name]
    if name == "A":  # small enough for a test
        case = dataclasses.replace(case, sizes=(20, 16, 10), n=128 * 4)
    case = dataclasses.replace(case, n=case.batch * 4, epochs=2)
    found = []
    for make in (peers.NumPy, peers.PEERS[peer]):
        X, y = case.data()
        try:
            made = make(case, X, y, case.parameters(), 1)
        except NotImplementedError as reason:
            pytest.skip(str(reason))
        made.fit()
        assert made.predict(X[:3]).shape[0] == 3
        found.append(made.weights())
    for (W, b), (other_W, other_b), (first, _) in zip(*found, case.parameters(), strict=True):
        moved = abs(W - first).max()
        assert moved > 0
        assert abs(W - other_W).max() < 1e-2 * moved
        assert abs(b - other_b).max() < 1e-2 * max(abs(b).max(), moved)


@pytest.mark.usefixtures("benchmarks")
def test_cases_can_be_learnt():
    """The loss falls: nobody is timed on numbers that are stuck or infinite."""
    from cases import CASES

    for name in ("XS", "T", "R"):
        history = CASES[name].trainer().fit(*CASES[name].data(), epochs=3)
        assert np.isfinite(history["loss"]).all()
        assert history["loss"][-1] < history["loss"][0]


@pytest.mark.usefixtures("benchmarks")
def test_options_can_be_timed(tmp_path):
    import options
    from cases import CASES

    case = dataclasses.replace(CASES["XS"], n=320)
    for fit in options.fits(case, tmp_path).values():
        history = fit()
        assert history.epochs == 1
        assert np.isfinite(history["loss"]).all()


PARTS = "drawn named sparse widths negative-zeros inside formulas functions options standardize ensembles estimators"
"""The parts of bits.py that its test runs: at least one of each file, and not those that compile for long."""

SCRIPTS = {
    "kernels.py": ["--rounds", "1"],
    "phases.py": ["XS", "--rounds", "2"],
    "options.py": ["dropout", "--case", "XS", "--rounds", "2"],
    "bits.py": ["{tmp}/bits.json", "--configurations", "1", "--part", *PARTS.split()],
    "averages.py": ["--steps", "10", "20", "--seeds", "2"],
    "first_weights.py": ["iris", "--seeds", "2"],
    "startup.py": ["--help"],
    "compare.py": ["--help"],
    "roofline.py": ["--help"],
    "turns.py": ["--help"],
    "rbm.py": ["--help"],
    "sparse.py": ["--epoch", "fastbp", "sgd"],
    "estimators.py": ["XS", "--rounds", "1"],
}
"""script: arguments of a short run; those that only measure for minutes say what they do."""

BITS = ("drawn", "estimators", "inside", "items", "named", "options", "sparse", "together", "zeros")
"""bits.py imports a file for each of these."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_run(script, tmp_path):
    """A script that has not kept up with the package must not be found out by its next user."""
    arguments = [argument.format(tmp=tmp_path) for argument in SCRIPTS[script]]
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    environment = {**PATIENT, **os.environ, **python_path(PACKAGE.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_script_has_a_test():
    here = {path.name for path in (ROOT / "benchmarks").glob("*.py")}
    imported = {"cases.py", "peers.py", "quote.py", *(f"bits_{part}.py" for part in BITS)}
    assert here - imported == SCRIPTS.keys()
