"""Data frames: columns by their names, kinds of columns, and labels."""

import copy
import decimal

import numpy as np
import pandas as pd
import pytest

import fastbp as fb

N = 40
RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(N, 3)).astype(np.float32)
FRAME = pd.DataFrame(VALUES, columns=["age", "income", "height"])
TURNED = FRAME[["height", "age", "income"]]
Y = (VALUES[:, 0] > 0).astype(int)


class Table:
    """A frame as polars has it: columns by name, `columns` a list, series without a dtype of NumPy."""

    def __init__(self, columns):
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name):
        return Column(self._columns[name])

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def to_numpy(self):
        return np.column_stack(list(self._columns.values()))


class Column:
    """A series whose dtype is of another library."""

    def __init__(self, values):
        self._values, self.dtype = np.asarray(values), f"Kind({np.asarray(values).dtype})"

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype)


def trainer(**options):
    net = fb.MLP([3, 4, 2], output="softmax", seed=0)
    return fb.Trainer(net, **{"loss": "cross_entropy", "metrics": ["r2"], "seed": 0} | options)


def fitted(X=FRAME):
    own = trainer()
    own.fit(X, Y, epochs=2)
    return own


@pytest.mark.parametrize("make", [lambda x: x, lambda x: Table({name: x[name] for name in x.columns})])
def test_columns_go_by_their_names(make):
    """Every method gives for a frame with columns in another order what it gives for the first."""
    own, frame, turned = fitted(make(FRAME)), make(FRAME), make(TURNED)
    net = own.network
    assert net.columns == ("age", "income", "height")
    calls = [
        net.predict, net.predict_classes, net.transform, net.jacobian, lambda X: net.trace(X).a[-1],
        lambda X: net.trace(X, Y, "cross_entropy").delta[-1], lambda X: net.backward(X, np.ones((N, 2)))[0][0],
        lambda X: net.gradients(X, Y, loss="cross_entropy")[1][0], lambda X: np.array([*own.evaluate(X, Y).values()]),
    ]  # fmt: skip
    for call in calls:
        assert (call(turned) == call(frame)).all()
        assert (call(frame) == call(VALUES)).all()


def test_training_goes_by_names():
    own, twin = fitted(), fitted()
    for one, X in ((own, FRAME), (twin, TURNED)):
        one.partial_fit(X, Y)
        one.fit(X, Y, validation_data=(TURNED, Y))
    assert (own.network.theta == twin.network.theta).all()
    fresh, other = trainer(), trainer()
    fresh.fit(FRAME, Y, validation_data=(TURNED, Y))
    other.fit(FRAME, Y, validation_data=(FRAME, Y))
    assert fresh.history["validation_loss"] == other.history["validation_loss"]


def test_blocks_go_by_names():
    own, twin = trainer(shuffle=False), trainer(shuffle=False)
    own.fit([(FRAME[:20], Y[:20]), (TURNED[20:], Y[20:])])
    twin.fit([(FRAME[:20], Y[:20]), (FRAME[20:], Y[20:])])
    assert (own.network.theta == twin.network.theta).all()
    assert own.network.columns == ("age", "income", "height")


def test_standardize_sees_the_names():
    net = fb.MLP([3, 2], standardize=FRAME * [1, 10, 100], seed=0)
    assert net.columns == ("age", "income", "height")
    scale = net.scale
    net.standardize((FRAME * [1, 10, 100])[["income", "height", "age"]])
    assert (net.scale == scale).all()


