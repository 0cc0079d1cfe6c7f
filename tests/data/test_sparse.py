"""Sparse matrices as samples: each form of the same values has the same bits, and no matrix that lies is read."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from helpers import MEGA, any_pair, any_scale, guarded_copy, parameters, run, same
from scipy import sparse

import fastbp as fb
from fastbp.callbacks import Lambda
from fastbp.data import sparse as sparse_samples
from fastbp.engine import input_paths

N, N_IN, N_OUT = 43, 17, 3
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, N_OUT, N)
MANY = sparse.csr_matrix(RNG.random((N, N_OUT)) < 0.4, dtype=np.float64)
"""Targets, several of which may be 1."""


def matrix() -> sparse.csr_matrix:
    """With values in every fifth place, and none in some rows and columns."""
    X = sparse.random(N, N_IN, 0.2, "lil", np.float64, random_state=0)
    X[[0, 7, 8, N - 1]], X[:, [3, N_IN - 1]] = 0, 0
    return X.tocsr()


X = matrix()
DENSE = X.toarray()


def make(loss: str = "cross_entropy", n_in: int = N_IN, n_out: int = N_OUT, network: dict | None = None, **settings):
    """A trainer whose dropout would show a step or a row that is counted wrongly."""
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "identity")
    made = fb.MLP([n_in, 5, n_out], output=output, seed=0, **{"dropout": 0.2} | (network or {}))
    return fb.Trainer(made, loss=loss, seed=0, **{"batch_size": 7, "optimizer": fb.Adam(0.01)} | settings)


def outcome(X: object, y: object, *, loss: str = "cross_entropy", made: dict | None = None, **options) -> list:
    """What all methods make of samples."""
    n_out = N_OUT if y is LABELS else np.shape(y)[1]
    own = make(loss, X.shape[1], n_out, **made or {})
    own.fit(X, y, epochs=2, **{"validation_data": (X, y)} | options)
    steps, scores = own.partial_fit(X, y), own.evaluate(X, y)
    value, dW, db = own.network.gradients(X, y, loss=loss, seed=3)
    arrays = [*parameters(own), own.network.predict(X), own.network.predict_classes(X), *dW, *db]
    history = [list(column) for name, column in own.history.items() if name != "seconds"]
    return [[array.tobytes() for array in arrays], repr((history, steps, scores, value))]


def with_arrays(change, X: sparse.csr_matrix = X) -> sparse.csr_matrix:
    """A copy of a matrix in which a function has changed each of the three arrays."""
    made = X.copy()
    made.data, made.indices, made.indptr = change(made.data), change(made.indices), change(made.indptr)
    return made


def locked(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def backwards(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same matrix, with the last column of each row first."""
    made = X.copy()
    order = np.lexsort((-X.indices, np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))))
    made.data, made.indices, made.has_sorted_indices = X.data[order], X.indices[order], False
    return made


def twice(X: sparse.csr_matrix, parts: int = 2) -> sparse.csr_matrix:
    """A matrix that has each value in several parts, whose sum it is."""
    share = X.data if X.dtype == np.bool_ else X.data / parts
    data = np.concatenate([share] * parts).astype(X.dtype)
    rows = np.tile(np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), parts)
    order = np.argsort(rows, kind="stable")
    return type(X)((data[order], np.tile(X.indices, parts)[order], X.indptr * parts), X.shape)


def lying(X: sparse.csr_matrix, **claims: object) -> sparse.csr_matrix:
    """The same matrix with other attributes."""
    made = X.copy()
    for name, value in claims.items():
        setattr(made, name, value)
    return made


def entry(X: object, name: str, value: float, place: int = 1) -> object:
    """A copy of a matrix with another number in one of its arrays."""
    array = getattr(X, name).copy()
    array[place] = value
    return lying(X, **{name: array})


# --- forms ------------------------------------------------------------------------------------------------------------

