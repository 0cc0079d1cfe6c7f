"""Do two versions of fastbp give the same bits? Hashes of what they compute, to be written by each and compared.

    python benchmarks/bits.py OUT.json [--configurations 300] [--part NAME ...]      compute, with the imported fastbp
    python benchmarks/bits.py --compare A.json B.json          print the names that differ; exit status 1 if any

It uses the public interface alone, so that it runs on versions that have nothing else in common: set PYTHONPATH to the
directory that holds the package. The file has a hash for each name, such as "017 weights", or "raised" and the type of
the error that came instead. "017 configuration" says what was trained. Configurations are drawn from a seed, and the
first 100 of 300 are those of 100. A NaN is hashed as the one NaN of its dtype, because compilers choose its sign.

The number of configurations also decides how much of all other parts is computed: with 300 all of it, and with 30 a
tenth, which takes less than a minute once the kernels are compiled. The names that begin with "negative zero" have
results of -0.0. Each has a twin, in whose name "without signs of zeros" follows, and where -0.0 counts as 0.0.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import bits_drawn
import bits_estimators
import bits_inside
import bits_named
import bits_options
import bits_sparse
import bits_together
import bits_zeros
import numpy as np
from bits_items import SEED, Case, Items

import fastbp as fb

ALL = 300
"""The number of configurations with which all cases are computed."""

PARTS: dict[str, dict[str, Case]] = {
    "named": bits_named.CASES,
    "sparse": bits_sparse.CASES,
    "zeros": bits_zeros.ZEROS,
    "widths": bits_zeros.WIDTHS,
    "negative-zeros": bits_zeros.NEGATIVE,
    "inside": bits_inside.CASES,
    "formulas": bits_inside.FORMULAS,
    "functions": bits_options.FUNCTIONS,
    "optimizers": bits_options.OPTIMIZERS,
    "options": bits_options.OPTIONS,
    "standardize": bits_options.STANDARDIZE,
    "ensembles": bits_together.CASES,
    "estimators": bits_estimators.CASES,
}
"""name: the cases of a part beside those of "drawn"."""


def chosen(cases: dict[str, Case], configurations: int) -> Iterator[tuple[str, Case]]:
    """Some cases of a part, in an order that is drawn: so few of them are of many kinds."""
    names = list(cases)
    order = np.random.default_rng(SEED).permutation(len(names))
    for k in order[: -(-len(names) * configurations // ALL)]:
        yield names[k], cases[names[k]]


def compute(configurations: int, wanted: list[str]) -> Items:
    """All items of the parts that are wanted."""
    items = Items()
    for part in wanted:
        start, before = time.perf_counter(), len(items)
        if part == "drawn":
            for number in range(configurations):
                bits_drawn.configuration(items, number)
        else:
            for name, case in chosen(PARTS[part], configurations):
                items.run(name, case)
        print(f"{part}: {len(items) - before:,} items in {time.perf_counter() - start:.1f} s", flush=True)
    return items


def compare(first: Path, second: Path) -> int:
    """Print the names of what differs; how many there are."""
    a, b = (json.loads(path.read_text(encoding="utf-8")) for path in (first, second))
    different = sorted(name for name in a.keys() & b.keys() if a[name] != b[name])
    for name in different:
        note = f": {a[name]}, {b[name]}" if "raised" in a[name] + b[name] else ""
        print(f"{name}{note}")
    for path, names in ((first, a.keys() - b.keys()), (second, b.keys() - a.keys())):
        for name in sorted(names):
            print(f"{name}: only in {path}")
    alone = len(a.keys() ^ b.keys())
    print(
        f"{len(different)} of {len(a.keys() & b.keys()):,} names differ, {alone} are only in one file", file=sys.stderr
    )
    return len(different) + alone


def main() -> int:
    """Compute or compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, metavar="OUT.json")
    parser.add_argument("--configurations", type=int, default=ALL)
    parser.add_argument("--part", nargs="+", choices=["drawn", *PARTS], default=["drawn", *PARTS])
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("A.json", "B.json"))
    options = parser.parse_args()
    if (options.out is None) == (options.compare is None):
        parser.error("give either OUT.json or --compare A.json B.json")
    if options.compare:
        return int(compare(*options.compare) > 0)
    warnings.simplefilter("ignore")  # some pairs, some scales and some short trainings are here for their bits alone
    with contextlib.suppress(ImportError):  # earlier versions compile nothing in the background
        from fastbp.engine import companions

        companions.MOST = 0  # the first training with zeros must leave them out already
    start = time.perf_counter()
    items = compute(options.configurations, options.part)
    options.out.write_text(json.dumps(items, indent=0), encoding="utf-8")
    errors = Counter(value for value in items.values() if value.startswith("raised"))
    print(f"{len(items):,} items of {fb.__file__} in {time.perf_counter() - start:.0f} s")
    for error, count in errors.items():
        print(f"{error}: {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
