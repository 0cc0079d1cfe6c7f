"""Files of networks: the same network back, and of anything else one clear error."""

import json
import os
import re
import stat
import tracemalloc

import numpy as np
import pytest
from helpers import digest, mutations, parameters
from safetensors.numpy import load_file, save_file

import fastbp as fb
from fastbp.base import model_files


def network(dtype=np.float32):
    return fb.MLP(
        [5, 9, 4, 3],
        activation=["gelu", fb.activations.LeakyReLU(0.2)],
        output="softmax",
        init="he_normal",
        shift=np.arange(5),
        scale=[1, 2, 3, 4, 0.1],
        dropout=[0.1, 0.2, 0.3],
        input_noise=0.5,
        max_norm=3.0,
        dtype=dtype,
        seed=0,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip(tmp_path, dtype):
    """Every bit of the parameters, and every option; the twin trains as the original does."""
    net, path = network(dtype), tmp_path / "m.safetensors"
    net.set_weights(net.weights, [np.arange(n, dtype=dtype) for n in net.sizes[1:]])
    net.save(path)
    twin = fb.load(str(path))
    assert repr(twin) == repr(net)
    for a, b in zip(parameters(net), parameters(twin), strict=True):
        assert a.tobytes() == b.tobytes()
    assert twin.architecture == net.architecture
    X, y = np.random.default_rng(0).normal(size=(40, 5)), np.arange(40) % 3
    for one in (net, twin):
        fb.Trainer(one, loss="cross_entropy", seed=0).fit(X, y)
    assert (net.predict(X) == twin.predict(X)).all()


@pytest.mark.parametrize("sizes", [[1, 1], [3, 2], [17, 33, 1]])
def test_any_shape(tmp_path, sizes):
    net = fb.MLP(sizes, seed=0)
    net.save(tmp_path / "m")
    assert (fb.load(tmp_path / "m").predict(np.ones((2, sizes[0]))) == net.predict(np.ones((2, sizes[0])))).all()


def test_other_readers(tmp_path):
    """Plain safetensors, with the names of the notation."""
    net = network()
    net.save(tmp_path / "m.safetensors")
    tensors = load_file(tmp_path / "m.safetensors")
    assert sorted(tensors) == ["W1", "W2", "W3", "b1", "b2", "b3", "scale", "shift"]
    assert (tensors["W2"] == net.weights[1]).all()


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path, net = tmp_path / "m", network()
    net.save(path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~os.umask(os.umask(0o022))
    net.set_weights([W + 1 for W in net.weights], net.biases)

    def no_space(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        net.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def rewrite(path, change_tensors=None, change_metadata=None, change_network=None):
    """The file with other contents, and a digest that fits them: as a liar would write it."""
    net = network()
    net.save(path)
    tensors = load_file(path)
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    metadata = header["__metadata__"]
    described = json.loads(metadata["description"])
    if change_network:
        change_network(described["Architecture"])
    metadata["description"] = json.dumps(described)
    if change_tensors:
        change_tensors(tensors)
    metadata["sha256"] = model_files.digest(metadata["description"], sorted(tensors.items()))
    if change_metadata:
        change_metadata(metadata)
    save_file(tensors, path, metadata)


LIES = {
    "its format is None": {"change_metadata": lambda m: m.pop("format")},
    "its version is '2', and this fastbp reads 1": {"change_metadata": lambda m: m.update(version="2")},
    "it has no 'description'": {"change_metadata": lambda m: m.pop("description")},
    "it has no 'sha256'": {"change_metadata": lambda m: m.pop("sha256")},
    "Expecting value": {"change_metadata": lambda m: m.update(description="")},
    "its description is not an object": {"change_metadata": lambda m: m.update(description="[]")},
    "maximum recursion": {"change_metadata": lambda m: m.update(description="[" * 100_000)},
    "sizes[1] must be an integer, got 9.5": {"change_network": lambda n: n["sizes"].__setitem__(1, 9.5)},
    "sizes[1] must be at least 1, got -9": {"change_network": lambda n: n["sizes"].__setitem__(1, -9)},
    "8 hidden units and 3 outputs; got 'abc'": {"change_network": lambda n: n.update(sizes="abc")},
    "W1 is float32 [5, 9], not float32 [5, 1000000000000]": {
        "change_network": lambda n: n["sizes"].__setitem__(1, 10**12)
    },
    "tensors that are missing or that do not belong: W3, b3": {
        "change_network": lambda n: [n[name].pop() for name in ("sizes", "activation", "dropout", "bias")]
    },
    "b2": {"change_tensors": lambda t: t.pop("b2")},
    "do not belong: extra": {"change_tensors": lambda t: t.update(extra=np.zeros(3, np.float32))},
    "W2 is float32 [4, 9]": {"change_tensors": lambda t: t.update(W2=np.ascontiguousarray(t["W2"].T))},
    "W2 is float64 [9, 4]": {"change_tensors": lambda t: t.update(W2=t["W2"].astype(np.float64))},
    "W2 is int32 [9, 4]": {"change_tensors": lambda t: t.update(W2=t["W2"].astype(np.int32))},
    "dtype must be float32 or float64, got 'int32'": {"change_network": lambda n: n.update(dtype="int32")},
    "W2[0, 1] is nan": {"change_tensors": lambda t: t["W2"].__setitem__((0, 1), np.nan)},
    "b3[2] is inf": {"change_tensors": lambda t: t["b3"].__setitem__(2, np.inf)},
    "shift must be finite": {"change_tensors": lambda t: t["shift"].__setitem__(2, np.inf)},
    "activation[0] must be one of": {"change_network": lambda n: n["activation"].__setitem__(0, "swoosh")},
    "there is no 'os.system'": {
        "change_network": lambda n: n["activation"].__setitem__(0, {"os.system": {"slope": 1}})
    },
    "slope must be": {"change_network": lambda n: n["activation"].__setitem__(1, {"LeakyReLU": {"slope": -1}})},
    "LeakyReLU has no argument 'angle'": {
        "change_network": lambda n: n["activation"].__setitem__(1, {"LeakyReLU": {"angle": 1}})
    },
    "dropout[1] must be": {"change_network": lambda n: n["dropout"].__setitem__(1, 1.5)},
    "unexpected keyword argument 'flavour'": {"change_network": lambda n: n.update(flavour="sour")},
    "missing 1 required positional argument: 'init'": {"change_network": lambda n: n.pop("init")},
}


@pytest.mark.parametrize("message", LIES)
def test_lies(tmp_path, message):
    path = tmp_path / "m.safetensors"
    rewrite(path, **LIES[message])
    with pytest.raises(fb.ModelFileError, match=re.escape(message)) as caught:
        fb.load(path)
    assert str(path) in str(caught.value)


def test_not_a_model(tmp_path):
    for content in (b"", b"\0" * 100, b"hello", b"\xff" * 1000, (2**63).to_bytes(8, "little") + b"{}"):
        (tmp_path / "m").write_bytes(content)
        with pytest.raises(fb.ModelFileError):
            fb.load(tmp_path / "m")
    with pytest.raises(FileNotFoundError):
        fb.load(tmp_path / "none")
    with pytest.raises(OSError):  # noqa: PT011
        fb.load(tmp_path)


def test_mutated_files(tmp_path):
    """2,000 of them: the documented error, or nothing has changed; and no memory to speak of."""
    path = tmp_path / "m"
    network().save(path)
    content = path.read_bytes()
    wanted = digest(network())
    refused, tried = 0, 0
    tracemalloc.start()
    for data in mutations(content, 2000):
        if data == content:
            continue
        tried += 1
        path.write_bytes(data)
        try:
            net = fb.load(path)
        except fb.ModelFileError:
            refused += 1
        else:
            assert digest(net) == wanted
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tried > 1950
    assert refused > 0.99 * tried
    assert peak < 2**20


def test_memory_of_a_large_file(tmp_path):
    """Nothing beyond twice the file: the network itself, and a tensor at a time."""
    path = tmp_path / "m"
    fb.MLP([1000, 1000, 1000, 1000], seed=0).save(path)
    tracemalloc.start()
    fb.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * path.stat().st_size
