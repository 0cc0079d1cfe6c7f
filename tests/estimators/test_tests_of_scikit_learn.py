"""The test module of the installed scikit-learn for its `MLPClassifier` and `MLPRegressor`, with those of fastbp."""

import importlib.util
from unittest import mock

import pytest

from fastbp import sklearn as ours

MODULE = "sklearn.neural_network.tests.test_mlp"

LEFT_OUT = {
    "test_gradient": "calls the private method _loss_grad_lbfgs",
    "test_learning_rate_warmstart": "reads the private attribute _optimizer",
    "test_adaptive_learning_rate": "reads the private attribute _optimizer",
}
"""The tests that look at what scikit-learn keeps private, each with what it looks at."""

pytestmark = [
    # The tests of scikit-learn do not make errors of all warnings.
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore:the (inputs|targets) have"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def load():
    """A copy of the module whose names mean the estimators of fastbp, also in the parameters of its tests."""
    try:
        spec = importlib.util.find_spec(MODULE)
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        pytest.skip("this build of scikit-learn has no tests", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)
    names = {name: getattr(ours, name) for name in ("MLPClassifier", "MLPRegressor")}
    with mock.patch.multiple("sklearn.neural_network", **names):
        spec.loader.exec_module(module)
    assert module.MLPClassifier is ours.MLPClassifier
    return module


THEIRS = load()
TESTS = {name: test for name, test in vars(THEIRS).items() if name.startswith("test_") and name not in LEFT_OUT}
globals().update(TESTS)


@pytest.fixture
def global_random_seed():
    return 42


def test_what_is_left_out_touches_private_names():
    assert len(TESTS) > 30
    for name, why in LEFT_OUT.items():
        code = getattr(THEIRS, name).__code__
        inside = [code, *(part for part in code.co_consts if hasattr(part, "co_names"))]
        assert why.split()[-1] in {each for part in inside for each in part.co_names}
