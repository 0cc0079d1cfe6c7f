"""Threads: how many a process may have, and that a fit leaves no trace of its own number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from helpers import run, run_function
from numba.np.ufunc import parallel

import fastbp as fb
from fastbp.engine import threads

# --- how many ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """`system(groups, **files)`: what this process reads of /proc/self/cgroup and below /sys/fs/cgroup."""

    def write(groups: str, files: dict[str, str]) -> None:
        root = tmp_path / "sys/fs/cgroup"
        for path, content in {tmp_path / "proc/self/cgroup": groups, **{root / k: v for k, v in files.items()}}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    monkeypatch.setattr(threads, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads._quota.cache_clear()
    yield write
    threads._quota.cache_clear()


V1 = "12:memory:/\n4:cpu,cpuacct:/a/b\n3:cpuset:/a\n1:name=systemd:/a\n"


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        pytest.param("0::/\n", {}, 8, id="no limit"),
        pytest.param("0::/\n", {"cpu.max": "max 100000\n"}, 8, id="max"),
        pytest.param("0::/\n", {"cpu.max": "300000 100000\n"}, 3, id="3"),
        pytest.param("0::/\n", {"cpu.max": "250000 100000\n"}, 2, id="2.5"),
        pytest.param("0::/\n", {"cpu.max": "50000 100000\n"}, 1, id="half a core"),
        pytest.param("0::/\n", {"cpu.max": "6400000 100000\n"}, 8, id="more than there are"),
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "200000 100000"}, 2, id="of the parent"),
        pytest.param("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "600000 100000"}, 4, id="the least"),
        pytest.param("0::/a\n", {"b/cpu.max": "200000 100000"}, 8, id="of another group"),
        pytest.param("0::/../x\n", {"cpu.max": "200000 100000"}, 2, id="outside the namespace"),
        pytest.param("0::/a:b\n", {"a:b/cpu.max": "200000 100000"}, 2, id="a colon in the path"),
        pytest.param("0::/\n", {"cpu.max": "nonsense\n"}, 8, id="not a limit"),
        pytest.param("0::/\n", {"cpu.max": ""}, 8, id="empty"),
        pytest.param(
            V1,
            {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "300000\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"},
            3,
            id="v1",
        ),
        pytest.param(
            V1,
            {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n"},
            8,
            id="v1 none",
        ),
        # A container sees its own group as the root, under the name that it has outside.
        pytest.param(
            V1,
            {"cpu,cpuacct/cpu.cfs_quota_us": "200000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            2,
            id="v1 container",
        ),
        pytest.param(
            V1 + "0::/\n",
            {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "500000", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"},
            5,
            id="both versions",
        ),
    ],
)
def test_quota(system, groups, files, cores):
    system(groups, files)
    assert threads.available() == cores


def test_no_control_groups(system, tmp_path):
    """Not Linux, or no /proc."""
    assert not (tmp_path / "proc").exists()
    assert threads.available() == 8


def test_numba_num_threads(system, monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 5)
    assert threads.available() == 5


@pytest.mark.parametrize(("given", "cores"), [("3", 3), ("4,2", 4), ("16", 8), ("0", 1), ("", 8), ("many", 8)])
def test_omp_num_threads(system, monkeypatch, given, cores):
    system("0::/\n", {})
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert threads.available() == cores


# --- a fit ------------------------------------------------------------------------------------------------------------


def fit(n_threads: int | None, eta: float = 0.1) -> fb.Trainer:
    """A fit whose minibatches are worth many threads."""
    net = fb.MLP([256, 128, 10], output="softmax", seed=0)
    trainer = fb.Trainer(net, loss="cross_entropy", optimizer=fb.SGD(eta), batch_size=256, n_threads=n_threads)
    trainer.fit(np.random.default_rng(0).normal(size=(512, 256)), np.arange(512) % 10)
    return trainer


def one_core() -> None:
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    assert threads.available() == 1
    fit(None)
    assert not parallel._is_initialized, "Numba's thread pool"
    fit(2)
    assert parallel._is_initialized, "that of a fit with two threads"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this platform has no affinity of processes")
def test_affinity():
    """Set after the import too, and then a fit takes one thread by itself."""
    run_function(one_core)


def restore() -> None:
    numba.set_num_threads(3)
    with threads.team(2):
        assert numba.get_num_threads() == 2
    with threads.team(9):
        assert numba.get_num_threads() == 4
    with threads.team(1):
        assert numba.get_num_threads() == 3  # nothing parallel, and nothing to set
    fit(2)
    assert numba.get_num_threads() == 3
    with pytest.raises(FloatingPointError):
        fit(2, eta=1e38)
    assert numba.get_num_threads() == 3


def test_number_of_threads_is_restored():
    """A fit sets Numba's number for its calls only, also when they end in an error."""
    run_function(restore, env={"NUMBA_NUM_THREADS": "4"})


def test_threads_start_with_the_spins_of_their_own(tmp_path):
    """Whatever starts Numba's threads first, a compilation or a load from the cache, finds the count set."""
    code = """
    import os
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)
    import numba.np.ufunc.parallel as parallel
    launch, seen = parallel._launch_threads, []
    def spy():
        seen.append(os.environ.get("GOMP_SPINCOUNT"))
        launch()
    parallel._launch_threads = spy
    import numpy as np
    import fastbp as fb
    from fastbp.engine import threads
    fb.MLP([3, 2], seed=0).predict(np.ones((40, 3)), n_threads=2)
    assert seen[0] == threads.SPINS, seen
    assert "GOMP_SPINCOUNT" not in os.environ
    """
    for _ in ("empty", "warm"):
        run(code, {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "0"})
