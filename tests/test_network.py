"""MLP: predictions of any rows in any type, and copies."""

import copy
import pickle
import re

import numpy as np
import pytest
import reference
from helpers import labelled

import fastbp as fb
from fastbp.activations import ACTIVATIONS, OUTPUTS


def as_float64(net):
    return [a.astype(float) for a in net.weights], [a.astype(float) for a in net.biases]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-6), (np.float64, 1e-14)])
def test_predict(activation, output, dtype, tolerance):
    rng = np.random.default_rng(0)
    for sizes in ([3, 1], [17, 33, 5], [8, 16, 16, 20]):
        net = fb.MLP(sizes, activation=activation, output=output, dtype=dtype, seed=0)
        net.set_weights(net.weights, [rng.normal(size=n) for n in sizes[1:]])
        X = rng.normal(size=(29, sizes[0])).astype(dtype)
        _, a = reference.forward(X.astype(float), *as_float64(net), net.architecture.activation, output)
        got = net.predict(X)
        assert got.dtype == dtype
        assert reference.relative(got, a[-1]) < tolerance


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 1000])
def test_predict_any_number_of_rows(n):
    net = fb.MLP([5, 9, 4], output="softmax", seed=0)
    X = np.random.default_rng(0).normal(size=(n, 5))
    _, a = reference.forward(X, *as_float64(net), net.architecture.activation, "softmax")
    assert reference.relative(net.predict(X), a[-1]) < 3e-6
    assert (net.predict_classes(X) == a[-1].argmax(axis=1)).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda X: X.astype(np.uint8),
        lambda X: X.astype(np.float64),
        lambda X: X.astype(np.int16),
        lambda X: X.astype(np.float16),
        lambda X: X.astype(">f4"),
        lambda X: np.asfortranarray(X.astype(np.float32)),
        lambda X: np.repeat(X.astype(np.float32), 2, axis=1)[:, ::2],
        lambda X: X.tolist(),
    ],
)
def test_inputs_of_any_kind(make):
    """The same numbers in any type and memory order give the same predictions."""
    X = np.random.default_rng(0).integers(0, 200, (50, 21)).astype(np.float32)
    net = fb.MLP([21, 8, 3], output="softmax", scale=1 / 255, shift=3.0, seed=0)
    assert (net.predict(make(X)) == net.predict(X)).all()


def test_read_only_and_unaligned_inputs():
    X = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    net = fb.MLP([5, 3], seed=0)
    raw = np.zeros(X.nbytes + 1, np.uint8)
    unaligned = raw[1:].view(np.float32).reshape(X.shape)
    unaligned[:] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    assert (net.predict(unaligned) == net.predict(X)).all()
    assert (net.predict(frozen) == net.predict(X)).all()


def test_scale_and_shift():
    """x' = (x - shift) * scale, a number or one per feature."""
    rng = np.random.default_rng(0)
    shift, scale = rng.normal(size=19), rng.uniform(0.5, 2, 19)
    X = rng.normal(size=(11, 19))
    for a, b in ((shift, scale), (0.5, scale), (shift, 2)):
        net = fb.MLP([19, 4], shift=a, scale=b, dtype=np.float64, seed=0)
        wanted = ((X - a) * b) @ net.weights[0] + net.biases[0]
        assert reference.relative(net.predict(X), wanted) < 1e-14


def test_predict_classes_of_one_output():
    net = fb.MLP([1, 1], output="sigmoid")
    net.set_weights([[[1.0]]], [[0.0]])
    assert net.predict_classes([[-1.0], [0.0], [1.0]]).tolist() == [0, 1, 1]
    assert net.predict_classes([[0.0]]).dtype == np.int64


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_are_networks_of_their_own(duplicate):
    net = fb.MLP([17, 9, 5], activation="tanh", output="softmax", scale=np.arange(17.0), seed=0)
    X = np.random.default_rng(0).normal(size=(5, 17))
    twin = duplicate(net)
    assert (twin.predict(X) == net.predict(X)).all()
    before = net.predict(X)
    twin.set_weights([W * 2 for W in twin.weights], twin.biases)
    assert (net.predict(X) == before).all()
    assert (twin.predict(X) != before).any()


