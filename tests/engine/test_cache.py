"""The cache of compiled kernels: it is found again, never believed when damaged, and never taken for another."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import PACKAGE, UNOPTIMIZED, compiling, python_path, run, run_function


def use(env: dict[str, str]) -> tuple[str, bool]:
    """The digest of what a fresh process predicts, and whether it had to compile."""
    bits, compiled = run_function(compiling, env={**UNOPTIMIZED, **env}).stdout.split()
    return bits, compiled != "0"


def copy_of_package(directory: Path, **options) -> dict[str, str]:
    """The environment in which fastbp is a copy of it in this directory."""
    shutil.copytree(PACKAGE, directory / "fastbp", ignore=shutil.ignore_patterns("__pycache__"), **options)
    return python_path(directory)


def test_no_place_for_a_cache(warm, tmp_path):
    """Nowhere to write costs the time to compile and nothing else. Below a file even root cannot write."""
    copied = copy_of_package(tmp_path)
    for room in (tmp_path / "fastbp").iterdir():  # the last place of all is beside the sources
        if room.is_dir():
            (room / "__pycache__").touch()
    nowhere = str(tmp_path / "fastbp/__init__.py/x")
    homes = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    assert use({**copied, **homes, "NUMBA_CACHE_DIR": ""}) == (warm.digest, True)
    assert not list(tmp_path.rglob("*.kernel"))


DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    # As a power cut leaves it: the length is right, one block was never written. This one holds machine code.
    "hole": lambda content: content[: len(content) // 8] + bytes(512) + content[len(content) // 8 + 512 :],
}


def test_damaged_cache(warm, cache):
    """Damaged kernels, each in one of these ways, are compiled once more, and the result is what it was."""
    damaged = {}
    for file, (kind, damage) in zip(sorted(cache.iterdir()), itertools.cycle(DAMAGE.items()), strict=False):
        file.write_bytes(damage(file.read_bytes()))
        damaged[file] = kind, file.read_bytes()
    assert len(damaged) >= len(DAMAGE)
    env = {"NUMBA_CACHE_DIR": str(cache.parent)}
    assert use(env) == (warm.digest, True)
    assert use(env) == (warm.digest, False), "a damaged file was not replaced"
    for file, (kind, content) in damaged.items():
        assert file.read_bytes() != content, f"{file.name} with {kind}"


def test_cache_goes_by_content(warm, cache, tmp_path):
    """Another installation of the same sources, at another time and place, finds the same kernels."""
    env = copy_of_package(tmp_path / "elsewhere", copy_function=shutil.copyfile)  # not the times
    assert use({**env, "NUMBA_CACHE_DIR": str(cache.parent)}) == (warm.digest, False)


def test_cache_key(tmp_path):
    """It changes with the sources, the target and the settings that machine code depends on."""

    def key(env: dict[str, str]) -> str:
        return run("import inside; print(inside.kernel_directory())", env).stdout

    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    copied = copy_of_package(tmp_path)
    keys = [key(place), key({**place, "NUMBA_CPU_NAME": "generic"}), key({**place, "NUMBA_BOUNDSCHECK": "1"})]
    assert key({**place, **copied}) == keys[0]
    source = tmp_path / "fastbp/kernels/__init__.py"
    source.write_bytes(source.read_bytes() + b"changed = True\n")
    keys.append(key({**place, **copied}))
    assert len(set(keys)) == 4


def test_a_process_that_another_version_is_installed_under_writes_no_cache(tmp_path):
    """It imports the modules that compile later than the others, and may get those of the other version."""
    code = """
        from pathlib import Path
        import fastbp as fb
        from fastbp.engine.kernel_cache import cache_directory
        with Path(fb.__file__).with_name("kernels").joinpath("gains.py").open("a") as file:
            file.write("changed = True\\n")
        print(cache_directory())
    """
    assert run(code, {"NUMBA_CACHE_DIR": str(tmp_path), **copy_of_package(tmp_path)}).stdout.strip() == "None"


def test_import_compiles_nothing_and_starts_no_thread():
    run("""
        import sys
        from pathlib import Path

        import llvmlite.binding
        import numba
        import numpy
        from helpers import compilations

        def threads():
            return len(list(Path("/proc/self/task").iterdir())) if sys.platform == "linux" else 0

        def parse(source, context=None, original=llvmlite.binding.parse_assembly):
            parsed.append(source)
            return original(source, context)

        parsed, before, compiled = [], threads(), compilations()
        llvmlite.binding.parse_assembly = parse
        assert "fastbp" not in sys.modules
        import fastbp

        assert not compiled
        # One small function, where the registers are not known otherwise.
        assert sum(map(len, parsed)) < 1000, parsed
        assert threads() == before
        parallel = sys.modules.get("numba.np.ufunc.parallel")
        assert not (parallel and parallel._is_initialized), "Numba's thread pool"
        """)


# --- what other processes have cached ---------------------------------------------------------------------------------


FITS = """
import hashlib, numpy as np, fastbp as fb
def fit(optimizer, options={}, loss='cross_entropy'):
    rng = np.random.default_rng(0)
    net = fb.MLP([9, 20, 3], **{'output': 'softmax', 'seed': 0} | options)
    trainer = fb.Trainer(net, loss=loss, optimizer=optimizer, seed=0, n_threads=1)
    history = trainer.fit(rng.normal(size=(70, 9)), np.arange(70) % 3, epochs=2)
    print(hashlib.sha256(b''.join(W.tobytes() for W in net.weights)).hexdigest(), history['loss'])