def test_files_and_copies_keep_the_names(tmp_path):
    own = trainer()
    own.fit(FRAME, Y, callbacks=[fb.Checkpoint(tmp_path / "run")])
    own.network.save(tmp_path / "m")
    twins = [fb.load(tmp_path / "m"), copy.copy(own.network), own.network.astype("float64")]
    for twin in [*twins, fb.Trainer.resume(tmp_path / "run").network]:
        assert twin.columns == ("age", "income", "height")
        assert twin.predict(TURNED) == pytest.approx(own.network.predict(FRAME), rel=1e-5)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.rename(columns={"age": "years"}), "must have the columns of the training: 'age' is missing and 'years'"),
        (FRAME[["age", "income"]], "must have the columns of the training: 'height' is missing"),
        (FRAME.assign(more=1.0), "must have the columns of the training: 'more' is new"),
        (FRAME[["age", "income", "height", "age"]], "must have the columns of the training: a name comes twice"),
    ],
)
def test_other_columns_are_refused(frame, message):
    own = fitted()
    before = own.network.theta
    for call in (own.network.predict, lambda X: own.evaluate(X, Y), lambda X: own.partial_fit(X, Y)):
        with pytest.raises(ValueError, match="X " + message):
            call(frame)
    with pytest.raises(ValueError, match="X " + message):
        own.fit(frame, Y)
    assert (own.network.theta == before).all()
    with pytest.raises(ValueError, match=r"validation_data\[0\] " + message):
        own.fit(FRAME, Y, validation_data=(frame, Y))
    own.network.columns = None
    assert own.network.predict(FRAME.rename(columns={"age": "years"})).shape == (N, 2)


def test_a_refused_fit_leaves_no_names():
    own = trainer()
    with pytest.raises(ValueError, match="y"):
        own.fit(FRAME, Y[1:])
    assert own.network.columns is None


def test_arrays_and_numbered_columns_have_no_names():
    own = fitted(pd.DataFrame(VALUES))
    assert own.network.columns is None
    assert own.network.predict(FRAME).shape == (N, 2)
    own = fitted()
    assert (own.network.predict(VALUES) == own.network.predict(FRAME)).all()


@pytest.mark.parametrize("columns", ["abc", [1, 2, 3], ["a", "b"], ["a", "a", "b"]])
def test_wrong_names(columns):
    with pytest.raises((TypeError, ValueError), match="columns must be"):
        fb.MLP([3, 2]).columns = columns


KINDS = {
    "bool": pd.Series([True, False] * 20), "nullable bool": pd.Series([True, False] * 20, dtype="boolean"),
    "nullable int": pd.Series(range(N), dtype="Int64"), "nullable float": pd.Series(VALUES[:, 0], dtype="Float32"),
    "uint8": pd.Series(range(N), dtype="uint8"), "int": pd.Series(range(N)),
    "sparse": pd.Series(pd.arrays.SparseArray([0.0, 1] * 20)),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_columns(kind):
    """Beside floats, and alone; what comes out is what its values as floats give."""
    net = fb.MLP([3, 2], seed=0)
    wanted = KINDS[kind].to_numpy(dtype=np.float64)
    mixed = FRAME.assign(age=KINDS[kind])
    assert (net.predict(mixed) == net.predict(np.column_stack([wanted, VALUES[:, 1:]]))).all()
    alone = pd.DataFrame(dict.fromkeys("abc", KINDS[kind]))
    assert (net.predict(alone) == net.predict(np.column_stack([wanted] * 3))).all()


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (pd.Series(["a", "b"] * 20), "str"),
        (pd.Series(["a", "b"] * 20, dtype="category"), "category"),
        (pd.Series([1, 2] * 20, dtype="category"), "category"),
        (pd.Series([None, 1.0] * 20, dtype=object), "object"),
        (pd.Series(pd.date_range("2020", periods=N)), "datetime64"),
    ],
)
def test_columns_of_no_numbers_are_refused_by_name(column, dtype):
    with pytest.raises(TypeError, match=rf"X\['income'\] must be a column of numbers, got dtype {dtype}"):
        trainer().fit(FRAME.assign(income=column), Y)


@pytest.mark.parametrize("kind", ["float32", "Float64", "Int64"])
def test_a_missing_value_is_told_with_its_column_and_row(kind):
    frame = FRAME.assign(income=pd.Series(range(N)).astype("float32").where(np.arange(N) != 7).astype(kind))
    own = fitted()
    for call in (own.network.predict, lambda X: own.fit(X, Y)):
        with pytest.raises(ValueError, match=r"X\['income'\] is nan in row 7; every value must be finite"):
            call(frame)


