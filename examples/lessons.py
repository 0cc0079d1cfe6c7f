"""Run the lines of lessons.md one after another, and say where they print something else than the page shows.

With `--write`, the page gets what they print.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import math
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("lessons.md")

BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n(?P<shown>.*?)```\n)?", re.DOTALL)
"""Lines of Python, and what they print, if they print something."""

NUMBER = re.compile(r"(?<![\w^])-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?")


def run(code: str, names: dict[str, Any], line: int = 1) -> str:
    """Run code, and return what a notebook shows: what it prints, warnings, and the value of the last line.

    Tracebacks show the lines of the page, on which the code begins at `line`.
    """
    *lines, last = ast.increment_lineno(ast.parse(code), line - 1).body
    with contextlib.redirect_stdout(io.StringIO()) as printed, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        lines += [] if isinstance(last, ast.Expr) else [last]
        exec(compile(ast.Module(lines, []), str(PAGE), "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), str(PAGE), "eval"), names)
            if value is not None:
                print(value if isinstance(value, str) else repr(value))
    said = [f"{each.category.__name__}: {each.message}\n" for each in caught]
    return "".join([*said, printed.getvalue()])


def alike(shown: str, printed: str) -> bool:
    """Return whether two outputs are equal, but for spaces and for the last digits of numbers."""
    texts = [re.sub(r"\s+", "", NUMBER.sub("#", text)) for text in (shown, printed)]
    numbers = [[*map(float, NUMBER.findall(text))] for text in (shown, printed)]
    return texts[0] == texts[1] and all(
        math.isclose(x, y, rel_tol=1e-3, abs_tol=2e-4) for x, y in zip(*numbers, strict=True)
    )


def blocks(page: str) -> Iterator[tuple[re.Match[str], str]]:
    """Run the blocks of a page, and return each of them with what it prints."""
    names: dict[str, Any] = {}
    for block in BLOCK.finditer(page):
        yield block, run(block["code"], names, 1 + page.count("\n", 0, block.start("code")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write what the lines print into the page")
    page, out, end, wrong = PAGE.read_text(encoding="utf-8"), [], 0, 0
    write = parser.parse_args().write
    for block, printed in blocks(page):
        shown = f"\n```text\n{printed}```\n" if printed else ""
        out += [page[end : block.start()], f"```python\n{block['code']}```\n{shown}"]
        end = block.end()
        if not alike(block["shown"] or "", printed):
            wrong += 1
            print(f"{block['code']}prints\n{printed}and the page shows\n{block['shown'] or 'nothing'}")
    if write:
        PAGE.write_text("".join([*out, page[end:]]), encoding="utf-8")
    sys.exit(1 if wrong and not write else 0)


if __name__ == "__main__":
    main()
