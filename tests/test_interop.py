"""Weights to and from PyTorch: the same predictions, and a network that errors leave as it was."""

from __future__ import annotations

import sys
from collections import OrderedDict
from itertools import pairwise

import numpy as np
import pytest

import fastbp as fb

SIZES = [5, 9, 7, 3]
X = np.random.default_rng(0).normal(size=(40, 5))


def arrays(sizes: list[int] = SIZES, seed: int = 0) -> dict[str, np.ndarray]:
    """A state_dict in NumPy, of a module with an activation after each layer."""
    rng, state = np.random.default_rng(seed), {}
    for l, (n_in, n_out) in enumerate(pairwise(sizes)):
        state[f"{2 * l}.weight"] = rng.normal(size=(n_out, n_in))
        state[f"{2 * l}.bias"] = rng.normal(size=n_out)
    return state


def forward(state: dict[str, np.ndarray]) -> np.ndarray:
    """tanh networks by their formula."""
    a, (*hidden, last) = X, range(0, len(state), 2)
    for l in hidden:
        a = np.tanh(a @ state[f"{l}.weight"].T + state[f"{l}.bias"])
    return a @ state[f"{last}.weight"].T + state[f"{last}.bias"]


def parameters(net: fb.MLP) -> list[np.ndarray]:
    return [*net.weights, *net.biases]


# --- without torch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torch_is_there", [True, False])
def test_from_arrays(torch_is_there, monkeypatch):
    if not torch_is_there:
        monkeypatch.setitem(sys.modules, "torch", None)
    net = fb.MLP(SIZES, activation="tanh", dtype=np.float64, seed=0)
    state = arrays()
    fb.interop.from_torch(net, state)
    for l, W in enumerate(net.weights):
        assert (W == state[f"{2 * l}.weight"].T).all()
        assert (net.biases[l] == state[f"{2 * l}.bias"]).all()
    assert net.predict(X) == pytest.approx(forward(state), rel=1e-12)


def test_from_lists():
    net = fb.MLP([2, 1], seed=0)
    fb.interop.from_torch(net, {"weight": [[1, 2]], "bias": [3]})
    assert net.predict([[10.0, 100.0]]).tolist() == [[213.0]]


def test_from_a_copy():
    """What becomes of the arrays afterwards does not matter."""
    net, state = fb.MLP(SIZES, dtype=np.float64, seed=0), arrays()
    fb.interop.from_torch(net, state)
    before = parameters(net)
    for array in state.values():
        array[:] = 7
    assert all((a == b).all() for a, b in zip(before, parameters(net), strict=True))


def test_to_torch_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match="torch"):
        fb.interop.to_torch(fb.MLP([2, 1], seed=0))


def without(name: str) -> dict[str, np.ndarray]:
    return {key: array for key, array in arrays().items() if key != name}


BAD_STATES = {
    "state_dict must be a mapping of names to tensors, got list": (TypeError, list(arrays().values())),
    "state_dict must be a mapping of names to tensors, got NoneType": (TypeError, None),
    "weights must be 3 arrays, one a layer; got 0": (ValueError, {}),
    "'2.weight', '2.bias', '4.bias']": (
        ValueError,
        without("4.weight"),
    ),
    "weights must be 3 arrays, one a layer; got 4": (ValueError, arrays([5, 9, 7, 3, 3])),
    "must have a weight and a bias for each layer, got ['0.weight', '0.bias', '2.weight', '4": (
        ValueError,
        without("2.bias"),
    ),
    "weights[2] must have shape (7, 3), got (7, 4)": (ValueError, arrays([5, 9, 7, 4])),
    "weights[0] must have shape (5, 9), got (9, 5)": (ValueError, arrays() | {"0.weight": np.ones((5, 9))}),
    "biases[1] must have shape (7,), got (6,)": (ValueError, arrays() | {"2.bias": np.ones(6)}),
    "2.weight must have shape (n_out, n_in), got (7,)": (ValueError, arrays() | {"2.weight": np.ones(7)}),
    "0.weight must have shape (n_out, n_in), got (9, 5, 1)": (ValueError, arrays() | {"0.weight": np.ones((9, 5, 1))}),
    "and nothing else, got '1.running_mean'": (ValueError, arrays() | {"1.running_mean": np.ones(9)}),
    "and nothing else, got '4.weight_v'": (ValueError, arrays() | {"4.weight_v": np.ones((3, 7))}),
    "weights[1] must be finite in float32": (ValueError, arrays() | {"2.weight": np.full((7, 9), 1e99)}),
    "biases[2] must be finite in float32": (ValueError, arrays() | {"4.bias": np.array([0, np.nan, 0])}),
    "weights[0] must be an array of real numbers": (TypeError, arrays() | {"0.weight": np.ones((9, 5), complex)}),
    "got 0 as a name": (TypeError, {0: np.ones((9, 5)), **arrays()}),
}


