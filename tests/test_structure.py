"""The structure of the package: imports run one way, without circles, and nothing is longer than a reader can see."""

import ast
import io
import subprocess
import tokenize
from collections.abc import Iterator

import pytest
from helpers import PACKAGE

FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__"): path for path in FILES}
ROOMS = [
    "base", "kernels", "engine", "formulas", "activations", "losses", "metrics", "schedules", "rules", "data",
    "network", "callbacks", "training", "generative", "sklearn", "",
]  # fmt: skip
"""The folders from the ground up. The modules beside the folders, "", are public doors on the top floor."""


def imports(name: str) -> Iterator[str]:
    """The modules of the package that a module imports, also inside functions and for type checkers alone."""
    path = MODULES[name]
    package = path.relative_to(PACKAGE).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            base = [part for part in base if part]
            for alias in node.names:
                inside, package_itself = ".".join([*base, alias.name]), ".".join(base)
                candidates = (inside, inside + ".", package_itself, package_itself + ".")
                yield next((found for found in candidates if found in MODULES), "")


def folder(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


GRAPH = {name: {other for other in imports(name) if other in MODULES and other != name} for name in MODULES}


def test_the_graph_is_that_of_the_package():
    assert "engine.computer" in GRAPH["network.network"]
    assert "kernels.simd.vector" in GRAPH["kernels.simd.functions"]
    assert len(GRAPH) > 40


@pytest.mark.parametrize("name", [name for name in MODULES if name])
def test_a_room_imports_from_rooms_below(name):
    floor = ROOMS.index(folder(name))
    above = {other for other in GRAPH[name] if ROOMS.index(folder(other)) > floor}
    assert not above, name


def test_a_module_beside_the_folders_is_public():
    assert {name for name in MODULES if folder(name) == ""} == {"", "__main__", "datasets", "graph", "interop"}


def test_no_circles():
    done: set[str] = set()
    while len(done) < len(GRAPH):
        ready = {name for name, wanted in GRAPH.items() if name not in done and wanted <= done}
        assert ready, f"imports run in a circle among {sorted(GRAPH.keys() - done)}"
        done |= ready


def code_lines(source: str) -> tuple[set[int], ast.Module]:
    """The numbers of the lines that are neither blank, comment nor docstring; and the syntax tree."""
    tree, lines = ast.parse(source), set()
    skip = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip:
            lines |= {*range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                lines -= {*range(statement.lineno, statement.end_lineno + 1)}
    return lines, tree


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_600_lines_and_a_class_300_and_a_function_50_lines_of_code(path):
    source = path.read_text(encoding="utf-8")
    lines, tree = code_lines(source)
    assert source.count("\n") <= 600
    for node in ast.walk(tree):
        most = {ast.FunctionDef: 50, ast.AsyncFunctionDef: 50, ast.ClassDef: 300}.get(type(node))
        if most is not None:
            assert len(lines & {*range(node.lineno, node.end_lineno + 1)}) <= most, node.name


def test_git_tracks_only_what_the_project_is_made_of():
    """Caches and outputs of tools, which hold paths of the machine that wrote them, have been tracked before."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        pytest.skip("these sources are not a clone of the repository")
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    assert {path.partition("/")[0] for path in tracked} == {
        ".ci", ".github", ".gitignore", "LICENSE", "README.md", "benchmarks", "examples", "fastbp", "pyproject.toml",
        "tests",
    }  # fmt: skip
    assert [path for path in tracked if path.startswith(".ci/")] == [".ci/run"]


def test_factories_of_kernels_have_different_names():
    """A kernel has the name of its factory, in this process and in the cache."""
    found = [
        node.name
        for path in FILES
        if path.parent.name == "kernels"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "dtype"
    ]
    assert len(found) > 10
    assert len(found) == len({*found})
