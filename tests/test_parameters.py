"""Parameters: how they are read and set."""

import numpy as np
import pytest
from helpers import same

import fastbp as fb


def assign_item(arrays):
    arrays[0] = arrays[0] * 2


def assign_values(arrays):
    arrays[0][:] = 7


def assign_row(arrays):
    arrays[0][:1][...] = 7


def multiply(arrays):
    array = arrays[0]
    array *= 2


def give_as_out(arrays):
    np.add(arrays[0], 1, out=arrays[0])


def add_at(arrays):
    np.add.at(arrays[0], 0, 1)


SHOWN = {
    "weights": (lambda net: net.weights, "set_weights"),
    "biases": (lambda net: net.biases, "set_weights"),
    "theta": (lambda net: (net.theta,), "assign it to theta"),
    "shift": (lambda net: (net.shift,), "standardize"),
    "scale": (lambda net: (net.scale,), "standardize"),
    "target_shift": (lambda net: (net.target_shift,), "standardize"),
    "target_scale": (lambda net: (net.target_scale,), "standardize"),
}


@pytest.mark.parametrize("change", [assign_item, assign_values, assign_row, multiply, give_as_out, add_at])
@pytest.mark.parametrize("name", SHOWN)
def test_a_change_in_place_is_refused(name, change):
    """It would be lost in silence, because these are copies. The error says what to call."""
    net = fb.MLP([3, 2], standardize_targets=[[1.0, 2.0], [3.0, 5.0]], seed=0)
    shown, advice = SHOWN[name]
    if change is assign_item and name not in ("weights", "biases"):
        return
    before = [np.array(array) for array in shown(net)]
    with pytest.raises((ValueError, TypeError), match=advice):
        change(shown(net))
    assert same(before, shown(net))


def test_what_is_computed_from_parameters_can_be_changed():
    net = fb.MLP([3, 2], seed=0)
    for made in (net.weights[0].copy(), net.weights[0] * 2, np.array(net.weights[0]), net.weights[0] @ np.eye(2)):
        made[:] = 7
        made += 1
        assert (made == 8).all()
    assert repr(net.biases[0]) == repr(np.array(net.biases[0]))
    assert type(net.weights[0] + net.weights[0]) is np.ndarray


def test_set_weights_round_trip():
    net, other = fb.MLP([17, 33, 5], seed=0), fb.MLP([17, 33, 5], seed=1)
    biases = [b + 1 for b in net.biases]
    other.set_weights(net.weights, biases)
    assert same(other.weights, net.weights)
    assert same(other.biases, biases)