FORMS = {
    "csr_array": sparse.csr_array,
    **{name: lambda X, name=name: X.asformat(name) for name in ("coo", "csc", "lil", "dok", "bsr", "dia")},
    "coo with duplicates": lambda X: twice(X).tocoo(),
    "csc with duplicates": lambda X: twice(X.T.tocsr()).T,
    "int64 indices": lambda X: lying(X, indices=X.indices.astype(np.int64), indptr=X.indptr.astype(np.int64)),
    "uint8 indices": lambda X: lying(X, indices=X.indices.astype(np.uint8)),
    "big-endian": lambda X: with_arrays(lambda array: array.astype(array.dtype.newbyteorder(">")), X),
    "strided": lambda X: with_arrays(lambda array: np.repeat(array, 2)[::2], X),
    "read-only": lambda X: with_arrays(locked, X),
    "unsorted": backwards,
    "unsorted and read-only": lambda X: with_arrays(locked, backwards(X)),
    "duplicates": twice,
    "many duplicates": lambda X: twice(X, 40),
    "explicit zeros": lambda X: sparse.csr_matrix(np.where(X.toarray() == 0, 2.0, 0)) * 0 + X,
    "entries of no row": lambda X: lying(X, data=np.r_[X.data, np.nan], indices=np.r_[X.indices, -1]),
    "wrongly canonical": lambda X: lying(backwards(twice(X)), has_canonical_format=True),
}


def arrays_of(X: object) -> list[bytes]:
    """The bytes of all arrays of a matrix."""
    return [value.tobytes() for value in vars(X).values() if isinstance(value, np.ndarray) and value.dtype != object]


@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_the_bits_of_the_array_and_is_not_changed(form):
    made = FORMS[form](X)
    before = arrays_of(made)
    assert np.allclose(made.toarray(), DENSE)
    assert outcome(made, LABELS) == outcome(made.toarray(), LABELS)
    assert arrays_of(made) == before


@any_scale
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("kind", ["?", "u1", "i1", "u2", "i8", "f4", "f8", "g", "i1 that overflow", "? twice"])
def test_each_dtype_has_the_bits_of_the_array(kind, dtype):
    made = (40 * X).astype(kind.partition(" ")[0])
    if kind == "i1 that overflow":
        made = twice(made)
        made.data[:] = 100
    elif kind == "? twice":
        made = twice(made)
    options = {"made": {"network": {"dtype": dtype}}}
    assert outcome(made, LABELS, **options) == outcome(made.toarray(), LABELS, **options)


@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n_in", [1, 16, 65])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_each_shape_has_the_bits_of_the_array(n, n_in, density):
    made = sparse.random(n, n_in, density, "csr", random_state=0)
    y = MANY[:n]
    loss = "binary_cross_entropy"
    assert outcome(made, y, loss=loss) == outcome(made.toarray(), y.toarray(), loss=loss)


@pytest.mark.parametrize("at_end", [True, False])
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
def test_nothing_beside_the_arrays_is_touched(kind, index, at_end):
    guard = lambda array: guarded_copy(array if array.dtype == kind else array.astype(index), at_end)  # noqa: E731
    made, y = (with_arrays(guard, matrix.astype(kind)) for matrix in (10 * X, MANY))
    own = make("binary_cross_entropy", n_threads=2)
    own.fit(made, y, epochs=2, shuffle_buffer=9)
    own.fit([(made, y), (made, y)], shuffle_buffer=9)
    assert np.isfinite(own.network.predict(made)).all()


def test_a_matrix_is_never_made_dense():
    """As an array, this one would have 16 GB."""
    n, n_in = 200_000, 20_000
    large = sparse.csr_matrix((np.ones(n, "f4"), np.arange(n) % n_in, np.arange(n + 1)), (n, n_in))
    own = make("squared_error", n_in, 1, batch_size=1000)
    tracemalloc.start()
    own.fit(large, np.zeros(n), validation_split=0.2)
    own.network.predict(large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * MEGA


def test_scipy_is_not_needed_without_sparse_matrices():
    run("""
        import sys
        sys.modules["scipy"] = None  # so that nobody can import it
        import numpy as np, fastbp as fb
        fb.Trainer(fb.MLP([2, 1]), loss="squared_error").fit(np.ones((3, 2)), np.ones(3))
        fb.MLP([2, 1]).predict(np.ones((3, 2)))
        sys.modules["scipy.sparse"] = type(sys)("scipy.sparse")  # as while another thread imports it
        fb.MLP([2, 1]).predict(np.ones((3, 2)))
    """)


# --- targets ----------------------------------------------------------------------------------------------------------


@any_pair
@pytest.mark.parametrize("form", ["csr_array", "coo", "csc", "int64 indices", "unsorted", "duplicates"])
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "squared_error", "hinge", "poisson"])
def test_targets_have_the_bits_of_the_array(loss, form):
    options = {"loss": loss, "validation_data": None, "validation_split": 0.3, "sample_weight": np.arange(N) % 3}
    assert outcome(X, FORMS[form](MANY), **options) == outcome(DENSE, MANY.toarray(), **options)


