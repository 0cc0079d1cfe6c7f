"""Compilation: kernels by dtype and rule, cached on disk under a key that cannot be stale.

Numba's own cache looks at the file of the function alone: a kernel changed elsewhere, other flags or another
CPU would go unnoticed. The directory is therefore keyed by a digest of all of these. No cache file, whatever it
holds, can do more than cost the time to compile.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba import config, types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserWideCacheLocator

from . import minibatch

I = types.int64
DTYPES = {np.dtype(np.float32): np.float32, np.dtype(np.float64): np.float64}


SOURCES = sorted(Path(__file__).parent.rglob("*.py"))


def _digest() -> str:
    """Of all that the machine code depends on."""
    parts = [sys.version, numba.__version__, llvmlite.__version__, np.__version__]
    parts += [str(config.CPU_NAME or llvmlite.binding.get_host_cpu_name()), str(config.CPU_FEATURES)]
    parts += [llvmlite.binding.get_host_cpu_features().flatten()]
    parts += [
        str(getattr(config, name))
        for name in ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT")
    ]
    for source in SOURCES:
        parts += [source.name, source.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _homes() -> list[Path]:
    """Where a cache may lie, best first."""
    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR)]
    system = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    homes = [Path(system)] if system else []
    with contextlib.suppress(RuntimeError):  # no home directory
        homes.append(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return [home / "fastbp" for home in homes] + [Path(__file__).parent / "__pycache__"]


@functools.cache
def cache_directory() -> Path | None:
    """The first place that can be written, or None: then every process compiles for itself."""
    if not SOURCES:  # in a zip file: nothing to tell one version from another
        return None
    digest = _digest()
    for home in _homes():
        directory = home / digest
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory):
                return directory
        except OSError:
            continue
    return None


class _Locator(UserWideCacheLocator):
    """Numba's locator, in our directory."""

    def __init__(self, py_func, py_file):
        super().__init__(py_func, py_file)
        self._cache_path = str(cache_directory())


class _CacheImpl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _File(IndexDataCacheFile):
    """Numba's pair of files, with a digest at the end of each: code with one wrong bit would end the process."""

    def _dump(self, obj):
        data = super()._dump(obj)
        return data + hashlib.sha256(data).digest()

    def _checked(self, path):
        content = Path(path).read_bytes()
        version = pickle.dumps(self._version, protocol=-1) if path == self._index_path else b""
        data, digest = content[len(version) : -32], content[-32:]
        return data if hashlib.sha256(data).digest() == digest else None

    def _load_index(self):
        try:
            data = self._checked(self._index_path)
        except FileNotFoundError:
            return {}
        stamp, overloads = pickle.loads(data) if data else (None, {})
        return overloads if stamp == self._source_stamp else {}

    def _load_data(self, name):
        data = self._checked(self._data_path(name))
        return pickle.loads(data) if data else None


class _Cache(FunctionCache):
    """Numba's cache, but a file that cannot be read, or written, is one that is not there."""

    _impl_class = _CacheImpl

    def __init__(self, py_func):
        super().__init__(py_func)
        locator = self._impl.locator
        self._cache_file = _File(locator.get_cache_path(), self._impl.filename_base, locator.get_source_stamp())

    def _index_key(self, sig, codegen):
        # The name of the file tells closures apart. Numba would hash what they hold, and kernels hash anew each time.
        return sig, codegen.magic_tuple()

    def load_overload(self, sig, target_context):
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a pickle that was cut or damaged can raise anything
            return None

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # the same, of the index that is read first; or no space left
            return


def _cached(name: str, dispatcher):
    """Cache a dispatcher under a name: Numba would take what two closures of one source line compile to for one."""
    if cache_directory():
        dispatcher.py_func.__qualname__ = name
        with contextlib.suppress(Exception):  # a Numba whose cache is made otherwise: then without
            dispatcher._cache = _Cache(dispatcher.py_func)
    return dispatcher


def _address(name: str, dispatcher, *signature) -> int:
    """Compile a kernel, or load it, and return where its machine code is."""
    _cached(name, dispatcher).compile(signature)
    result = dispatcher.overloads[signature]
    return result.library.get_pointer_to_function(result.fndesc.llvm_func_name)


@functools.cache
def propagate(dtype: np.dtype) -> int:
    """The address of phase 1 for a dtype, without the loss."""
    return _address(f"propagate-{dtype}", minibatch.propagate(DTYPES[dtype]), I, I, I, I)


@functools.cache
def judge(dtype: np.dtype, code: int, sigma_code: int) -> int:
    """The address of phase 1 for a dtype, a loss and an output, the loss."""
    return _address(f"judge-{dtype}-{code}-{sigma_code}", minibatch.judge(DTYPES[dtype], code, sigma_code), I, I, I)


@functools.cache
def descend(dtype: np.dtype, rule: int) -> int:
    """The address of phase 2 for a dtype and a rule."""
    return _address(f"descend-{dtype}-{rule}", minibatch.descend(DTYPES[dtype], rule), I, I, I, I)


@functools.cache
def loop(parallel: bool) -> Callable:
    """The loop over parts, with one thread or with many."""
    dispatcher = _cached("parallel" if parallel else "serial", minibatch.loop(parallel))
    dispatcher.compile((I,) * 7)
    dispatcher.disable_compile()
    return dispatcher
