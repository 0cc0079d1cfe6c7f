"""L-BFGS with targets that are large: the loss must show what a step does."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import fastbp as fb
from fastbp.sklearn import MLPRegressor
from fastbp.training import lbfgs

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 1)).astype(np.float32)


def fitted(scale: float, dtype: type, **options) -> tuple[float, MLPRegressor]:
    """The score of targets that lie around a number, and the estimator."""
    y = scale * (1 + 0.1 * X[:, 0].astype(np.float64))
    options = {"hidden_layer_sizes": (20,), "solver": "lbfgs", "random_state": 0, "max_iter": 500} | options
    made = MLPRegressor(**options).fit(X.astype(dtype), y)
    return made.score(X.astype(dtype), y), made


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge after 500")
@pytest.mark.parametrize("scale", [1.0, 1e5, 3e7, -1e9])
def test_float32_learns_what_float64_learns(scale):
    """It reached -108 from 1e9 on."""
    single, double = (fitted(scale, dtype)[0] for dtype in (np.float32, np.float64))
    assert single > 0.99
    assert double > 0.99


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1e9), (np.float64, 1e11), (np.float64, 1e18)])
def test_a_fit_that_cannot_move_warns(dtype, scale, monkeypatch):
    """In float32, without float64 for large targets, and in float64 for larger ones."""
    monkeypatch.setattr(lbfgs, "LARGE", np.inf)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        score, _ = fitted(scale, dtype)
    assert score < -100


def test_a_trial_that_overflows_is_a_longer_step_refused():
    """The exponential of an output is no float32 from 88 on."""
    exponential = fb.losses.Formula(lambda a, y: fb.graph.exp(a) - 1e4 * y * a, name="exponential")
    made = MLPRegressor(exponential, (), solver="lbfgs", random_state=0, alpha=0, max_iter=500)
    y = np.full(200, 1.0)
    made.fit(X, y)
    assert made.predict(X) == pytest.approx(np.full(200, np.log(1e4)), rel=1e-2)


def test_the_trainer_learns_large_targets():
    y = 1e9 * (1 + 0.1 * X[:, 0].astype(np.float64))
    trainer = fb.Trainer(fb.MLP([1, 20, 1], seed=0), loss="squared_error", optimizer=fb.LBFGS(), metrics=["r2"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the targets have a mean")
        trainer.fit(X, y, epochs=300)
    assert trainer.evaluate(X, y)["r2"] > 0.99
    assert trainer.network.dtype == np.float32