@pytest.mark.parametrize("options", [{"validation_split": 0.3}, {"class_weight": "balanced"}, {"class_weight": {1: 3}}])
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "hinge"])
def test_a_column_of_targets_has_classes(loss, options):
    options |= {"loss": loss} | ({"validation_data": None} if "validation_split" in options else {})
    y = MANY[:, :1]
    assert outcome(X, y, **options) == outcome(DENSE, y.toarray(), **options)


@pytest.mark.parametrize("metric", ["accuracy", "auc", "r2", lambda y, a: float((y * a).sum())])
def test_metrics_of_sparse_targets(metric):
    own = make("binary_cross_entropy", metrics=[metric])
    assert own.evaluate(X, MANY) == own.evaluate(DENSE, MANY.toarray())


@pytest.mark.parametrize(
    ("loss", "y", "error", "message"),
    [
        ("cross_entropy", MANY, TypeError, "y must not be sparse for cross_entropy"),
        ("multiclass_hinge", MANY, TypeError, "y must not be sparse for multiclass_hinge"),
        ("binary_cross_entropy", MANY[:-1], ValueError, "y must have a row for each of the 43 rows of X, got 42"),
        ("binary_cross_entropy", MANY[:, :2], ValueError, r"y must have shape \(n, 3\)"),
        ("binary_cross_entropy", 2 * MANY, ValueError, r"y.data\[0\] is 2"),
        ("squared_error", MANY * np.inf, ValueError, r"y.data\[0\] is inf"),
        ("hinge", -1 * MANY, ValueError, r"y.data\[0\] is -1"),
        ("hinge", 0.5 * MANY, ValueError, r"y.data\[0\] is 0.5"),
        ("squared_error", entry(MANY, "indices", N_OUT), ValueError, "y.indices must be at least 0 and below 3"),
        ("squared_error", 1j * MANY, TypeError, "y must be a matrix of real numbers"),
    ],
)
def test_targets_that_are_refused(loss, y, error, message):
    with pytest.raises(error, match=message):
        make(loss).fit(X, y)


def test_class_weight_needs_one_class_a_sample():
    with pytest.raises(ValueError, match="class_weight must be None for targets with several labels"):
        make("binary_cross_entropy").fit(X, MANY, class_weight="balanced")


# --- errors -----------------------------------------------------------------------------------------------------------

DOORS = {
    "fit": lambda own, X: own.fit(X, LABELS),
    "fit with a split": lambda own, X: own.fit(X, LABELS, validation_split=0.3),
    "partial_fit": lambda own, X: own.partial_fit(X, LABELS),
    "evaluate": lambda own, X: own.evaluate(X, LABELS),
    "predict": lambda own, X: own.network.predict(X),
    "gradients": lambda own, X: own.network.gradients(X, LABELS, loss="cross_entropy", seed=0),
    "blocks": lambda own, X: own.fit([(X, LABELS)]),
    "validation_data": lambda own, X: own.fit(DENSE, LABELS, validation_data=(X, LABELS)),
}
NAMES = {"blocks": "X of block 0", "validation_data": r"validation_data\[0\]"}


def assert_refused(X: object, message: str, doors=DOORS, **made: object) -> None:
    """Each door raises an error that begins with the name of the argument, and then nothing has changed."""
    own, twin = make(**made), make(**made)
    for door in doors:
        with pytest.raises((ValueError, TypeError), match=f"^{NAMES.get(door, 'X')}{message}"):
            DOORS[door](own, X)
    for each in (own, twin):
        each.fit(DENSE, LABELS)
    assert own.history.epochs == 1
    assert same(parameters(own), parameters(twin))


