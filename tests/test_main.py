"""The command `python -m fastbp`: what it shows, what it compiles, and that it removes kernels and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from helpers import PACKAGE, UNOPTIMIZED, python_path, run

import fastbp as fb
from fastbp import __main__ as command
from fastbp.engine import threads
from fastbp.training import ahead


def printed(*arguments: str, cache: Path) -> str:
    """What the command prints in a process of its own."""
    environment = {**os.environ, **python_path(PACKAGE.parent), **UNOPTIMIZED, "NUMBA_CACHE_DIR": str(cache)}
    line = [sys.executable, "-P", "-m", "fastbp", *arguments]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_table(capsys):
    command.main([])
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["fastbp"] == fb.__version__
    assert rows["threads"].startswith(f"{threads.available()}, ")
    assert "vector registers of" in rows["instructions"]
    assert rows["processor"]
    assert rows["[lbfgs]"].startswith("scipy ")


def test_what_is_missing(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    command.main([])
    assert (
        'scipy for L-BFGS and sparse matrices is not installed: pip install "fastbp[lbfgs]"' in capsys.readouterr().out
    )


def test_no_cache(capsys, monkeypatch):
    monkeypatch.setattr(command.kernel_cache, "cache_directory", lambda: None)
    command.main([])
    assert "each process compiles its own kernels" in capsys.readouterr().out
    command.main(["--clear-cache"])
    assert "removed 0 compiled kernels" in capsys.readouterr().out


def test_the_cache_is_cleared(cache, tmp_path):
    """Also that of another version; no file beside it, none of another user, and none behind a link."""
    count = len(list(cache.iterdir()))
    old = tmp_path / ("0" * 20 + cache.name[20:])
    old.mkdir(0o700)
    (old / "x.kernel").write_bytes(bytes(1000))
    thesis = cache / "thesis.txt"
    thesis.write_text("thesis")
    others = [tmp_path / "numba_1" / "x.nbi", tmp_path / ("1" * 20 + "-99999999") / "x.kernel"]
    for other in others:
        other.parent.mkdir(0o700)
        other.touch()
    if os.name == "posix":
        (tmp_path / ("2" * 20 + cache.name[20:])).symlink_to(others[0].parent)
    shown = printed(cache=tmp_path)
    assert f"{tmp_path} ({count + 1} kernels, " in shown
    assert f"removed {count + 1} compiled kernels" in printed("--clear-cache", cache=tmp_path)
    assert not list(old.iterdir())
    assert [*cache.iterdir()] == [thesis]
    assert all(other.exists() for other in others)
    assert thesis.read_text() == "thesis"
    assert "(0 kernels, 0.0 KiB)" in printed(cache=tmp_path)
    run("import inside; inside.one_kernel()", env={"NUMBA_CACHE_DIR": str(tmp_path), **UNOPTIMIZED})
    assert len(list(cache.glob("*.kernel"))) == 1


@pytest.mark.parametrize(("n", "shown"), [(0, "0.0 KiB"), (1536, "1.5 KiB"), (5 * 2**20, "5.0 MiB")])
def test_sizes(n, shown):
    assert command.size(n) == shown


# --- compilation ahead of time ----------------------------------------------------------------------------------------

NEEDED = """
    import sys
    import numpy as np
    import fastbp as fb
    from fastbp import __main__ as command
    from fastbp.engine import kernel_cache

    command.main(sys.argv[1:])
    before = {{*kernel_cache.names().values()}}
    rng = np.random.default_rng(0)
    for sizes in ([784, 128, 10], [5, 8, 10]):
        for dtype, batch, share in (("f4", 64, 1), ("f8", 64, 0.1), ("u1", 1, 1), ("f4", 1024, 0.1), ("f8", 32, 1)):
            X = (rng.integers(1, 9, (1100, sizes[0])) * (rng.random((1100, sizes[0])) < share)).astype(dtype)
            net = fb.MLP(sizes, scale=1 / 9, seed=0, {network})
            trainer = fb.Trainer(net, batch_size=batch, seed=0, {trainer})
            trainer.fit(X, rng.integers(0, 10, 1100), epochs=1, validation_split=0.1)
            trainer.evaluate(X, np.eye(10)[rng.integers(0, 10, 1100)])
            trainer.partial_fit(X[:1], [1])
            for rows in (1, 3, 1100):
                net.predict(X[:rows])
                net.predict_classes(X[:rows])
            net.gradients(X, rng.integers(0, 10, 1100), loss={loss})
    print(sorted({{*kernel_cache.names().values()}} - before))
"""


@pytest.mark.parametrize(
    ("settings", "network", "trainer", "loss"),
    [
        ([], 'output="softmax"', 'loss="cross_entropy"', '"cross_entropy"'),
        ([], "", 'loss="squared_error"', '"squared_error"'),
        (
            ["loss=SquaredError()", "optimizer=SGD(0.1, momentum=0.9)", "dropout=0.5"],
            "dropout=0.5",
            'loss="squared_error", optimizer=fb.SGD(1e-4, momentum=0.8)',
            '"squared_error"',
        ),
    ],
)
def test_a_training_needs_no_kernel_that_was_not_compiled_ahead(settings, network, trainer, loss):
    options = ["--compile", *(["--for", *settings] if settings else [])]
    code = f"import sys\nsys.argv += {options!r}\n" + textwrap.dedent(
        NEEDED.format(network=network, trainer=trainer, loss=loss)
    )
    first, last = run(code, timeout=300).stdout.splitlines()
    assert re.match(r"fastbp has compiled \d+ kernels\. The cache is ", first)
    assert last == "[]"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("loss=huber", "loss", "huber"),
        ("dropout=[0.1, 0.5]", "dropout", [0.1, 0.5]),
        ("max_norm=None", "max_norm", None),
        ("optimizer=SGD(0.1, momentum=0.9)", "optimizer", fb.SGD(0.1, momentum=0.9)),
        ("average=EMA(0.9)", "average", fb.EMA(0.9)),
        ("output='softmax'", "output", "softmax"),
        ("activation=a b", "activation", "a b"),
        ("l2=1+1", "l2", "1+1"),
    ],
)
def test_a_setting(text, name, value):
    assert ahead.setting(text) == (name, value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "loss=huber"], "--for needs --compile"),
        (["--compile", "--for", "huber"], "a setting must be NAME=VALUE, such as loss=huber, got 'huber'"),
        (["--compile", "--for", "los=huber"], "Trainer has no argument 'los'; did you mean 'loss'?"),
        (["--compile", "--for", "loss=hubert"], "got 'hubert'; did you mean 'huber'?"),
        (["--compile", "--for", "optimizer=SGDD(0.1)"], "got 'SGDD'; did you mean 'SGD'?"),
        (["--compile", "--for", "optimizer=SGD(open('x'))"], "optimizer must have literals in its call"),
    ],
)
def test_settings_that_are_wrong(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err
