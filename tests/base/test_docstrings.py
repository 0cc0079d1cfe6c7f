"""Docstrings that are filled with what the code knows."""

from helpers import run

from fastbp.base.docstrings import documented, filled, listed

LONG = listed([f"name{k}" for k in range(30)])


def test_a_docstring_is_filled_and_wrapped():
    text = filled(
        "First.\n\n    The names are {names}.\n    More follows.\n\n    - {names}\n      or none\n", names=LONG
    )
    assert max(map(len, text.splitlines())) <= 120
    assert " ".join(text.split()) == f"First. The names are {LONG}. More follows. - {LONG} or none"
    assert {len(line) - len(line.lstrip()) for line in text.splitlines() if line} == {0, 4, 6}


def test_a_text_of_several_lines_gets_the_indentation():
    assert filled("A.\n\n    {more}\n    c : int", more="b : int\n    The b.") == (
        "A.\n\n    b : int\n        The b.\n    c : int"
    )


def test_places_that_nobody_fills_stay():
    assert documented(names="a")(lambda: 1).__doc__ is None
    assert filled('{"he", "glorot"}, {name}', other="a") == '{"he", "glorot"}, {name}'


def test_without_docstrings():
    code = """
        import fastbp as fb
        print(fb.SGD.__doc__, fb.losses.__doc__, fb.metrics.r2.__doc__, fb.graph.exp.__doc__, fb.schedules.Step(3))
    """
    assert run(code, {"PYTHONOPTIMIZE": "2"}).stdout.strip() == "None None None None Step(3)"