POINTERS = ".indptr must begin with 0, not decrease, and end with"
PLACES = ".indices must be at least 0 and below 17, got"
LENGTHS = ".data and .*.indices must be vectors of the same length"
LIES = {
    "first": (lambda: entry(X, "indptr", 1, 0), POINTERS),
    "negative": (lambda: entry(X, "indptr", -5, 9), POINTERS),
    "decreases": (lambda: entry(X, "indptr", X.nnz, 9), POINTERS),
    "beyond": (lambda: entry(X, "indptr", X.nnz + 10**6, N), POINTERS),
    "beyond int64": (lambda: entry(lying(X, indptr=X.indptr.astype(np.uint64)), "indptr", 2**63, N), POINTERS),
    "too long": (lambda: lying(X, indptr=np.r_[X.indptr, X.nnz]), ".indptr must be 44 integers"),
    "too short": (lambda: lying(X, indptr=X.indptr[:-1]), ".indptr must be 44 integers"),
    "real pointers": (lambda: lying(X, indptr=1.0 * X.indptr), ".indptr must be 44 integers"),
    "column too large": (lambda: entry(X, "indices", N_IN), PLACES),
    "column below 0": (lambda: entry(X, "indices", -1), PLACES),
    "real columns": (lambda: lying(X, indices=1.0 * X.indices), ".indices must be integers"),
    "few columns": (lambda: lying(X, indices=X.indices[:-1]), LENGTHS),
    "few values": (lambda: lying(X, data=X.data[:-1]), LENGTHS),
    "many values": (lambda: lying(X, data=np.r_[X.data, 1.0]), LENGTHS),
    "a table of values": (lambda: lying(X, data=np.ones((X.nnz, 2))), LENGTHS),
    "tables": (lambda: lying(X, data=X.data[:, None], indices=X.indices[:, None]), LENGTHS),
    "a list": (lambda: lying(X, data=X.data.tolist()), " must be a valid sparse matrix"),
    "nothing": (lambda: lying(X, data=None), " must be a valid sparse matrix"),
    "objects": (lambda: lying(X, data=X.data.astype(object)), " must be a matrix of real numbers, got dtype object"),
    "complex": (lambda: 1j * X, " must be a matrix of real numbers, got dtype complex128"),
    "NaN": (lambda: entry(X, "data", np.nan), r".data\[1\] is nan"),
    "infinite": (lambda: entry(X, "data", -np.inf), r".data\[1\] is -inf"),
    "infinite in float32": (lambda: entry(X, "data", 1e300), r".data\[1\] is 1e\+300"),
    "masked NaN": (lambda: lying(X, data=np.ma.array(np.full(X.nnz, np.nan), mask=True)), r".data\["),
    "narrow": (lambda: X[:, 1:], r" must have shape \(n, 17\), a row a sample; got \(43, 16\)"),
    "one dimension": (lambda: sparse.coo_array(np.ones(N_IN)), r" must have shape \(n, 17\), .* got \(17,\)"),
    "coo row": (lambda: entry(X.tocoo(), "row", 10**8), ".row must be at least 0 and below 43"),
    "coo row below 0": (lambda: entry(X.tocoo(), "row", -(10**8)), ".row must be at least 0 and below 43"),
    "coo column": (lambda: entry(X.tocoo(), "col", 10**8), ".col must be at least 0 and below 17"),
    "coo values": (lambda: lying(X.tocoo(), data=X.data[:2]), " must be a valid sparse matrix"),
    "csc rows": (lambda: entry(X.tocsc(), "indices", 10**8), ".indices must be at least 0 and below 43"),
    "csc columns": (lambda: entry(X.tocsc(), "indptr", 10**8), POINTERS),
    "csc values": (lambda: lying(X.tocsc(), data=X.data[:2]), LENGTHS),
    "bsr columns": (lambda: entry(X.tobsr((1, 1)), "indices", 10**8), PLACES),
    "bsr rows": (lambda: entry(X.tobsr((1, 1)), "indptr", 10**8), POINTERS),
    "bsr values": (lambda: lying(X.tobsr((1, 1)), data=np.ones((1, 1, 1))), LENGTHS),
    "dia": (lambda: lying(X.todia(), offsets=np.zeros(1, int)), ".offsets must be one for each row of data"),
    "lil": (lambda: entry(X.tolil(), "rows", [1, 2, 3] * 99), ".rows and .*.data must have lists of the same lengths"),
    "lil columns": (lambda: entry(lying(X.tolil(), data=X.tolil().data), "rows", None), " must be a valid"),
    "dok": (lambda: _dok(), ".row must be at least 0 and below 43, got"),
}


def _dok() -> sparse.dok_matrix:
    made = X.todok()
    made._dict[N, 0] = 1.0
    return made


@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("lie", LIES)
def test_a_matrix_that_lies_is_refused_and_changes_nothing(lie):
    made, message = LIES[lie]
    assert_refused(made(), message)