@pytest.mark.parametrize("message", BAD_STATES)
def test_errors_leave_the_network(message):
    error, state = BAD_STATES[message]
    net = fb.MLP(SIZES, seed=0)
    before = parameters(net)
    with pytest.raises(error) as caught:
        fb.interop.from_torch(net, state)
    assert message in str(caught.value)
    assert all((a == b).all() for a, b in zip(before, parameters(net), strict=True))


@pytest.mark.parametrize("call", [lambda: fb.interop.from_torch("net", {}), lambda: fb.interop.to_torch(None)])
def test_what_is_no_network(call):
    pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    with pytest.raises(TypeError, match="network must be an MLP"):
        call()


# --- with torch ---------------------------------------------------------------------------------------------


def pair(activation: str, output: str, dtype: str, dropout: bool = False):
    """A network and a module of the same shape, with other weights."""
    torch = pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    neurons = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}
    layers = []
    torch.manual_seed(0)
    for n_in, n_out in pairwise(SIZES):
        layers += [torch.nn.Linear(n_in, n_out, dtype=getattr(torch, dtype)), neurons[activation]()]
        layers += [torch.nn.Dropout(0.5)] * dropout
    layers = layers[: -1 - dropout]
    layers += {"identity": [], "softmax": [torch.nn.Softmax(dim=1)]}[output]
    net = fb.MLP(SIZES, activation=activation, output=output, dtype=dtype, seed=0)
    net.set_weights(net.weights, [np.linspace(-1, 1, b.size) for b in net.biases])
    return torch, net, torch.nn.Sequential(*layers).eval()


def outputs(torch, module) -> np.ndarray:
    with torch.no_grad():
        dtype = next(module.parameters()).dtype
        return module(torch.from_numpy(X).to(dtype)).numpy()


both = pytest.mark.parametrize(
    ("activation", "output"), [("relu", "identity"), ("tanh", "identity"), ("tanh", "softmax"), ("sigmoid", "identity")]
)
dtypes = pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-13)])


@dtypes
@both
def test_to_a_module(activation, output, dtype, tolerance):
    """Names by default are those of a module with an activation after each layer."""
    torch, net, module = pair(activation, output, dtype)
    tensors = fb.interop.to_torch(net)
    assert list(tensors) == list(module.state_dict())
    assert {tensor.dtype for tensor in tensors.values()} == {getattr(torch, dtype)}
    module.load_state_dict(tensors)
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= tolerance * max(1, np.abs(net.predict(X)).max())


@dtypes
@both
def test_from_a_module(activation, output, dtype, tolerance):
    torch, net, module = pair(activation, output, dtype)
    assert np.abs(outputs(torch, module) - net.predict(X)).max() > 0.01
    fb.interop.from_torch(net, module.state_dict())
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= tolerance


def test_from_parameters_that_want_gradients():
    torch, net, module = pair("tanh", "identity", "float32")
    fb.interop.from_torch(net, dict(module.named_parameters()))
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= 1e-6


