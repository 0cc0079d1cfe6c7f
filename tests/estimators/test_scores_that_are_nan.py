"""Early stopping by a score that is NaN: it is no improvement, and it does not bring the first weights back."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastbp.sklearn import MLPClassifier, MLPRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 3))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_score_that_is_always_nan(kind):
    y = (X[:, 0] > 0).astype(int)
    options = {"hidden_layer_sizes": (5,), "max_iter": 100, "n_iter_no_change": 3, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="No validation score is a number, so the network keeps"):
        made = kind(early_stopping=True, scoring=lambda *_: np.nan, **options).fit(X, y)
    assert made.n_iter_ < 10
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):
        first = kind(**options | {"max_iter": 1, "learning_rate_init": 1e-30}).fit(X, y)
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(made.coefs_, first.coefs_, strict=True))