def test_lies_that_would_let_scipy_write_anywhere_are_refused():
    """In a child process: SciPy's own conversions of these matrices end it. Without these lies, the bits are right."""
    run("""
        import numpy as np, fastbp as fb
        from scipy import sparse

        def lying(X, **claims):
            for name, value in claims.items():
                setattr(X, name, value)
            return X

        class Csc(sparse.csc_matrix):
            format = "csr"

        n, n_in = 400, 300
        X = sparse.random(n, n_in, 0.05, "csr", random_state=0)
        net = fb.MLP([n_in, 2], seed=0)
        longer = lambda lists: np.array([*lists, *([5] * 9 for _ in range(9))], object)
        lil, dia = X.tolil(), X.todia()
        far = np.array(dia.offsets, np.int64)
        far[0] = 2**62
        lies = [
            lying(X.tolil(), rows=longer(lil.rows), data=longer(lil.data)),
            lying(X.tolil(), rows=np.array([row[:-1] for row in lil.rows], object)),
            lying(X.tolil(), rows=np.array([[column + 10**9 for column in row] for row in lil.rows], object)),
            lying(X.todia(), offsets=far[:-1]),
            lying(X.todia(), offsets=dia.offsets * 1.0),
            lying(X.tocsc(), _shape=(20, n_in)), lying(X.tocoo(), _shape=(20, n_in)),
            lying(X.tobsr((4, 3)), _shape=(20, n_in)), lying(X.tolil(), _shape=(20, n_in)),
            lying(X.todok(), _shape=(20, n_in)), lying(X.copy(), _shape=(20, n_in)),
            lying(X.tobsr((4, 3)), data=np.ones((9, 0, 0))), lying(X.tocoo(), data=np.ones((9, 9))),
        ]
        for lie in lies:
            try:
                net.predict(lie)
            except (TypeError, ValueError) as error:
                assert str(error).startswith("X"), error
            else:
                raise AssertionError(f"{type(lie)} {lie.shape}")
        right = net.predict(X.toarray())
        assert (net.predict(lying(X.tocsc(), __class__=Csc)) == right).all()
        far_away = lying(X.todia(), offsets=far)
        cut = X.toarray()
        rows = np.arange(n)
        column = rows + dia.offsets[0]
        cut[rows[(column >= 0) & (column < n_in)], column[(column >= 0) & (column < n_in)]] = 0
        assert (net.predict(far_away) == net.predict(cut)).all()
    """)


def test_a_matrix_of_an_unknown_class_is_refused(monkeypatch):
    monkeypatch.delitem(sparse_samples.ENTRIES, "coo")
    with pytest.raises(TypeError, match=r"X must have one of the formats csr, .*, got coo_matrix"):
        make().fit(X.tocoo(), LABELS)


def test_columns_beyond_int32_are_refused():
    wide = sparse.csr_matrix((np.ones(1), np.array([2**31]), np.array([0, 1])), (1, 2**31 + 1))
    with pytest.raises(ValueError, match="X must have at most 2147483647 columns if it is sparse, got 2147483649"):
        sparse_samples.read(wide, 2**31 + 1, np.dtype(np.float32), "X")


def test_a_matrix_without_rows_is_refused():
    with pytest.raises(ValueError, match=r"X must have at least one row, got shape \(0, 17\)"):
        make().fit(X[:0], LABELS[:0])


def test_a_shift_needs_an_array():
    assert_refused(X, " must not be sparse for a network with a shift", network={"shift": 0.5})


def test_input_noise_needs_an_array_but_only_for_training():
    noisy = {"input_noise": 0.1}
    doors = ("fit", "fit with a split", "partial_fit", "gradients", "blocks")
    assert_refused(X, " must not be sparse for a network with input_noise", doors, network=noisy)
    own = make(network=noisy)
    assert (own.network.predict(X) == own.network.predict(DENSE)).all()
    assert own.evaluate(X, LABELS) == own.evaluate(DENSE, LABELS)
    own.fit(DENSE, LABELS, validation_data=(X, LABELS))


@pytest.mark.parametrize("form", ["csr_array", "coo", "lil", "dok"])
def test_a_matrix_is_no_iterable_of_blocks(form):
    with pytest.raises(TypeError, match="y must be given, unless X is an iterable of blocks"):
        make().fit(FORMS[form](X))