def test_the_warning_of_scales_has_names():
    with pytest.warns(UserWarning, match=r"in column 'age', to .*, in column 'income'"):
        trainer().fit(FRAME * [1e-3, 1e3, 1], Y)


# --- one call, not one for each column --------------------------------------------------------------------------------


class Polars:
    """A frame whose schema and data come at once, as in polars. It counts what is asked for."""

    class Float64:
        is_numeric = classmethod(lambda cls: True)

    class Date:
        is_numeric = classmethod(lambda cls: False)

    class Decimal:
        is_numeric = classmethod(lambda cls: True)

    def __init__(self, columns, kinds=None):
        self._data, self._kinds, self.asked = dict(columns), kinds or {}, []

    def _ask(self, name, answer):
        self.asked.append(name)
        return answer

    columns = property(lambda self: self._ask("columns", [*self._data]))
    dtypes = property(lambda self: self._ask("dtypes", [self._kinds.get(each, self.Float64) for each in self._data]))

    def to_numpy(self):
        return self._ask("to_numpy", np.column_stack([np.asarray(each, float) for each in self._data.values()]))

    def __getitem__(self, name):
        return self._ask("column", Column(self._data[name]))


class Arrow:
    """A table as pyarrow has it: `columns` are data, and series have a `type`."""

    class Series:
        def __init__(self, values):
            self._values, self.type = np.asarray(values), "double"

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self._values, dtype)

    def __init__(self, columns):
        self._data = columns

    column_names = property(lambda self: [*self._data])
    columns = property(lambda self: [self.Series(each) for each in self._data.values()])

    def __array__(self, dtype=None, copy=None):
        return np.column_stack([*self._data.values()])


NAMES = [f"c{k}" for k in range(500)]
WIDE = np.random.default_rng(0).normal(size=(3, len(NAMES)))


def wide():
    net = fb.MLP([len(NAMES), 2], seed=0)
    net.columns = NAMES
    return net


def test_a_frame_of_polars_is_read_by_one_call():
    net, order = wide(), RNG.permutation(len(NAMES))
    for names in (NAMES, [NAMES[k] for k in order]):
        frame = Polars({name: WIDE[:, NAMES.index(name)] for name in names})
        assert (net.predict(frame) == net.predict(WIDE)).all()
        assert frame.asked == ["columns", "dtypes", "to_numpy"]


@pytest.mark.parametrize("kind", ["float", "float32 and bool", "int and float", "Float64"])
def test_no_column_of_pandas_is_read_by_itself(kind, monkeypatch):
    frame = pd.DataFrame(WIDE.round(), columns=NAMES)
    if kind == "float32 and bool":
        frame = frame.astype({name: bool if k % 2 else np.float32 for k, name in enumerate(NAMES)})
    elif kind == "int and float":
        frame = frame.astype(dict.fromkeys(NAMES[::2], np.int64))
    elif kind == "Float64":
        frame = frame.astype("Float64")
    wanted, net, turned = wide().predict(frame.astype(float).to_numpy()), wide(), frame[NAMES[::-1]]

    def refuse(*arguments):
        raise AssertionError("a column was read by itself")

    monkeypatch.setattr(pd.DataFrame, "iloc", property(refuse))
    monkeypatch.setattr(pd.DataFrame, "__getitem__", refuse)
    assert (net.predict(frame) == wanted).all()
    assert (net.predict(turned) == wanted).all()


def test_a_table_of_pyarrow_is_a_frame():
    own, table = fitted(), Arrow({name: TURNED[name].to_numpy() for name in TURNED})
    assert (own.network.predict(table) == own.network.predict(FRAME)).all()
    with pytest.raises(ValueError, match="X must have the columns of the training: 'age' is missing"):
        own.network.predict(Arrow({"height": np.ones(3), "income": np.ones(3)}))
    with pytest.raises(TypeError, match=r"X\['age'\] must be a column of numbers, got dtype double: encode it"):
        own.network.predict(Arrow({name: ["a", "b"] if name == "age" else np.ones(2) for name in FRAME}))


