"""`fb.graph.check`: right gates pass, and the fault of a wrong one is named."""

import numpy as np
import pytest

import fastbp as fb
from fastbp.graph import check

RNG = np.random.default_rng(0)


class Multiply:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dz):
        return dz * self.y, dz * self.x


class Relu:
    def forward(self, x):
        self.x = x
        return np.maximum(x, 0.0)

    def backward(self, dz):
        return dz * (self.x > 0)


class Sigmoid:
    def forward(self, x):
        self.s = 1 / (1 + np.exp(-x))
        return self.s

    def backward(self, dz):
        return dz * self.s * (1 - self.s)


class Dense:
    def forward(self, A, W, b):
        self.A, self.W = A, W
        return A @ W + b

    def backward(self, dZ):
        return dZ @ self.W.T, self.A.T @ dZ, dZ.sum(axis=0)


class Softmax:
    def forward(self, X):
        e = np.exp(X - X.max(axis=1, keepdims=True))
        self.P = e / e.sum(axis=1, keepdims=True)
        return self.P

    def backward(self, dZ):
        return self.P * (dZ - (dZ * self.P).sum(axis=1, keepdims=True))


class Total:
    def forward(self, first, *more):
        self.shapes = [np.shape(x) for x in (first, *more)]
        return np.sum([np.sum(x) for x in (first, *more)])

    def backward(self, dz):
        return [np.full(shape, dz) for shape in self.shapes]


class Log:
    def forward(self, x):
        self.x = x
        with np.errstate(invalid="ignore"):
            return np.log(x)

    def backward(self, dz):
        return dz / self.x


class Maximum(Multiply):
    def forward(self, x, y):
        self.x, self.y = x, y
        return np.maximum(x, y)

    def backward(self, dz):
        return dz * (self.x > self.y), dz * (self.x <= self.y)


ROW, ONE = (3,), ()
RIGHT = [
    (Multiply, [ONE, ONE], {}), (Multiply, [(2, 3), (2, 3)], {}), (Relu, [ONE], {}), (Relu, [(4, 3)], {}),
    (Sigmoid, [ONE], {}), (Sigmoid, [ROW], {}), (Dense, [(4, 3), (3, 2), (2,)], {}),
    (Dense, [(1, 1), (1, 1), (1,)], {}),
    (Softmax, [(3, 4)], {}), (Total, [ONE, ROW, (2, 2)], {}), (Total, [ROW], {}), (Log, [ROW], {"between": (0.5, 2)}),
    (Maximum, [ROW, ROW], {}),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "shapes", "options"), RIGHT)
@pytest.mark.parametrize("seed", [0, 1, None])
def test_right(gate, shapes, options, seed):
    found = check(gate(), *shapes, seed=seed, **options)
    assert found
    assert found.right
    assert found.faults == {}
    assert str(found) == f"{gate.__name__} is right: at 20 random points, backward agrees with differences of forward."


@pytest.mark.parametrize("ends", [(-1e-6, 1e-6), (-1e-8, 1e-8), (1e-7, 3e-6)])
def test_kinks_near_the_points(ends):
    assert check(Relu(), (50,), between=ends)
    assert not check(with_backward(Relu, lambda self, dz: 1.5 * dz), (50,), between=ends)


def with_backward(of, backward):
    """A gate of a class with another backward."""
    return type(of.__name__, (of,), {"backward": backward})()