@both
def test_there_and_back(activation, output):
    """To the bit, in the order of the names of another module, with Dropout between."""
    _, net, module = pair(activation, output, "float32", dropout=True)
    names = list(module.state_dict())
    assert names == ["0.weight", "0.bias", "3.weight", "3.bias", "6.weight", "6.bias"]
    tensors = fb.interop.to_torch(net, names=module.state_dict())
    assert list(tensors) == names
    module.load_state_dict(tensors)
    twin = fb.MLP(SIZES, activation=activation, output=output, seed=1)
    fb.interop.from_torch(twin, module.state_dict())
    assert all((a == b).all() for a, b in zip(parameters(net), parameters(twin), strict=True))
    assert (net.predict(X) == twin.predict(X)).all()


@pytest.mark.parametrize("sizes", [[1, 1], [4, 1], [1, 4], [17, 33, 2], [3, 3, 3, 3]])
def test_shapes(sizes):
    """Of whole and of broken panels; which way round a square matrix lies, too."""
    torch = pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    net = fb.MLP(sizes, seed=0)
    tensors = fb.interop.to_torch(net)
    shapes = [shape for n_in, n_out in pairwise(sizes) for shape in ((n_out, n_in), (n_out,))]
    assert [tuple(tensor.shape) for tensor in tensors.values()] == shapes
    for l, W in enumerate(net.weights):
        assert (tensors[f"{2 * l}.weight"].numpy().T == W).all()
        assert (tensors[f"{2 * l}.bias"].numpy() == net.biases[l]).all()
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    twin = fb.MLP(sizes, seed=1)
    fb.interop.from_torch(twin, {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()})
    assert all((a == b).all() for a, b in zip(parameters(net), parameters(twin), strict=True))


def test_between_dtypes():
    """A module in float32 into a network in float64, and that of a network into a module in float32."""
    torch, _, module = pair("tanh", "identity", "float32")
    net = fb.MLP(SIZES, activation="tanh", dtype=np.float64, seed=0)
    fb.interop.from_torch(net, module.state_dict())
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= 1e-6
    net.set_weights([W / 2 for W in net.weights], net.biases)
    module.load_state_dict(fb.interop.to_torch(net))
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= 1e-6


def test_to_torch_gives_copies():
    _, net, _ = pair("tanh", "identity", "float32")
    before = parameters(net)
    for tensor in fb.interop.to_torch(net).values():
        tensor.fill_(7)
    assert all((a == b).all() for a, b in zip(before, parameters(net), strict=True))


def test_a_module_trains_on():
    """After a step of plain gradient descent on each side they still agree."""
    torch, net, module = pair("tanh", "identity", "float64")
    module.load_state_dict(fb.interop.to_torch(net))
    y = X[:, :3] ** 2
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    (0.5 * (module(torch.from_numpy(X)) - torch.from_numpy(y)) ** 2).sum(dim=1).mean().backward()
    optimizer.step()
    fb.Trainer(net, loss="squared_error", optimizer=fb.SGD(0.1), batch_size=40).fit(X, y)
    assert np.abs(outputs(torch, module) - net.predict(X)).max() <= 1e-12


def scaled(sizes, **options):
    """A network with scales of inputs and of targets."""
    targets = np.random.default_rng(1).normal(900, 5, (30, sizes[-1]))
    options = {"shift": np.arange(sizes[0]) + 1, "scale": np.linspace(0.5, 2, sizes[0]), **options}
    return fb.MLP(sizes, activation="relu", standardize_targets=targets, dtype=np.float64, seed=3, **options)


def test_a_scaled_network():
    """The module gets the inputs as they are, and computes what the network predicts: the scales are inside it."""
    torch, _, module = pair("relu", "identity", "float64")
    net = scaled(SIZES)
    module.load_state_dict(fb.interop.to_torch(net))
    assert outputs(torch, module) == pytest.approx(net.predict(X), rel=1e-12)
    other = scaled(SIZES, shift=-3.0, scale=0.1)
    fb.interop.from_torch(other, module.state_dict())
    assert other.predict(X) == pytest.approx(net.predict(X), rel=1e-12)


