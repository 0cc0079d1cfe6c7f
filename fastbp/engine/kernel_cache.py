"""This module compiles kernels for each dtype and formula, and caches them on disk under a key that cannot be stale.

Numba's own cache only looks at the file of the function itself. It would not notice a change of a kernel in another
file, other compiler flags, or another CPU. The cache directory of this module has a name that is a digest of all of
these. A damaged cache file costs no more than the time to compile again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import re
import secrets
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding
import numba
import numpy as np
from numba import config, types
from numba.core import serialize
from numba.core.bytecode import FunctionIdentity
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.runtime import rtsys

from ..base import garbage
from ..base.user_warnings import warn
from . import companions, compiled, threads
from .records import Record

I = types.int64
DIGEST = hashlib.sha256().digest_size


MOST_TAGS = 256
"""The largest number of digests of formulas that are kept."""

NUMBERS = iter(lambda: secrets.randbits(62), None)
"""The numbers that distinguish functions of the same name and type in the machine code.

Numba's own numbers count up in each process. Closures that two processes had compiled then had the same number, and
when both came from the cache, the linker took one for the other: AdamW was trained as Nesterov. Random numbers also
differ in forked children, and in threads that compile at the same time.
"""

PACKAGE = Path(__file__).parents[1]
ROOMS = ("kernels", "formulas", "activations", "losses", "rules")
"""The folders with what kernels are made of."""

_IMPORTED = time.time()


def _sources() -> list[str]:
    """Return the names and texts of the files that kernels are made of, or nothing if they are not those in memory.

    They are read when a process first needs a kernel, and not at the import, which they would make slower. By then, an
    update may have replaced them.
    """
    found = []
    with contextlib.suppress(OSError):
        for path in (path for room in ROOMS for path in sorted((PACKAGE / room).rglob("*.py"))):
            status = path.stat()
            # On POSIX, nobody can set the time of the last change of a file.
            if (status.st_ctime if os.name == "posix" else status.st_mtime) > _IMPORTED:
                return []
            found += [path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")]
        return found
    return []


def _digest(sources: Sequence[str]) -> str:
    """Return a digest of everything that the machine code depends on."""
    parts = [sys.version, numba.__version__, llvmlite.__version__, np.__version__]
    parts += [str(config.CPU_NAME or llvmlite.binding.get_host_cpu_name()), str(config.CPU_FEATURES)]
    parts += [llvmlite.binding.get_host_cpu_features().flatten()]
    parts += [
        str(getattr(config, name))
        for name in ("OPT", "BOUNDSCHECK", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT", "ENABLE_AVX")
    ]
    parts += sources
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def _homes() -> list[Path]:
    """Return the directories in which the cache may lie, the best one first."""
    if config.CACHE_DIR:
        return [Path(config.CACHE_DIR).absolute()]  # the working directory of the process may change
    system = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    homes = [Path(system)] if system else []
    with contextlib.suppress(RuntimeError):  # the user may have no home directory
        homes.append(Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache"))
    return [home.absolute() / "fastbp" for home in homes] + [Path(__file__).parent / "__pycache__"]


@functools.cache
def cache_directory() -> Path | None:
    """Return the first directory for the cache that can be written, or None if there is no such directory.

    With None, every process compiles its own kernels.
    """
    compiled.load()  # so that the modules in memory are those of the files below, or older
    sources = _sources()
    if not sources or not hasattr(FunctionIdentity, "_unique_ids"):
        # In a zip file there are no sources to compute a digest of. If another version was installed after the import
        # of fastbp, some modules are of that one. A Numba without `_unique_ids` names functions in another way, so that
        # `NUMBERS` could not distinguish them.
        return None
    digest = _digest(sources)
    # Each user has a directory, also where several users share a home or NUMBA_CACHE_DIR.
    name = f"{digest}-{os.geteuid()}" if hasattr(os, "geteuid") else digest
    refused = []
    for home in _homes():
        directory = home / name
        try:
            home.mkdir(parents=True, exist_ok=True)
            directory.mkdir(0o700, exist_ok=True)
            if not _trusted(directory.lstat(), stat.S_IFDIR):
                refused.append(directory)
                continue
            with tempfile.TemporaryFile(dir=directory):
                return directory
        except OSError:
            continue
    if refused:
        warn(
            f"each process compiles its own kernels, because the directory {refused[0]} for compiled kernels must "
            "belong to you, and nobody else may write to it: remove it, or set NUMBA_CACHE_DIR to another directory"
        )
    return None


def _trusted(status: os.stat_result, kind: int) -> bool:
    """Return whether a file of this kind belongs to the user of this process, and nobody else can write to it.

    The kernels of a cache run as machine code. Without this test, whoever can write a file could run code as the user.
    """
    if stat.S_IFMT(status.st_mode) != kind:
        return False
    if not hasattr(os, "geteuid"):  # Windows: the directory for local data of a user is closed to other users
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _of_fastbp() -> list[Path]:
    """Return the directories with kernels of this user, also those of other versions, which nobody reads any more."""
    current = cache_directory()
    if current is None:
        return []
    owner = current.name.partition("-")[2]
    named = re.compile(f"[0-9a-f]{{20}}-{owner}" if owner else "[0-9a-f]{20}")
    found = [path for path in current.parent.iterdir() if named.fullmatch(path.name)]
    return [path for path in found if _trusted(path.lstat(), stat.S_IFDIR)]


def cached() -> dict[Path, int]:
    """Return the files of all compiled kernels of this user, also of other versions, with their sizes in bytes."""
    sizes = {}
    for directory in _of_fastbp():
        for path in directory.glob("*.kernel"):
            with contextlib.suppress(OSError):  # another process has just removed it
                found = path.lstat()
                if stat.S_ISREG(found.st_mode):
                    sizes[path] = found.st_size
    return sizes


def clear_cache() -> dict[Path, int]:
    """Remove the files of all compiled kernels of this user, and return them with their sizes in bytes.

    The directories stay, because other processes may be about to write there. If a file cannot be removed, OSError is
    raised.
    """
    removed = {}
    for path, size in cached().items():
        path.unlink(missing_ok=True)
        removed[path] = size
    return removed


class _Cache:
    """`_Cache` is the cache of a Numba dispatcher: one file for its only signature.

    Numba's own cache has an index file that stays damaged once it is damaged, and it trusts what it reads: machine code
    with one wrong bit ended the process in 5 of 12 trials. Here a digest stands before the code, and a damaged file
    counts as a missing one.
    """

    def __init__(self, path: Path):
        self._path = path

    def _content(self) -> bytes:
        """Read the file, if it is a regular file that can be trusted, else raise OSError."""
        # Links are not followed. With O_NONBLOCK, opening a pipe does not wait for somebody who writes.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(self._path, flags), "rb") as file:
            if not _trusted(os.fstat(file.fileno()), stat.S_IFREG):
                raise PermissionError(f"{self._path} can be written by others")
            return file.read()

    def load_overload(self, sig: object, target_context: Any) -> CompileResult | None:
        """Return the compiled kernel, or None if there is no valid file."""
        # This call loads the symbols that kernels are linked with. Numba's own cache loads everything that Numba can
        # compile, which takes 0.24 s. The compiler does that by itself if there is something to compile.
        rtsys.initialize(target_context)
        try:
            content = self._content()
            digest, data = content[:DIGEST], content[DIGEST:]
            if hashlib.sha256(data).digest() == digest:
                return CompileResult._rebuild(target_context, *pickle.loads(data))
        except Exception:  # there is no file, or another version of Numba wrote it
            return None
        return None

    def save_overload(self, sig: object, result: CompileResult) -> None:
        """Write a compiled kernel to the file, completely or not at all."""
        with contextlib.suppress(Exception):  # without space or permission, training works without the cache
            data = serialize.dumps(result._reduce())
            handle, name = tempfile.mkstemp(".kernel", "partial-", self._path.parent)  # which only the user can open
            partial = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(data).digest() + data)
                partial.replace(self._path)
            finally:
                partial.unlink(missing_ok=True)


class _Waited(threading.local):
    """`_Waited` holds the seconds that each thread waited for kernels."""

    seconds = 0.0


_waited = _Waited()


def clock() -> float:
    """Return the time in seconds, as `time.perf_counter` does, without the time that this thread waited for kernels.

    With it, the seconds of the first epoch are those of training, and not those of the compiler.
    """
    return time.perf_counter() - _waited.seconds


def _compiled(name: str, dispatcher: Any, signature: tuple[Any, ...]) -> CompileResult:
    """Compile a kernel, or load it from the cache. The name must be different for each kernel: it names the file."""
    start = time.perf_counter()
    try:
        return _ready(name, dispatcher, signature)
    finally:
        _waited.seconds += time.perf_counter() - start


def _ready(name: str, dispatcher: Any, signature: tuple[Any, ...]) -> CompileResult:
    """Return a kernel from the cache, or a new one."""
    if config.DISABLE_JIT:
        raise RuntimeError("NUMBA_DISABLE_JIT is set, and without a compiler there are no kernels: unset it")
    directory = threads.opening(cache_directory)  # it asks LLVM for the processor, behind a lock
    if directory:
        dispatcher._cache = _Cache(directory / f"{name}.kernel")
        loaded = threads.opening(_load, dispatcher, signature)
        if loaded is not None:
            return loaded
    # An exception in the middle of a compilation, such as that of Ctrl-C, can leave Numba unable to compile anything.
    return threads.undisturbed(_compile, dispatcher, signature)


def _load(dispatcher: Any, signature: tuple[Any, ...]) -> CompileResult | None:
    """Return the kernel of a dispatcher from the cache, or None if it is not there."""
    with global_compiler_lock:
        if signature in dispatcher.overloads:  # another thread has just loaded or compiled it
            return dispatcher.overloads[signature]
        result = dispatcher._cache.load_overload(signature, dispatcher.targetctx)
        if result is not None:
            dispatcher.add_overload(result)
        return result


def _compile(dispatcher: Any, signature: tuple[Any, ...]) -> CompileResult:
    """Compile the kernel of a dispatcher, and write it to the cache."""
    with global_compiler_lock:  # which others may hold for long: only one at a time compiles
        if signature in dispatcher.overloads:
            return dispatcher.overloads[signature]
        _notice.before()
        start = time.perf_counter()
        FunctionIdentity._unique_ids = NUMBERS
        with garbage.kept():
            dispatcher.compile(signature)
        _notice.seconds += time.perf_counter() - start
    return dispatcher.overloads[signature]


class _Notice:
    """`_Notice` says once in a process why the first training takes long. Only one thread at a time uses it."""

    patience = 1.0
    """The seconds of compiling after which a user wonders."""

    def __init__(self) -> None:
        self.seconds, self.given = 0.0, False

    def before(self) -> None:
        """Write the line to standard error if kernels have been compiled for long, and there is one more."""
        if self.given or self.seconds < self.patience:
            return
        self.given = True
        often = "once on this machine" if cache_directory() else "in each process, because it can write no cache"
        # Standard error may be None or closed, or anything that a user has put in its place.
        with contextlib.suppress(Exception):
            sys.stderr.write(f"fastbp: compiling kernels, {often}\n")
            sys.stderr.flush()


_notice = _Notice()


class Kernel(NamedTuple):
    """`Kernel` is a kernel that a program needs.

    A factory makes it from a dtype, float32 or float64, and from the options: texts, numbers, and objects with a method
    `digest`. Without a dtype, the kernel is the same for both, and the factory is the kernel itself.
    """

    factory: Callable[..., Any]
    dtype: np.dtype | None
    options: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """The name of the kernel, which is different for each kernel: it is that of its file."""
        if self.dtype is None:
            return str(self.make().py_func.__name__)
        tags = (_tag(option, self.dtype) for option in self.options)
        return "-".join([self.factory.__name__, str(self.dtype), *tags])

    def make(self) -> Any:
        """Return the dispatcher of Numba that compiles the kernel."""
        return self.factory if self.dtype is None else self.factory(self.dtype.type, *self.options)


Operation = tuple[Kernel, Record]
"""A kernel, and the record that it gets."""


_tags: dict[tuple[Any, ...], str] = {}


def _tag(option: Any, dtype: np.dtype) -> str:
    """Return what an argument of a kernel factory adds to its name: text, a number, or a digest of formulas.

    Digests are kept by all attributes of an object. Its own class may call objects equal that have other formulas.
    """
    if isinstance(option, str | int | None):
        return str(option)
    key = type(option), tuple(vars(option).items()), dtype
    try:
        found = _tags.get(key)
    except TypeError:  # an attribute of a class of the user has no hash
        return str(option.digest(dtype))
    if found is None:
        if len(_tags) >= MOST_TAGS:
            _tags.clear()
        found = _tags[key] = str(option.digest(dtype))
    return found


_addresses: dict[str, int] = {}


def addresses(kernels: Sequence[Kernel], parallel: bool = False) -> list[int]:
    """Return the addresses of the machine code of kernels. A process compiles a kernel once, when it first needs it.

    With `parallel`, several threads will run them, and the loop over parts is compiled with them.
    """
    names = [kernel.name for kernel in kernels]
    wanted = {name: kernel for name, kernel in zip(names, kernels, strict=True) if name not in _addresses}
    missing = [name for name in wanted if not _is_cached(name)]
    directory = cache_directory()
    if directory is not None and len(missing) > 1:
        serial = Kernel(compiled.loop.serial, None)  # a network that is worth one thread may come next
        if serial.name not in _addresses:
            wanted[serial.name] = serial
            missing += [serial.name] * (not _is_cached(serial.name))
        with companions.helping([wanted[name] for name in missing], directory.parent) as mine:
            if mine is not None:
                if parallel:
                    loop(True)  # at once, because starting its threads takes time, and companions cannot do it
                for name in missing:
                    if mine(name):
                        _compiled_address(name, wanted[name])
    for name, kernel in wanted.items():
        _compiled_address(name, kernel)
    return [_addresses[name] for name in names]


def for_later(kernels: Sequence[Kernel]) -> list[Kernel]:
    """Return the kernels that could be compiled in the background, and that neither the cache nor this process has."""
    possible = companions.background.allowed and companions.possible()
    if not possible or threads.opening(cache_directory) is None:
        return []
    named = {kernel.name: kernel for kernel in kernels}
    return [kernel for name, kernel in named.items() if name not in _addresses and not _is_cached(name)]


def compile_later(kernels: Sequence[Kernel]) -> bool:
    """Return whether a companion compiles these kernels in the background from now on."""
    directory = cache_directory()
    return directory is not None and companions.background.takes(kernels, directory.parent)


def _compiled_address(name: str, kernel: Kernel) -> None:
    """Compile a kernel, or load it from the cache, and note its address."""
    if name not in _addresses:
        dispatcher = kernel.make()
        result = _compiled(name, dispatcher, (I,) * dispatcher.py_func.__code__.co_argcount)
        _addresses[name] = threads.opening(result.library.get_pointer_to_function, result.fndesc.llvm_func_name)


def _is_cached(name: str) -> bool:
    """Return whether the cache has a file for a kernel."""
    directory = threads.opening(cache_directory)
    return directory is not None and (directory / f"{name}.kernel").exists()


def names() -> dict[int, str]:
    """Return the names of the kernels of this process by their addresses. Profiling tools use them."""
    return {address: name for name, address in _addresses.items()}


@functools.cache
def loop(parallel: bool) -> Callable[[int, int, int], int]:
    """Return the compiled loop over parts, for one thread or for many."""
    if parallel:
        threads.start()  # compiling or loading the loop would start them with the default of spins
        dispatcher = compiled.loop.loop(True)
        _compiled("parallel", dispatcher, (I,) * 3)
    else:
        dispatcher = compiled.loop.serial
        _compiled_address(dispatcher.py_func.__name__, Kernel(dispatcher, None))
    dispatcher.disable_compile()
    made: Callable[[int, int, int], int] = dispatcher
    return made