WRONG = {
    "exchanged": (
        with_backward(Multiply, lambda self, dz: (dz * self.x, dz * self.y)),
        [ONE, ONE],
        {"x": "dC/dx is that of y. With x = ", "y": "dC/dy is that of x. With x = "},
    ),
    "one input of two": (
        with_backward(Multiply, lambda self, dz: (dz * self.y, dz * self.y)),
        [ROW, ROW],
        {"y": "dC/dy is that of x. dC/dy["},
    ),
    "sign": (with_backward(Sigmoid, lambda self, dz: -dz * self.s * (1 - self.s)), [ROW], {"x": "the wrong sign"}),
    "factor": (with_backward(Relu, lambda self, dz: 2 * dz * (self.x > 0)), [ROW], {"x": "is 2 times the right one"}),
    "zero": (with_backward(Relu, lambda self, dz: 0 * dz), [ONE], {"x": "dC/dx is 0. With x ="}),
    "no dz": (with_backward(Sigmoid, lambda self, dz: self.s * (1 - self.s)), [ROW], {"x": "leaves out dz"}),
    "dz alone": (with_backward(Sigmoid, lambda self, dz: dz), [ONE], {"x": "is dz alone, without the local"}),
    "no mask": (
        with_backward(Relu, lambda self, dz: +dz),
        [(4, 3)],
        {"x": "is dz alone, without the local derivative"},
    ),
    "the wrong side": (
        with_backward(Relu, lambda self, dz: dz * np.where(self.x > 0, 1.0, 0.1)),
        [(4, 3)],
        {"x": "is right where x >= 0, and wrong where x < 0"},
    ),
    "above": (
        with_backward(Relu, lambda self, dz: dz * (self.x > 0) * self.x),
        [(4, 3)],
        {"x": "is right where x <= 0, and wrong where x > 0"},
    ),
    "max to both": (
        with_backward(Maximum, lambda self, dz: (+dz, dz * (self.x <= self.y))),
        [ROW, ROW],
        {"x": "is dz alone, without the local derivative"},
    ),
    "max by half": (
        with_backward(Maximum, lambda self, dz: (dz * np.where(self.x > self.y, 0.5, 0), dz * (self.x <= self.y))),
        [ROW, ROW],
        {"x": "is 0.5 times the right one"},
    ),
    "max leaks": (
        with_backward(Maximum, lambda self, dz: (dz * (self.x > self.y), dz * np.where(self.x <= self.y, 1, 0.5))),
        [ROW, ROW],
        {"y": "is right where x <= y, and wrong where x > y"},
    ),
    "not summed": (
        with_backward(Dense, lambda self, dZ: (dZ @ self.W.T, self.A.T @ dZ, +dZ)),
        [(4, 3), (3, 2), (2,)],
        {"b": "has the shape (4, 2), and must have the shape (2,) of b: sum it over axis 0."},
    ),
    "transposed shape": (
        with_backward(Dense, lambda self, dZ: (dZ @ self.W.T, dZ.T @ self.A, dZ.sum(axis=0))),
        [(4, 3), (3, 2), (2,)],
        {"W": "has the shape (2, 3), and must have the shape (3, 2) of W: transpose it."},
    ),
    "transposed": (
        with_backward(Dense, lambda self, dZ: (dZ @ self.W.T, dZ.T @ self.A, dZ.sum(axis=0))),
        [(4, 3), (3, 3), (3,)],
        {"W": "dC/dW is transposed. dC/dW["},
    ),
    "mean": (
        with_backward(Dense, lambda self, dZ: (dZ @ self.W.T, self.A.T @ dZ, dZ.mean(axis=0))),
        [(4, 3), (3, 2), (2,)],
        {"b": "is 0.25 times the right one"},
    ),
    "W not transposed": (
        with_backward(Dense, lambda self, dZ: (dZ @ self.W, self.A.T @ dZ, dZ.sum(axis=0))),
        [(4, 3), (3, 3), (3,)],
        {"A": "dC/dA is wrong. dC/dA["},
    ),
    "diagonal": (
        with_backward(Softmax, lambda self, dZ: dZ * self.P * (1 - self.P)),
        [(3, 4)],
        {"X": "dC/dX is wrong. dC/dX["},
    ),
    "part": (
        with_backward(Total, lambda self, dz: [np.full(shape, dz) * [1, 1, 3] for shape in self.shapes]),
        [ROW],
        {"first": "dC/dfirst is wrong at 20 of 60 numbers. dC/dfirst[2] is "},
    ),
    "many inputs": (
        with_backward(Total, lambda self, dz: [np.full(self.shapes[0], dz), np.full(self.shapes[1], dz), 0 * dz]),
        [ONE, ROW, ONE],
        {"more2": "dC/dmore2 is 0."},
    ),
    "NaN": (with_backward(Relu, lambda self, dz: dz * np.nan), [ROW], {"x": "is nan, and must be"}),
    "nothing": (with_backward(Relu, lambda self, dz: None), [ROW], {"backward": "must return dC/dx, got None."}),
    "one": (with_backward(Multiply, lambda self, dz: 1.0), [ONE, ONE], {"backward": "dC/dx and dC/dy, got 1.0."}),
    "adds up": (
        with_backward(Total, lambda self, dz: self.__dict__.update(old=getattr(self, "old", 0) + dz) or self.old),
        [ONE],
        {"backward": "must not add to the old ones"},
    ),
    "random": (
        type("Dropout", (Relu,), {"forward": lambda self, x: x * (RNG.random(x.shape) > 0.5)})(),
        [(20,)],
        {"forward": "forward returns another output for the same inputs"},
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong(case):
    gate, shapes, faults = WRONG[case]
    found = check(gate, *shapes)
    assert not found
    assert {*found.faults} == {*faults}
    for name, fault in faults.items():
        assert fault in found.faults[name]
    head, *lines = str(found).splitlines()
    assert head == f"{type(gate).__name__} is wrong."
    assert lines == [f"- {fault}" for fault in found.faults.values()]


def test_one_number_is_enough():
    """A fault at one place of many, at one point of many."""

    class Once(Relu):
        def backward(self, dz):
            right = dz * (self.x > 0)
            right[2, 1] += (self.x[2, 1] > 1.9) * 1e-3
            return right

    found = check(Once(), (4, 3), points=50)
    assert "is wrong at 1 of 600 numbers. dC/dx[2, 1] is " in found.faults["x"]


def test_the_call_leaves_no_trace_in_a_graph():
    gate = Multiply()
    check(gate, (), ())
    x, y = fb.graph.variables("x y")
    f = fb.graph.gate(gate, x, y)
    assert (f.forward(x=3, y=-4), f.backward()) == (-12, {"x": -4, "y": 3})


def test_points():
    assert check(Multiply(), (), (), points=1).points == 1
    same = [str(check(WRONG["exchanged"][0], (), ())) for _ in range(2)]
    assert same[0] == same[1]
    assert str(check(WRONG["exchanged"][0], (), (), seed=1)) != same[0]


class Raising(Relu):
    def backward(self, dz):
        raise ZeroDivisionError("mine")


class Changing(Relu):
    def backward(self, dz):
        dz *= self.x > 0
        return dz


WRONG_CALLS = [
    (lambda: check(Multiply, (), ()), TypeError, "a gate must be an object with the methods forward and backward"),
    (lambda: check(lambda x: x, ()), TypeError, "a gate must be an object with the methods forward and backward"),
    (lambda: check(Multiply(), ()), TypeError, r"each input of Multiply.forward\(x, y\), got the 1 shapes"),
    (lambda: check(Multiply()), TypeError, r"each input of Multiply.forward\(x, y\), got the 0 shapes"),
    (
        lambda: check(Multiply(), (), 3),
        TypeError,
        r"shapes must be tuples, such as \(\) or \(4, 3\); got 3 for input 2",
    ),
    (lambda: check(Multiply(), (), (0,)), ValueError, "a length of the shape of input 2 must be at least 1, got 0"),
    (lambda: check(Relu(), (), points=0), ValueError, "points must be at least 1, got 0"),
    (
        lambda: check(Relu(), (), between=(1, 1)),
        ValueError,
        r"between must be a smaller and a larger number, got \(1, 1",
    ),
    (lambda: check(Relu(), (), between=3), TypeError, "between must be a pair of numbers, got 3"),
    (lambda: check(Relu(), (), seed=-1), ValueError, "seed must be at least 0, got -1"),
    (lambda: check(Log(), ROW), ValueError, r"Log.forward returns numbers that are not finite: .*between=\(0.5, 2\)"),
    (lambda: check(Raising(), ()), ZeroDivisionError, "mine"),
    (lambda: check(Changing(), ROW), ValueError, "read-only"),
]


@pytest.mark.parametrize(("call", "error", "message"), WRONG_CALLS)
def test_wrong_calls(call, error, message):
    with pytest.raises(error, match=message):
        call()