@pytest.mark.parametrize("kind", ["Date", "Decimal"])
def test_dtypes_of_polars_that_are_no_numbers_are_refused(kind):
    """Its `to_numpy` makes numbers of dates."""
    days = np.array(["2020-01-01"], "datetime64[D]") if kind == "Date" else np.array([decimal.Decimal(1)])
    frame = Polars({"age": [1.0], "income": days, "height": [1.0]}, {"income": getattr(Polars, kind)})
    way = "encode it" if kind == "Date" else "convert it to floats$"
    with pytest.raises(TypeError, match=rf"X\['income'\] must be a column of numbers, got dtype .*: {way}"):
        fitted().network.predict(frame)


class Lazy:
    """A frame that is not in memory."""

    columns = property(lambda self: ["age", "income", "height"])

    def collect(self):
        raise AssertionError("it is not for the library to collect")


class Dask:
    """A frame of dask, whose series it makes only when they are needed."""

    columns = property(lambda self: ["age", "income", "height"])

    def compute(self):
        raise AssertionError("it is not for the library to compute")

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("it is not for the library to compute")

    def __getitem__(self, name):
        raise IndexError(name)


def test_frames_that_are_not_in_memory_are_refused():
    own = fitted()
    for frame, way in ((Lazy(), "Lazy: give {}.collect"), (Dask(), "Dask: give {}.compute")):
        for call in (own.network.predict, lambda X: own.fit(X, Y), lambda X: own.evaluate(X, Y), own.network.jacobian):
            with pytest.raises(TypeError, match=f"X must be in memory, got a .* {way.format('X')}"):
                call(frame)
        with pytest.raises(TypeError, match=f"y must be in memory, got a .* {way.format('y')}"):
            own.fit(FRAME, frame)
        with pytest.raises(TypeError, match="X must be in memory"):
            fb.MLP([3, 2], standardize=frame)


class Bare:
    """A frame that has no way to its columns but an array."""

    columns = ("age", "income", "height")

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return self._array


def test_a_frame_without_columns_to_read_is_its_array():
    own = fitted()
    assert (own.network.predict(Bare(VALUES)) == own.network.predict(FRAME)).all()
    with pytest.raises(ValueError, match=r"X must have a column for each of 3 names, got shape \(40, 2\)"):
        own.network.predict(Bare(VALUES[:, :2]))
    with pytest.raises(TypeError, match="X must be an array of real numbers, got dtype <U1"):
        own.network.predict(Bare(np.full((2, 3), "a")))


OBJECTS = {"numbers": [1, 2.5] * 20, "Decimals": [decimal.Decimal("1.5")] * N, "with None": [None, 1.0] * 20}


@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_that_are_numbers_need_a_conversion(kind):
    column = pd.Series(OBJECTS[kind], dtype=object)
    with pytest.raises(TypeError, match=r"X\['income'\] must be a column of numbers, got dtype object: convert it to "):
        trainer().fit(FRAME.assign(income=column), Y)
    for name, call in {
        "X": lambda: trainer().fit(np.column_stack([column] * 3), Y),
        "y": lambda: fb.Trainer(fb.MLP([3, 1]), loss="mse").fit(FRAME, column),
    }.items():
        with pytest.raises(TypeError, match=rf"{name} must be an array of real numbers, .*; {name}.astype\(float\) "):
            call()


REAL = ["polars", "pyarrow", "dask.dataframe"]


@pytest.mark.parametrize("package", REAL)
def test_the_libraries_themselves(package):
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    own = fitted()
    wanted = own.network.predict(FRAME)
    columns = {name: TURNED[name].to_numpy() for name in TURNED}
    if package == "polars":
        assert (own.network.predict(module.DataFrame(columns)) == wanted).all()
        with pytest.raises(TypeError, match=r"got a polars LazyFrame: give X.collect\(\)"):
            own.network.predict(module.LazyFrame(columns))
    elif package == "pyarrow":
        table = module.table(columns)
        assert (own.network.predict(table) == wanted).all()
        assert (own.network.predict(table.to_batches()[0]) == wanted).all()
    else:
        with pytest.raises(TypeError, match=r"got a dask DataFrame: give X.compute\(\)"):
            own.network.predict(module.from_pandas(TURNED, npartitions=2))