def test_outputs_that_are_not_finite_are_those_of_the_array():
    net = fb.MLP([N_IN, 2], seed=0)
    net.set_weights([1e30 * W for W in net.weights], net.biases)
    with np.errstate(all="ignore"):
        assert net.predict(1e30 * X).tobytes() == net.predict(1e30 * DENSE).tobytes()


CHANGES = {
    "columns below 0": lambda X: X.indices.fill(np.iinfo(X.indices.dtype).min),
    "columns too large": lambda X: X.indices.fill(np.iinfo(X.indices.dtype).max),
    "one column": lambda X: X.indices.fill(5),
    "columns at random": lambda X: np.random.default_rng(X.nnz).shuffle(X.indices),
    "starts": lambda X: X.indptr.fill(2**30),
    "size": lambda X: X.resize((2, 2)),
    "arrays": lambda X: (setattr(X, "data", X.data[:1]), setattr(X, "indices", X.indices[:1])),
}


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("change", CHANGES)
def test_a_callback_that_changes_the_matrices_cannot_crash_the_process(change, index):
    made = [with_arrays(lambda array: array.astype(index) if array.dtype.kind == "i" else array, M) for M in (X, MANY)]
    own = make("binary_cross_entropy")
    spoil = Lambda(batch_end=lambda state: [CHANGES[change](each) for each in made], every=1)
    own.fit(*made, epochs=3, callbacks=[spoil], validation_data=made)
    assert own.history.epochs == 3


def test_too_many_entries_for_the_lists_are_refused(monkeypatch):
    """Their numbers would overflow. A small batch has fewer of them."""
    most = np.sort(np.diff(X.indptr))[-7:].sum()
    monkeypatch.setattr(input_paths, "MOST_ENTRIES", most)
    with pytest.raises(ValueError, match=f"X must have at most {most} entries in 43 rows"):
        make(batch_size=N).fit(X, LABELS)
    make(batch_size=7).fit(X, LABELS)


# --- blocks -----------------------------------------------------------------------------------------------------------


def cut(X: object, y: object, *ends: int) -> list[tuple]:
    return [(X[a:b], y[a:b]) for a, b in zip((0, *ends), (*ends, N), strict=True)]


@pytest.mark.parametrize("shuffle_buffer", [None, 1, 9, 20])
@pytest.mark.parametrize("ends", [(), (1, 1, 2, 9, 30), (40,), tuple(range(1, N))])
def test_sparse_blocks_have_the_bits_of_arrays(ends, shuffle_buffer):
    """Some are empty, some are all zeros, and they have different indices."""
    made, twin = make("binary_cross_entropy"), make("binary_cross_entropy")
    blocks = cut(X, MANY, *ends)
    blocks[1::2] = [(FORMS["int64 indices"](X), FORMS["unsorted"](y)) for X, y in blocks[1::2]]
    made.fit(blocks, epochs=2, shuffle_buffer=shuffle_buffer)
    twin.fit(cut(DENSE, MANY.toarray(), *ends), epochs=2, shuffle_buffer=shuffle_buffer)
    assert same(parameters(made), parameters(twin))


def test_blocks_of_zeros_have_the_bits_of_arrays():
    blocks = [(sparse.csr_matrix((9, N_IN)), sparse.csr_matrix((9, N_OUT))), (X, MANY)]
    made, twin = make("binary_cross_entropy"), make("binary_cross_entropy")
    made.fit(blocks, epochs=2)
    twin.fit([tuple(each.toarray() for each in block) for block in blocks], epochs=2)
    assert same(parameters(made), parameters(twin))


@pytest.mark.parametrize("pair", [(X, DENSE), (DENSE, X), (X, X.astype(np.float32))])
def test_blocks_must_be_of_one_kind(pair):
    with pytest.raises(ValueError, match="X must be of one kind in all blocks"):
        make().fit([(each, LABELS) for each in pair])


def test_a_wrong_block_is_named():
    with pytest.raises(ValueError, match=r"X of block 1\.indices must be at least 0"):
        make().fit([(X, LABELS), (entry(X, "indices", N_IN), LABELS)])


def test_labels_of_sparse_inputs_may_be_blocks():
    made, twin = make(), make()
    made.fit(cut(X, LABELS, 9, 20), epochs=2)
    twin.fit(DENSE, LABELS, epochs=2)
    assert same(parameters(made), parameters(twin))
