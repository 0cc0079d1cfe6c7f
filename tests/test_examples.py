"""The examples as their users run them: in a process of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import helpers
import numpy as np
import pytest
from helpers import PACKAGE, PATIENT, ROOT, idx, python_path

EXAMPLE = ROOT / "examples" / "mnist.py"
EPOCH = re.compile(
    r"epoch +(\d+)  loss \d+\.\d{4}  training accuracy [01]\.\d{4}  test accuracy ([01]\.\d{4})  \d+\.\d\d s"
)
LAST = re.compile(r"test accuracy ([01]\.\d{4})  (\d+) epochs  (\d+\.\d\d) s training  (\d+\.\d\d) s since start")


def start(*arguments: object, shadows: Path | None = None) -> subprocess.Popen[str]:
    """Run the example; modules in `shadows` come before the installed ones."""
    environment = {**PATIENT, **os.environ, **python_path(PACKAGE.parent)}
    if shadows is not None:
        environment["PYTHONPATH"] = os.pathsep.join((str(shadows), environment["PYTHONPATH"]))
    return subprocess.Popen(
        [sys.executable, str(EXAMPLE), *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: object, shadows: Path | None = None) -> tuple[int, list[str], list[str]]:
    """Exit status, and lines of stdout and stderr."""
    with start(*arguments, shadows=shadows) as process:
        try:
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
    return process.returncode, out.splitlines(), without_notice(err.splitlines())


def without_notice(lines: list[str]) -> list[str]:
    """Lines of standard error, without the one that depends on the kernels in the cache."""
    return [line for line in lines if not line.startswith("fastbp: compiling kernels")]


def check(out: list[str], epochs: int) -> float:
    """A line for each epoch and one for the whole, and nothing in between; the accuracy."""
    rows = [EPOCH.fullmatch(line) for line in out[2:-1]]
    assert all(rows), out
    assert [int(row[1]) for row in rows] == list(range(1, epochs + 1))
    last = LAST.fullmatch(out[-1])
    assert last, out[-1]
    assert int(last[2]) == epochs
    assert last[1] == rows[-1][2]
    assert 0 <= float(last[3]) <= float(last[4]) < 120  # epochs of some milliseconds round to 0.00 s
    assert float(last[4]) > 0
    return float(last[1])


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IDX files like those of MNIST: a noisy bright bar for each of ten classes."""
    root, rng = tmp_path_factory.mktemp("mnist"), np.random.default_rng(0)
    for prefix, n in (("train", 300), ("t10k", 100)):
        y = np.arange(n, dtype=np.uint8) % 10
        X = rng.integers(0, 100, (n, 28, 28), np.uint8)
        X[np.arange(n), 2 * y + 4] += 150
        (root / f"{prefix}-images-idx3-ubyte").write_bytes(idx(X))
        (root / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(y))
    return root


def test_mnist(mnist):
    settings = ("--hidden", 16, 12, "--epochs", 3, "--batch-size", 10, "--threads", 1, "--seed", 3)
    status, out, err = run("--data", mnist, "--learning-rate", 0.05, "--momentum", 0.5, *settings)
    assert (status, err) == (0, [])
    assert out[0].startswith("MLP(784-16-12-10, activation='relu', output='softmax', ")
    assert out[1] == "300 training images, 100 test images"
    assert check(out, 3) > 0.5


def test_target_reached(mnist):
    status, out, err = run("--data", mnist, "--hidden", "--epochs", 99, "--target-accuracy", 0.3)
    assert (status, err) == (0, [])
    assert out[0].startswith("MLP(784-10, ")
    epochs = len(out) - 3
    assert epochs < 99
    assert check(out, epochs) >= 0.3
    assert all(float(EPOCH.fullmatch(line)[2]) < 0.3 for line in out[2:-2])


def test_target_not_reached(mnist):
    arguments = ("--hidden", 8, "--epochs", 2, "--learning-rate", 1e-9, "--target-accuracy", 0.99)
    status, out, err = run("--data", mnist, *arguments)
    assert status == 1
    assert len(err) == 1
    assert err[0].startswith("The network has learnt nothing")
    assert check(out, 2) < 0.99


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to a process")
def test_interrupt(mnist):
    # A child ignores what its parent ignores, as a test run in the background may.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = start("--data", mnist, "--epochs", 10**9, "--hidden", 8)
    finally:
        signal.signal(signal.SIGINT, before)
    late = threading.Timer(60, process.kill)
    with process:
        late.start()
        try:
            lines = [process.stdout.readline() for _ in range(3)]
            process.send_signal(signal.SIGINT)
            # `communicate` would lose what `readline` has read ahead: epochs that ended before the signal came.
            lines, err = "".join([*lines, *process.stdout]).splitlines(), process.stderr.read()
            process.wait()
        finally:
            late.cancel()
            process.kill()
    assert process.returncode == 130
    last = LAST.fullmatch(lines[-1])
    assert int(last[2]) == len(lines) - 3 >= 1
    done = re.search(r"^interrupted after (\d+) of the 5 steps of epoch (\d+)$", err, re.MULTILINE)
    assert 0 <= int(done[1]) <= 5
    assert int(done[2]) == len(lines) - 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to a process")