# --- targets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        Y.astype(float), Y.astype(np.float32), Y.astype(bool), pd.Series(Y), pd.Series(Y, dtype="Int64"),
        pd.Series(Y, index=range(100, 100 + N)), pd.Series(Y.astype(float)), Y.tolist(), Y.astype(float).tolist(),
    ],
)  # fmt: skip
def test_integral_targets_are_labels(y):
    own, twin = trainer(), trainer()
    assert own.fit(VALUES, y, epochs=2)["accuracy"] == twin.fit(VALUES, Y, epochs=2)["accuracy"]
    assert (own.network.theta == twin.network.theta).all()


def test_floats_stay_values_for_a_loss_of_values():
    own = fb.Trainer(fb.MLP([3, 2]), loss="squared_error")
    with pytest.raises(TypeError, match=r"y of shape .* must be integer labels for 2 outputs, got dtype float64"):
        own.fit(VALUES, Y.astype(float))


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (np.array(["no", "yes"])[Y], TypeError, r"classes, y = np.unique\(y, return_inverse=True\)"),
        (np.array(["no", "yes"], object)[Y], TypeError, r"classes, y = np.unique\(y, return_inverse=True\)"),
        (pd.Series(["no", "yes"] * 20, dtype="category"), TypeError, r"np.unique\(y, return_inverse=True\)"),
        (Y + 1, ValueError, "y must be labels from 0 to 1, got labels that count from 1 to 2: give y - 1"),
        (Y + 1.0, ValueError, "y must be labels from 0 to 1, got labels that count from 1 to 2"),
        (Y + 0.5, TypeError, "y of shape .* must be integer labels for 2 outputs, got dtype float64"),
        (pd.Series(Y, dtype="Int64").where(np.arange(N) != 3), ValueError, r"y\[3\] is nan"),
        (Y * 5, ValueError, "y.* is 5; every value must be in .0, 1."),
        (Y * 1e300, ValueError, "y.* must be in .0, 1."),
    ],
)
def test_targets_that_are_no_labels(y, error, message):
    with pytest.raises(error, match=message):
        trainer().fit(VALUES, y)


def test_frames_of_targets():
    own, twin = (fb.Trainer(fb.MLP([3, 2], output="sigmoid", seed=0), loss="bce", seed=0) for _ in range(2))
    rows = np.column_stack([Y, 1 - Y])
    own.fit(FRAME, pd.DataFrame(rows == 1, columns=["a", "b"]))
    twin.fit(FRAME, rows)
    assert (own.network.theta == twin.network.theta).all()


def test_validation_data_and_blocks_have_one_order():
    """The validation data are read before the first block, which then comes in their order."""
    own = trainer()
    history = own.fit([(FRAME, Y)], validation_data=(TURNED, Y))
    assert own.network.columns == tuple(TURNED.columns)
    assert history["validation_loss"] == [pytest.approx(own.evaluate(FRAME, Y)["loss"])]


def test_names_of_blocks_are_known_to_checkpoints_and_after_an_interruption(tmp_path):
    def stop(state):
        raise KeyboardInterrupt

    own = trainer(metrics=[])
    calls = [fb.Checkpoint(tmp_path), fb.callbacks.Lambda(epoch_begin=lambda state: state.epoch and stop(state))]
    with pytest.raises(KeyboardInterrupt):
        own.fit([(FRAME, Y)], epochs=2, callbacks=calls)
    assert own.network.columns == fb.Trainer.resume(tmp_path).network.columns == ("age", "income", "height")


def test_a_frame_with_equal_names_changes_nothing():
    net = fb.MLP([3, 2], seed=0)
    twice = pd.DataFrame(VALUES, columns=["age", "age", "height"])
    with pytest.raises(ValueError, match="columns must be 3 different names"):
        net.standardize(twice)
    assert net.scale.tolist() == [1, 1, 1]