def test_the_docstring_says_which_distribution_each_layer_gets():
    lines = re.findall(r'- (.*) get "(\w+)_uniform"', fb.MLP.__doc__)
    said = {name: method for names, method in lines for name in re.findall(r'"(\w+)"', names)}
    assert said == {name: sigma.init for name, sigma in ACTIVATIONS.items()}


def test_printed():
    net = fb.MLP([784, 256, 10], output="softmax")
    assert str(net) == "MLP(784-256-10, activation='relu', output='softmax', 203,530 parameters, float32)"
    assert str(fb.MLP([2, 1], dtype=np.float64)) == "MLP(2-1, output='identity', 3 parameters, float64)"
    assert "['tanh', 'relu']" in str(fb.MLP([2, 3, 4, 1], activation=["tanh", "relu"]))


# --- parts ------------------------------------------------------------------------------------------------------------

SIZES = [6, 5, 4, 3, 2]


def whole(**options) -> fb.MLP:
    """A network whose layers differ in all that they may."""
    made = {
        "activation": ["tanh", "relu", fb.activations.LeakyReLU(0.1)],
        "output": "softmax",
        "bias": [True, False] * 2,
    }
    made |= {"shift": np.arange(6), "scale": 0.5, "dropout": [0.1, 0.2, 0.3, 0.4], "input_noise": 0.5, "max_norm": 2.0}
    return fb.MLP(SIZES, **(made | options), seed=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_two_parts_are_the_whole(cut, dtype):
    net, X = whole(dtype=dtype), labelled()[0]
    first, second = net[:cut], net[cut:]
    assert (second.predict(first.predict(X)) == net.predict(X)).all()
    assert (first.predict(X) == net.transform(X, cut)).all()
    assert len(first) + len(second) == len(net) == 4
    assert first.dtype == second.dtype == dtype
    assert (first.shift == net.shift).all()
    assert (second.scale == 1).all()
    assert not second.shift.any()
    one, other, made = first.architecture, second.architecture, net.architecture
    assert (*one.activation, one.output, *other.activation, other.output) == (*made.activation, made.output)
    assert one.dropout + other.dropout == made.dropout
    assert one.bias + other.bias == made.bias
    assert (one.input_noise, other.input_noise, one.max_norm, other.max_norm) == (0.5, 0.0, 2.0, 2.0)


@pytest.mark.parametrize("layer", [0, 1, 3, -1, -4, np.int64(2)])
def test_one_layer(layer):
    net = whole()
    part = net[layer]
    assert part.sizes == tuple(SIZES[layer % 4 :][:2])
    assert (part.weights[0] == net.weights[layer]).all()
    assert part.predict(np.ones((2, part.sizes[0]))).shape == (2, part.sizes[1])


def test_slices_are_those_of_a_list():
    net, layers = whole(), list(range(4))
    for first in (None, *range(-6, 7)):
        for last in (None, *range(-6, 7)):
            wanted = layers[first:last]
            if wanted:
                assert net[first:last].sizes == tuple(SIZES[wanted[0] : wanted[-1] + 2])
            else:
                with pytest.raises(ValueError, match="layers must be some of the 4, got slice"):
                    net[first:last]
    assert [part.sizes for part in net] == [(6, 5), (5, 4), (4, 3), (3, 2)]


def test_a_part_is_another_network():
    net = whole()
    part, before = net[1:3], net.theta
    part.theta = np.ones(part.n_parameters)
    assert (net.theta == before).all()
    assert (net[:].theta == before).all()


def test_the_threshold_is_that_of_the_output():
    net = fb.MLP([2, 3, 1], seed=0)
    fb.Trainer(net, loss="hinge")
    assert (net[:1].threshold, net[1:].threshold) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        (4, IndexError, "layers must be from -4 to 3, got 4"),
        (-5, IndexError, "layers must be from -4 to 3, got -5"),
        (slice(None, None, 2), ValueError, "with step 1, got step 2"),
        (slice(None, None, -1), ValueError, "with step 1, got step -1"),
        (slice(2, 2), ValueError, "layers must be some of the 4"),
        (slice(0.5, None), TypeError, "layers must be integers"),
        (1.0, TypeError, "layers must be an integer, got 1.0"),
        (True, TypeError, "layers must be an integer"),
        ("hidden", TypeError, "layers must be an integer"),
        ((0, 1), TypeError, "layers must be an integer"),
    ],
)
def test_layers_that_are_none(layers, error, message):
    with pytest.raises(error, match=message):
        whole()[layers]