"""
KINDS = [
    "fit(fb.SGD(0.1, momentum=0.9, nesterov=True))",
    "fit(fb.AdamW(0.01))",
    "fit(fb.SGD(0.1), {'output': 'sigmoid'}, loss='squared_error')",
]


def test_kernels_that_other_processes_cached(cache):
    """Each kind of fit first in a process of its own, then all of them in one, from what the others left behind.

    Each process compiles its own after it has loaded the same other kernels, so that Numba counts alike in all.
    """
    env = {"NUMBA_CACHE_DIR": str(cache.parent), **UNOPTIMIZED}
    fits = [f"\n{kind}" for kind in KINDS]
    run(FITS + "\nfit(fb.SGD(0.1))", env)
    alone = [run(FITS + fit, env).stdout for fit in fits]
    assert len(set(alone)) == len(KINDS)
    for order in (1, -1):
        assert run(FITS + "".join(fits[::order]), env).stdout == "".join(alone[::order])


def compiling_beside() -> None:
    """Do what `compiling` does, but leave the first kernel to another process, which may start late."""
    from fastbp.engine import companions

    claim = companions.Claims.__call__

    def claim_later(claims: companions.Claims, name: str) -> bool:
        while not any(claims._directory.iterdir()):
            os.sched_yield()
        return claim(claims, name)

    companions.Claims.__call__ = claim_later
    compiling()


def test_kernels_are_compiled_side_by_side(warm, tmp_path):
    """By another process too, if there is a core for it. Each kernel is compiled once, and the bits are the same."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0", "NUMBA_NUM_THREADS": "2"}
    bits, count = run_function(compiling_beside, env=env).stdout.split()
    assert bits == warm.digest
    (directory,) = tmp_path.iterdir()
    names = [sorted(file.name for file in each.iterdir()) for each in (directory, warm.directory)]
    assert names[0] == names[1]
    assert 0 < int(count) < warm.compiled


def fit_and_print_seconds() -> None:
    """Print how many kernels have been compiled, the seconds of the first epoch, and what standard error got."""
    import io
    import sys
    import time

    from numba.core import event

    class Slow(event.Listener):
        """Each kernel takes 1000 seconds to compile, on the clock of this process."""

        def on_start(self, event: event.Event) -> None:
            late.append(1000)

        def on_end(self, event: event.Event) -> None:
            pass

    late, clock, sys.stderr = [], time.perf_counter, io.StringIO()
    event.register("numba:compile", Slow())
    time.perf_counter = lambda: clock() + sum(late)
    import fastbp as fb

    X, y = np.random.default_rng(0).normal(size=(64, 8)), np.arange(64) % 2
    history = fb.Trainer(fb.MLP([8, 4, 2], output="softmax", seed=0), loss="cross_entropy", seed=0).fit(X, y, epochs=2)
    print(len(late), history["seconds"][0], repr(sys.stderr.getvalue()))


def test_the_first_fit(cache):
    """It says that it compiles, and its seconds are those of training alone."""
    env = {"NUMBA_CACHE_DIR": str(cache.parent), **UNOPTIMIZED}
    count, seconds, said = run_function(fit_and_print_seconds, env=env).stdout.split(maxsplit=2)
    assert int(count) > 3
    assert 0 < float(seconds) < 1000
    assert said.strip() == repr("fastbp: compiling kernels, once on this machine\n")
    count, _, said = run_function(fit_and_print_seconds, env=env).stdout.split(maxsplit=2)
    assert (count, said.strip()) == ("0", "''")


def compile_without_stderr(closed: bool) -> None:
    """Compile where standard error is None, or closed, in several threads."""
    import io
    import sys
    from concurrent.futures import ThreadPoolExecutor

    import inside

    import fastbp as fb

    inside.notice_at_once()
    sys.stderr = io.StringIO() if closed else None
    if closed:
        sys.stderr.close()
    with ThreadPoolExecutor(3) as pool:
        nets = [fb.MLP([2, 3, 1], activation=name, seed=0) for name in ("tanh", "relu", "silu")]
        print(len(list(pool.map(lambda net: net.predict([[1.0, 2.0]]), nets))))
    sys.stderr = sys.__stderr__


@pytest.mark.parametrize("closed", [False, True])
def test_nobody_reads_that_kernels_are_compiled(cache, closed):
    env = {"NUMBA_CACHE_DIR": str(cache.parent), **UNOPTIMIZED}
    assert run_function(compile_without_stderr, closed, env=env).stdout == "3\n"
