"""This module is the command ``python -m fastbp``. It shows what fastbp has found on this machine, and compiles."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding
import numba
import numpy as np

from . import __version__
from .base import extras
from .engine import kernel_cache, threads
from .kernels.simd.target import registers
from .training import ahead

SETS = {(512, 32): "AVX-512", (256, 16): "AVX2", (128, 16): "SSE2"}
"""The names of instruction sets of x86 by the width and the number of their registers."""


def processor() -> str:
    """Return the name of the processor as the system gives it, or as LLVM does."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    except (OSError, UnicodeDecodeError):  # this is not Linux
        pass
    return platform.processor() or llvmlite.binding.get_host_cpu_name()


def instructions() -> str:
    """Return what the kernels use of the processor."""
    bits, count = registers()
    name = SETS.get((bits, count), "")
    return f"{name}{', ' if name else ''}{count} vector registers of {bits} bits"


def size(n: int) -> str:
    """Return a number of bytes in words."""
    return f"{n / 2**20:.1f} MiB" if n >= 2**20 else f"{n / 2**10:.1f} KiB"


def cache() -> str:
    """Return where the compiled kernels are, and how many there are."""
    directory = kernel_cache.cache_directory()
    if directory is None:
        return "none, because no directory can be written: each process compiles its own kernels"
    sizes = kernel_cache.cached()
    return f"{directory.parent} ({len(sizes)} kernels, {size(sum(sizes.values()))})"


def rows() -> Iterator[tuple[str, str]]:
    """Yield the rows of the table."""
    yield "fastbp", __version__
    yield "Python", f"{platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}"
    yield "system", f"{platform.system()} {platform.machine()}"
    yield "processor", processor()
    yield "instructions", instructions()
    yield "threads", f"{threads.available()}, the number of cores that this process may use"
    yield "cache", cache()
    for extra, (package, purpose) in extras.EXTRAS.items():
        found = extras.version(extra)
        missing = f'not installed: pip install "fastbp[{extra}]"'
        yield f"[{extra}]", f"{package} {found}" if found else f"{package} for {purpose} is {missing}"


def main(arguments: list[str] | None = None) -> None:
    """Carry out the command with these arguments, or with those of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m fastbp", description="Show what fastbp has found on this machine: its processor and its cache."
    )
    parser.add_argument("--version", action="version", version=f"fastbp {__version__}")
    parser.add_argument(
        "--clear-cache", action="store_true", help="remove all compiled kernels; the next training compiles its own"
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile kernels now, for example while a container is built"
    )
    parser.add_argument(
        "--for",
        dest="settings",
        action="append",
        nargs="+",
        metavar="NAME=VALUE",
        help="compile for these settings of MLP and Trainer, such as activation=tanh loss=huber 'optimizer=SGD(0.1, "
        "momentum=0.9)'; the option can be given several times; without it, for the defaults with two losses",
    )
    given = parser.parse_args(arguments)
    if given.settings and not given.compile:
        parser.error("--for needs --compile")
    if given.compile:
        try:
            count = ahead.compiled([dict(map(ahead.setting, each)) for each in given.settings or ()] or ahead.USUAL)
        except (TypeError, ValueError) as error:
            parser.error(str(error))
        print(f"fastbp has compiled {count} kernels. The cache is {cache()}.")
    elif given.clear_cache:
        sizes = kernel_cache.clear_cache()
        print(f"fastbp has removed {len(sizes)} compiled kernels, which took {size(sum(sizes.values()))}.")
    else:
        print("\n".join(f"{name:14}{value}" for name, value in rows()))


if __name__ == "__main__":
    main()