@pytest.mark.parametrize("sizes", [[5, 3], [5, 4, 3]])
def test_into_and_out_of_a_scaled_network(sizes):
    pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    net = scaled(sizes)
    plain = fb.MLP(sizes, activation="relu", dtype=np.float64, seed=0)
    fb.interop.from_torch(plain, fb.interop.to_torch(net))
    assert plain.predict(X) == pytest.approx(net.predict(X), rel=1e-12)
    back = scaled(sizes)
    fb.interop.from_torch(back, fb.interop.to_torch(plain))
    assert back.predict(X) == pytest.approx(net.predict(X), rel=1e-12)


def test_scales_that_no_parameters_can_take_over():
    pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    net = fb.MLP([5, 4, 3], shift=1.0, bias=False, dtype=np.float64, seed=0)
    before = net.theta
    with pytest.raises(ValueError, match="must have biases in layer 1"):
        fb.interop.to_torch(net)
    state = {name: array for name, array in arrays([5, 4, 3]).items() if "weight" in name}
    with pytest.raises(ValueError, match="must have biases in layer 1"):
        fb.interop.from_torch(net, state)
    assert (net.theta == before).all()
    with pytest.raises(ValueError, match="must have no scale of 0"):
        fb.interop.from_torch(fb.MLP([5, 4, 3], scale=0.0, seed=0), arrays([5, 4, 3]))
    only_scaled = fb.MLP([5, 4, 3], scale=2.0, bias=False, dtype=np.float64, seed=0)
    assert list(fb.interop.to_torch(only_scaled)) == ["0.weight", "2.weight"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b"], "names must be 6, a weight and a bias for each layer, got 2"),
        (list("abcdefgh"), "names must be 6, a weight and a bias for each layer, got 8"),
        ([], "names must be 6, a weight and a bias for each layer, got 0"),
        (list("abcdea"), "got 6, 5 of them different"),  # a tensor would be lost
    ],
)
def test_names(names, message):
    pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    with pytest.raises(ValueError, match=message):
        fb.interop.to_torch(fb.MLP(SIZES, seed=0), names)


def test_names_of_any_iterable():
    pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    net, wanted = fb.MLP([2, 3, 1], seed=0), ["in.weight", "in.bias", "out.weight", "out.bias"]
    for names in (iter(wanted), tuple(wanted), OrderedDict.fromkeys(wanted), np.array(wanted).tolist()):
        assert list(fb.interop.to_torch(net, names=names)) == wanted


@pytest.mark.parametrize(
    "module",
    [
        lambda nn: nn.Sequential(nn.Linear(5, 9), nn.BatchNorm1d(9), nn.Linear(9, 7), nn.Linear(7, 3)),
        lambda nn: nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 7, bias=False), nn.Linear(7, 3)),
        lambda nn: nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 3)),
        lambda nn: nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 7), nn.Linear(7, 4)),
        lambda nn: nn.Sequential(nn.Linear(5, 9), nn.LayerNorm(9), nn.Linear(9, 7), nn.Linear(7, 3)),
        lambda nn: nn.Sequential(nn.Conv1d(5, 9, 1), nn.Linear(9, 7), nn.Linear(7, 3)),
    ],
    ids=["batch norm", "no bias", "too few", "other sizes", "layer norm", "convolution"],
)
def test_other_modules(module):
    torch = pytest.importorskip("torch", reason="of PyTorch, which is not installed")
    net = fb.MLP(SIZES, seed=0)
    before = parameters(net)
    with pytest.raises(ValueError, match="must"):
        fb.interop.from_torch(net, module(torch.nn).state_dict())
    assert all((a == b).all() for a, b in zip(before, parameters(net), strict=True))


@pytest.mark.parametrize("kind", ["half", "bfloat16"])
def test_half_precision(kind):
    """All of their numbers are numbers of float32 too."""
    torch, net, module = pair("tanh", "identity", "float32")
    fb.interop.from_torch(net, getattr(module, kind)().state_dict())
    assert np.abs(outputs(torch, module.float()) - net.predict(X)).max() <= 1e-6