def test_interrupt_in_the_first_epoch(mnist, tmp_path):
    """It says how far the epoch has come, and what the network has learnt so far."""
    code = f"""
        import runpy, signal, sys
        import fastbp as fb
        begin = fb.callbacks.Lambda.__init__

        def interrupted(self, **options):
            press = lambda state: signal.raise_signal(signal.SIGINT) if state.step == 3 else None
            begin(self, batch_end=press, **options)

        fb.callbacks.Lambda.__init__ = interrupted
        sys.argv = ["mnist.py", "--data", {str(mnist)!r}, "--hidden", "8"]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            runpy.run_path({str(EXAMPLE)!r}, run_name="__main__")
        except SystemExit as end:
            print(end.code)
    """
    done = helpers.run(code)
    *_, last, status = done.stdout.splitlines()
    assert LAST.fullmatch(last)[2] == "0"
    assert status == "130"
    assert "interrupted after 3 of the 5 steps of epoch 1\n" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGPIPE")
def test_nobody_reads_any_more(mnist):
    """As after `| head -1`."""
    process = start("--data", mnist, "--epochs", 10**9, "--hidden", 8)
    late = threading.Timer(60, process.kill)
    with process:
        late.start()
        try:
            assert process.stdout.readline().startswith("MLP(")
            process.stdout.close()
            err = process.stderr.read()
            process.wait()
        finally:
            late.cancel()
            process.kill()
    assert (process.returncode, without_notice(err.splitlines())) == (141, [])


def test_a_learning_rate_that_ruins_the_training(mnist):
    status, out, err = run("--data", mnist, "--hidden", 8, "--epochs", 3, "--learning-rate", 300)
    assert status == 0
    assert err == ["The network has learnt nothing: its loss is not below 2.30, which is that of guessing. Try another "
                   "--learning-rate than 300."]  # fmt: skip
    check(out, 3)


def test_digits():
    pytest.importorskip("sklearn")
    status, out, err = run()
    assert (status, err) == (0, [])
    assert out[:2] == [
        "MLP(64-256-10, activation='relu', output='softmax', 19,210 parameters, float32)",
        "1437 training images, 360 test images",
    ]
    assert check(out, 30) >= 0.97


def test_digits_need_scikit_learn(tmp_path):
    (tmp_path / "sklearn.py").write_text("raise ImportError('shadowed')")
    status, out, err = run("--epochs", 1, shadows=tmp_path)
    assert (status, out) == (2, [])
    assert err == [
        "mnist.py: error: the default digits need scikit-learn (pip install scikit-learn); MNIST does not: --download"
    ]


MISTAKES = {
    "no directory": (("--data", "none"), r"no train-images-idx3-ubyte.* in none; .*download_mnist\('none'\)"),
    "epochs": (("--epochs", 0), "argument --epochs: must be at least 1, got 0"),
    "hidden": (("--hidden", 8, "x"), "argument --hidden: invalid integer value: 'x'"),
    "hidden 0": (("--hidden", 0), "argument --hidden: must be at least 1, got 0"),
    "target": (("--target-accuracy", 98), "argument --target-accuracy: must be above 0 and at most 1, got 98"),
    "unknown": (("--speed", 11), "unrecognized arguments: --speed 11"),
}


def run_all(many: list[tuple[object, ...]]) -> list[tuple[int, list[str], list[str]]]:
    """What `run` returns for each of many command lines, which one process runs one after another."""
    code = f"""
        import contextlib, io, json, runpy, sys
        for sys.argv[1:] in {[[*map(str, arguments)] for arguments in many]!r}:
            out, err, status = io.StringIO(), io.StringIO(), 0
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    sys.argv[0] = "mnist.py"
                    runpy.run_path({str(EXAMPLE)!r}, run_name="__main__")
                except SystemExit as end:
                    status = end.code
            print(json.dumps([status, out.getvalue().splitlines(), err.getvalue().splitlines()]))
    """
    ends = map(json.loads, helpers.run(code).stdout.splitlines())
    return [(status, out, without_notice(err)) for status, out, err in ends]


def test_mistakes():
    ends = run_all([arguments for arguments, _ in MISTAKES.values()])
    for (status, out, err), (_, message) in zip(ends, MISTAKES.values(), strict=True):
        assert (status, out) == (2, [])
        assert len(err) == 1
        assert re.fullmatch(rf"mnist\.py: error: {message}.*", err[0])


FOUND_BY_THE_LIBRARY = [
    (("--momentum", 1), "momentum must be a finite number at least 0 and below 1, got 1.0"),
    (("--learning-rate", "nan"), "learning_rate must be a finite number above 0"),
    (("--hidden", 10**12), ""),
    (("--learning-rate", 1e30), "the loss is not finite at step"),
]


def test_mistakes_that_the_library_finds(mnist):
    ends = run_all([("--data", mnist, *arguments) for arguments, _ in FOUND_BY_THE_LIBRARY])
    for (status, out, err), (_, message) in zip(ends, FOUND_BY_THE_LIBRARY, strict=True):
        assert status == 2
        assert len(err) == 1
        assert err[0].startswith(f"mnist.py: error: {message}")
        assert not any(LAST.match(line) for line in out)


def test_damaged_data(mnist, tmp_path):
    for file in mnist.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:-1])
    status, out, err = run("--data", tmp_path)
    assert (status, out) == (2, [])
    assert len(err) == 1
    assert "train-images-idx3-ubyte is not a readable IDX file: its header promises 235200 bytes" in err[0]


def test_help():
    status, out, err = run("--help")
    assert (status, err) == (0, [])
    assert out[0].startswith("usage: mnist.py")