def test_slices_keep_what_belongs_to_their_ends():
    """Names and scales of inputs go with the first layer; scales of targets and what outputs mean with the last."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)).astype(np.float32)
    y = 100 * X[:, 0] + 500
    net = fb.MLP([3, 4, 1], standardize=X, standardize_targets=y, seed=0)
    net.columns = ["a", "b", "c"]
    fb.Trainer(net, loss="squared_error", seed=0).fit(X, y)
    first, last = net[:1], net[1:]
    assert first.columns == ("a", "b", "c")
    assert last.columns is None
    assert first.predict(X).shape == (40, 4)
    assert last.predict(first.predict(X)).tolist() == net.predict(X).tolist() == net[:].predict(X).tolist()
    several = fb.MLP([3, 4, 2], output="sigmoid", seed=0)
    fb.Trainer(several, loss="binary_cross_entropy", seed=0).fit(X, np.ones((40, 2)))
    assert (several[:1].multilabel, several[1:].multilabel) == (False, True)


class Own(fb.MLP):
    """A network of the user, with an attribute of its own."""

    def __init__(self, sizes, note, **options):
        super().__init__(sizes, **options)
        self.note = note


def test_networks_of_a_subclass_stay_that(tmp_path):
    """After `astype`, as slices and as copies they keep their attributes; a file does not have these."""
    net = Own([3, 4, 2], ["mine"], seed=0)
    for twin in (net.astype("float64"), net[:1], net[1], copy.copy(net), pickle.loads(pickle.dumps(net))):
        assert type(twin) is Own
        assert twin.note == ["mine"]
        assert twin.note is not net.note
    net.save(tmp_path / "net.safetensors")
    assert type(fb.load(tmp_path / "net.safetensors")) is fb.MLP
    twin = Own.load(tmp_path / "net.safetensors")
    assert type(twin) is Own
    assert (twin.theta == net.theta).all()


def test_names_of_classes(tmp_path):
    net = fb.MLP([3, 4, 3], output="softmax", seed=0)
    assert net.classes is None
    net.classes = np.array(["cat", "dog", "eel"])
    net.save(tmp_path / "net.safetensors")
    assert fb.load(tmp_path / "net.safetensors").classes == ("cat", "dog", "eel")
    assert net[1:].classes == net.classes
    assert net[:1].classes is None
    for wrong, kind in (
        (["a", "b"], ValueError),
        (["a", "a", "b"], ValueError),
        ("abc", TypeError),
        ([None] * 3, TypeError),
    ):
        with pytest.raises(kind, match="classes must be"):
            net.classes = wrong
    assert net.classes == ("cat", "dog", "eel")
    net.classes = None
    assert net.classes is None
    one = fb.MLP([3, 1], output="sigmoid", seed=0)
    one.classes = ["no", "yes"]
    assert one.classes == ("no", "yes")


# --- one sample -------------------------------------------------------------------------------------------------------


def as_given(row, form):
    """One sample in a form in which users have it."""
    import pandas
    import torch

    return {
        "array": row, "list": row.tolist(), "tuple": tuple(row.tolist()), "int": row.astype(int), "float32": row,
        "series": pandas.Series(row), "tensor": torch.tensor(row), "strided": np.repeat(row, 2)[::2],
    }[form]  # fmt: skip


@pytest.mark.parametrize("form", ["array", "list", "tuple", "int", "series", "tensor", "strided"])
@pytest.mark.parametrize("sizes", [[3, 4], [3, 5, 1], [1, 2], [1, 1]])
def test_one_sample_has_no_first_axis(sizes, form):
    """It comes out as it went in, from each method that computes outputs."""
    row = np.arange(1.0, 1.0 + sizes[0])
    for multilabel in (False, True):
        net = fb.MLP(sizes, output="sigmoid", seed=0)
        trainer = fb.Trainer(net, loss="bce")
        if multilabel:
            trainer.partial_fit(row[None], np.ones((1, sizes[-1])))
        members = fb.Ensemble([trainer, copy.deepcopy(trainer)])
        calls = [net.predict, net.outputs, net.predict_classes, members.predict, members.predict_classes]
        for call in [*calls, lambda X, net=net: net.transform(X, 1)]:
            found, wanted = call(as_given(row, form)), call(row[None])[0]
            assert np.shape(found) == np.shape(wanted)
            assert (found == wanted).all()
            assert type(found) is type(wanted)


def test_one_sample_of_a_flat_network_is_a_number():
    net = fb.MLP([2, 1], seed=0)
    fb.Trainer(net, loss="mse").partial_fit([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0])
    assert isinstance(net.predict([1.0, 2.0]), np.float32)
    assert net.predict([1.0, 2.0]) == net.predict([[1.0, 2.0]])[0]
    assert net.outputs([1.0, 2.0]).shape == (1,)


def test_one_row_of_a_frame_goes_by_its_names():
    import pandas

    frame = pandas.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["a", "b"])
    net = fb.MLP([2, 3], seed=0)
    net.columns = ("b", "a")
    assert (net.predict(frame.iloc[0]) == net.predict(frame)[0]).all()
    with pytest.raises(ValueError, match="X must have the columns of the training: 'b' is missing and 'c' is new"):
        net.predict(frame.rename(columns={"b": "c"}).iloc[0])


@pytest.mark.parametrize("X", [[1.0, 2.0], [1.0] * 4, np.ones(5), np.array(1.0), [], np.empty(0)])
def test_a_vector_that_is_not_one_sample_is_refused(X):
    net = fb.MLP([3, 2], seed=0)
    ensemble = fb.Ensemble([fb.Trainer(net, loss="mse")])
    for call in (net.predict, net.outputs, net.predict_classes, ensemble.predict, ensemble.predict_classes):
        with pytest.raises(ValueError, match=r"X must have shape \(n, 3\), a row a sample; got \("):
            call(X)


@pytest.mark.parametrize("call", ["fit", "partial_fit", "evaluate"])
def test_one_sample_with_a_target_needs_a_row(call):
    own = fb.Trainer(fb.MLP([3, 2], seed=0), loss="mse")
    for each in (own, fb.Ensemble([own])):
        if hasattr(each, call):
            with pytest.raises(ValueError, match=r"X must have shape \(n, 3\), a row a sample; got \(3,\)"):
                getattr(each, call)([1.0, 2.0, 3.0], [[1.0, 2.0]])


def test_a_wrong_number_in_one_sample_is_found():
    net = fb.MLP([2, 3], seed=0)
    with pytest.raises(ValueError, match=r"X\[0, 1\] is nan"):
        net.predict([1.0, np.nan])
    with pytest.raises(TypeError, match="without a mask"):
        net.predict(np.ma.masked_equal([1.0, 2.0], 1.0))
