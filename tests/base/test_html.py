"""What notebooks show: HTML that is well formed, with the numbers of the object, and nothing of users unescaped."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest
from helpers import labelled, run

import fastbp as fb

SVG = "{http://www.w3.org/2000/svg}"


def parsed(of: object) -> ElementTree.Element:
    """What a notebook gets, read by a strict parser."""
    return ElementTree.fromstring(of._repr_html_())


def rows(element: ElementTree.Element) -> list[list[str]]:
    return [[cell.text for cell in row] for row in element.iter("tr")]


def test_network():
    net = fb.MLP([784, 30, 10], activation="tanh", output="softmax", dropout=[0.1, 0.2], bias=[True, False])
    page = parsed(net)
    assert rows(page) == [
        ["layer", "activation", "weights", "biases", "parameters", "dropout"],
        ["1", "tanh", "784 x 30", "30", "23,550", "0.2"],
        ["2", "softmax", "30 x 10", "0", "300", "0"],
    ]
    words = " ".join(page.itertext())
    assert "23,850 parameters, float32, dropout of inputs 0.1" in words
    (picture,) = page.iter(f"{SVG}svg")
    assert [each.text for each in picture.iter(f"{SVG}text")] == ["784", "30", "10"]
    assert len([c for c in picture.iter(f"{SVG}circle") if c.get("r") == "6"]) == 12


def test_small_and_deep_networks():
    assert rows(parsed(fb.MLP([1, 1])))[1] == ["1", "identity", "1 x 1", "1", "2"]
    assert len(list(parsed(fb.MLP([2, 3])).iter(f"{SVG}circle"))) == 5
    deep = parsed(fb.MLP([2] * 30))
    assert not list(deep.iter(f"{SVG}svg"))
    assert len(rows(deep)) == 30


def test_names_of_users_are_escaped():
    own = fb.activations.Formula(lambda z, a: z * a, constants={"a": 2.0})
    assert "Formula(z * a, a=2)" in rows(parsed(fb.MLP([1, 2, 1], activation=own)))[1]
    history = fb.History()
    history.record(**{"loss": 1.0, "<script>alert(1)</script>": 2.0})
    assert "<script>" not in history._repr_html_()
    assert "<script>alert(1)</script>" in rows(parsed(history))[0]


@pytest.mark.parametrize("epochs", [1, 2, 20, 21, 1000])
def test_history(epochs):
    history = fb.History(
        loss=[1 / (k + 1) for k in range(epochs)], learning_rate=[0.1] * epochs, seconds=[1.0] * epochs,
        validation_loss=[math.nan] * epochs, accuracy=[math.nan] * (epochs - 1) + [0.5], error=[math.inf] * epochs,
    )  # fmt: skip
    page = parsed(history)
    found = rows(page)
    assert found[0] == ["epoch", *history]
    assert found[-1] == [str(epochs), f"{1 / epochs:.4g}", "0.1", "1", "-", "0.5", "inf"]
    assert len(found) == min(epochs, 20) + 1
    titles = [each.text for each in page.iter(f"{SVG}title")]
    assert titles == [f"{name} in {epochs} epochs" for name in ("loss, validation_loss (dashed)", "accuracy", "error")]
    assert "nan" not in history._repr_html_().replace(" nan", "")
    assert len(history._repr_html_()) < 30_000


def test_curves_are_inside_of_their_picture():
    values = [1e308, -1e308, 0.0, 5.0]
    (picture,) = parsed(fb.History(loss=values)).iter(f"{SVG}svg")
    curve = [path.get("d") for path in picture.iter(f"{SVG}path")][1]
    heights = [float(point.split()[1].removesuffix("h0")) for point in curve.replace("L", "M").split("M")[1:]]
    assert heights == [18.0, 124.0, 71.0, 71.0]


def test_no_epoch():
    assert "no epoch" in fb.History()._repr_html_()


def test_trainer():
    X, y = labelled()
    trainer = fb.Trainer(fb.MLP([6, 4, 3], output="softmax", seed=0), loss="cross_entropy", metrics=["top_5_accuracy"])
    assert "no epoch" in trainer._repr_html_()
    trainer.fit(X, y, epochs=3)
    page = parsed(trainer)
    found = rows(page)
    assert ["loss", "'cross_entropy'"] in found
    assert ["metrics", "('top_5_accuracy',)"] in found
    assert found[-1][0] == "3"
    assert len(list(page.iter(f"{SVG}svg"))) == 3


def test_the_import_does_not_load_it():
    code = "import sys, fastbp; print('fastbp.base.html' in sys.modules, 'html' in sys.modules)"
    assert run(code).stdout.split()[0] == "False"


def test_plot():
    matplotlib = pytest.importorskip("matplotlib", reason="draws with matplotlib")
    matplotlib.use("agg")  # which needs no screen
    history = fb.History(loss=[0.5, 0.25], validation_loss=[0.6, 0.4], accuracy=[0.5, 0.75])
    ax = history.plot()
    assert [line.get_label() for line in ax.lines] == ["loss", "validation_loss"]
    assert ax.lines[1].get_xydata().tolist() == [[1.0, 0.6], [2.0, 0.4]]
    assert ax.get_xlabel() == "epoch"
    assert history.plot("accuracy", ax=ax) is ax
    assert ax.lines[2].get_xydata().tolist() == [[1.0, 0.5], [2.0, 0.75]]
    assert len(fb.History().plot().lines) == 0
    matplotlib.pyplot.close("all")


def test_plot_of_a_column_that_is_not_there():
    with pytest.raises(ValueError, match="columns must be one of 'loss', got 'los'"):
        fb.History(loss=[1.0]).plot("los")
