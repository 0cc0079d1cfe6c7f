"""The cache of compiled kernels: it is found again, never believed when damaged, and never taken for another."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import PACKAGE, compilations, fitted, python_path, run, run_function


def compiling() -> None:
    """Train on one thread; print the cache's directory, the parameters' digest, and whether Numba compiled."""
    from fastbp.engine import kernel_cache

    seen = compilations()
    print(kernel_cache.cache_directory(), fitted(n_threads=1), bool(seen))


def fit(env: dict[str, str]) -> tuple[str, ...]:
    """What `compiling` prints in a fresh process."""
    return tuple(run_function(compiling, env=env).stdout.split())


def copy_of_package(directory: Path, **options) -> dict[str, str]:
    """The environment in which fastbp is a copy of it in this directory."""
    shutil.copytree(PACKAGE, directory / "fastbp", ignore=shutil.ignore_patterns("__pycache__"), **options)
    return python_path(directory)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The directory of a cache that holds all that is needed to train, and the parameters that come out.

    It is no other test's, so that nobody writes there while it is copied.
    """
    env = {"NUMBA_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    first, again = fit(env), fit(env)
    if first[0] == "None":
        pytest.skip("kernels are not cached here")
    assert again == (*first[:2], "False")
    return Path(first[0]), first[1]


def test_no_place_for_a_cache(warm, tmp_path):
    """Nowhere to write costs the time to compile and nothing else. Below a file even root cannot write."""
    copied = copy_of_package(tmp_path)
    (tmp_path / "fastbp/engine/__pycache__").touch()
    nowhere = str(tmp_path / "fastbp/__init__.py/x")
    homes = dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    assert fit({**copied, **homes, "NUMBA_CACHE_DIR": ""}) == ("None", warm[1], "True")


DAMAGE = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    # As a power cut leaves it: the length is right, one block was never written. This one holds machine code.
    "hole": lambda content: content[: len(content) // 8] + bytes(512) + content[len(content) // 8 + 512 :],
}


def check_damaged(warm: tuple[Path, str], tmp_path: Path, damaged: str, kind: str) -> None:
    """With some files of the cache damaged, kernels are compiled once more, and the result is what it was."""
    directory, bits = warm
    copied = shutil.copytree(directory, tmp_path / directory.name)
    for file in sorted(copied.glob(damaged)):
        file.write_bytes(DAMAGE[kind](file.read_bytes()))
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert fit(env) == (str(copied), bits, "True")
    assert fit(env) == (str(copied), bits, "False"), "the damaged file was not replaced"


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_cache(warm, tmp_path, kind):
    """The kernel that is the quickest to compile."""
    check_damaged(warm, tmp_path, "serial.kernel", kind)


def test_damaged_cache_of_every_kernel(warm, tmp_path):
    check_damaged(warm, tmp_path, "*", "half")


def test_cache_goes_by_content(warm, tmp_path):
    """Another installation of the same sources, at another time and place, finds the same kernels."""
    directory, bits = warm
    copied = shutil.copytree(directory, tmp_path / directory.name)
    env = copy_of_package(tmp_path, copy_function=shutil.copyfile)  # not the times
    assert fit({**env, "NUMBA_CACHE_DIR": str(tmp_path)}) == (str(copied), bits, "False")


def test_cache_key(tmp_path):
    """It changes with the sources, the target and the settings that machine code depends on."""

    def key(env: dict[str, str]) -> str:
        return run("from fastbp.engine import compiled; print(kernel_cache.cache_directory().name)", env).stdout

    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    copied = copy_of_package(tmp_path)
    keys = [key(place), key({**place, "NUMBA_CPU_NAME": "generic"}), key({**place, "NUMBA_BOUNDSCHECK": "1"})]
    assert key({**place, **copied}) == keys[0]
    source = tmp_path / "fastbp/kernels/columns.py"
    source.write_bytes(source.read_bytes().replace(b"0.5", b"0.6", 1))
    keys.append(key({**place, **copied}))
    assert len(set(keys)) == 4


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


KINDS = {
    "float32": "{}, loss='cross_entropy'",
    "float64": "{'dtype': 'float64'}, loss='cross_entropy'",
    "squared": "{}, loss='squared_error'",
    "sigmoid": "{'output': 'sigmoid'}, loss='squared_error'",
    "adam": "{}, loss='cross_entropy', optimizer=fb.Adam(0.1)",
}


FITS = """
import hashlib, numpy as np, fastbp as fb
def fit(options, **settings):
    rng = np.random.default_rng(0)
    net = fb.MLP([9, 20, 3], **{'output': 'softmax', 'seed': 0} | options)
    history = fb.Trainer(net, seed=0, **settings).fit(rng.normal(size=(70, 9)), np.arange(70) % 3, epochs=2)
    print(hashlib.sha256(b''.join(W.tobytes() for W in net.weights)).hexdigest(), history['loss'])
"""


def test_kernels_that_other_processes_cached(tmp_path):
    """Each kind of fit first in a process of its own, then all of them in one, from what the others left behind."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    alone = [run(f"{FITS}\nfit({kind})", env).stdout for kind in KINDS.values()]
    together = run(FITS + "".join(f"\nfit({kind})" for kind in KINDS.values()), env).stdout
    assert together == "".join(alone)
    assert len(set(alone)) == len(KINDS)


RULES = ["SGD(0.1, momentum=0.9)", "SGD(0.1, momentum=0.9, nesterov=True)", "Adam(0.01)", "AdamW(0.01)"]


def test_rules_that_other_processes_cached(tmp_path):
    """Each process compiles one rule after it has loaded the same other kernels, so that Numba counts alike in all."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    fits = [f"\nfit({{}}, loss='cross_entropy', optimizer=fb.{rule}, n_threads=1)" for rule in RULES]
    run(FITS + "\nfit({}, loss='cross_entropy', n_threads=1)", env)
    alone = [run(FITS + fit, env).stdout for fit in fits]
    assert len(set(alone)) == len(RULES)
    for order in (1, -1):
        assert run(FITS + "".join(fits[::order]), env).stdout == "".join(alone[::order])


def fit_and_print_seconds() -> None:
    """Print how many kernels have been compiled, the seconds of the first epoch, and what standard error got."""
    import io
    import sys
    import time
    from types import SimpleNamespace

    import fastbp as fb
    from fastbp.engine import kernel_cache

    sys.stderr, seen, compile_one = io.StringIO(), compilations(), kernel_cache._compile
    # On this clock, each kernel takes 1000 seconds to compile.
    kernel_cache.time = SimpleNamespace(perf_counter=lambda: time.perf_counter() + 1000 * late[0])
    late = [0]

    def slowly(*arguments):
        late[0] += 1
        return compile_one(*arguments)

    kernel_cache._compile = slowly
    X, y = np.random.default_rng(0).normal(size=(64, 8)), np.arange(64) % 2
    history = fb.Trainer(fb.MLP([8, 4, 2], output="softmax", seed=0), loss="cross_entropy", seed=0).fit(X, y, epochs=2)
    print(len(seen), history["seconds"][0], repr(sys.stderr.getvalue()))


def test_the_first_fit(tmp_path):
    """It says that it compiles, and its seconds are those of training alone."""
    env = {"NUMBA_CACHE_DIR": str(tmp_path)}
    count, seconds, said = run_function(fit_and_print_seconds, env=env).stdout.split(maxsplit=2)
    assert int(count) > 3
    assert 0 < float(seconds) < 1000
    assert said.strip() == repr("fastbp: compiling kernels, once on this machine\n")
    count, _, said = run_function(fit_and_print_seconds, env=env).stdout.split(maxsplit=2)
    assert (count, said.strip()) == ("0", "''")


def notice_without_stderr() -> None:
    """Compile where standard error is None, or closed, in several threads."""
    import io
    import sys
    from concurrent.futures import ThreadPoolExecutor

    import fastbp as fb
    from fastbp.engine import kernel_cache

    kernel_cache._Notice.patience = 0.0
    sys.stderr = None
    with ThreadPoolExecutor(3) as pool:
        nets = [fb.MLP([2, 3, 1], activation=name, seed=0) for name in ("tanh", "relu", "silu")]
        print(len(list(pool.map(lambda net: net.predict([[1.0, 2.0]]), nets))), kernel_cache._notice.given)
    kernel_cache._notice.given = False
    sys.stderr = io.StringIO()
    sys.stderr.close()
    fb.MLP([2, 3, 1], activation="gelu", seed=0).predict([[1.0, 2.0]])
    print(kernel_cache._notice.given)
    sys.stderr = sys.__stderr__


def test_nobody_reads_that_kernels_are_compiled(tmp_path):
    found = run_function(notice_without_stderr, env={"NUMBA_CACHE_DIR": str(tmp_path)}).stdout.split()
    assert found == ["3", "True", "True"]
