"""Wrong calls of a first hour: each message names the argument and its value, and says what to do."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastbp as fb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = np.arange(40) % 2
VALUES = X[:, 0] + 1
FRAME = pd.DataFrame(X, columns=["age", "income", "height"])


def classifier(**options):
    net = fb.MLP([3, 4, 2], output="softmax", seed=0)
    return fb.Trainer(net, **{"loss": "cross_entropy", "seed": 0} | options)


def regression(**options):
    return fb.Trainer(fb.MLP([3, 4, 1], seed=0), **{"loss": "squared_error", "seed": 0} | options)


def with_nan():
    given = X.copy()
    given[7, 1] = np.nan
    return given


def blocks():
    yield X, LABELS


def seen(frame):
    own = classifier()
    own.fit(FRAME, LABELS)
    return own.network.predict(frame)


def pipeline():
    model = neural_network.MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", max_iter=5000).fit(X, VALUES)
    return make_pipeline(StandardScaler(), model)


WRONG = [
    # network
    (lambda: fb.MLP([3]), ValueError, ["sizes must be 2 to 101 numbers of units", "got [3]"]),
    (lambda: fb.MLP([3, 0, 2]), ValueError, ["sizes[1] must be at least 1", "got 0"]),
    (lambda: fb.MLP([3, 2.5]), TypeError, ["sizes[1] must be an integer", "got 2.5"]),
    (lambda: fb.MLP([3, 4, 2], activation="relus"), ValueError, ["activation", "got 'relus'", "did you mean 'relu'"]),
    (lambda: fb.MLP([3, 4, 2], output="sofmax"), ValueError, ["output", "got 'sofmax'", "did you mean 'softmax'"]),
    (lambda: fb.MLP([3, 4, 2], activation=["relu"] * 2), ValueError, ["activation", "1, one for each hidden", "got 2"]),
    (lambda: fb.MLP([3, 4, 2], activation=max), TypeError, ["activation", "got <built-in", "activations.Formula"]),
    (lambda: fb.MLP([3, 4, 2], dropout=50), ValueError, ["dropout", "at least 0 and below 1", "got 50"]),
    (lambda: fb.MLP([3, 2], dtype="float16"), ValueError, ["dtype must be float32 or float64", "got 'float16'"]),
    (lambda: fb.MLP([3, 2], init="xavier"), ValueError, ["got 'xavier'; 'glorot_uniform' and 'glorot_normal' are"]),
    (lambda: fb.MLP([3, 2], scale=[1, 2]), ValueError, ["scale must be a number or have shape (3,)", "got shape (2,)"]),
    (lambda: fb.MLP([3, 2], standardize=X, scale=2.0), ValueError, ["standardize must be None with shift or scale"]),
    (lambda: fb.MLP([4, 2], standardize=X), ValueError, ["X must have shape (n, 4)", "got (40, 3)"]),
    # networks of weights
    (lambda: fb.MLP.from_weights(np.ones((2, 3))), TypeError, ["weights must be a sequence of arrays, got ndarray"]),
    (lambda: fb.MLP.from_weights([[1, 2]]), ValueError, ["weights[0] must be a matrix, got shape (2,)"]),
    (lambda: fb.MLP.from_weights([]), ValueError, ["an array for each layer, got 0"]),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], [[1], [2]]), ValueError, ["for each layer, got 1 and 2"]),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], []), ValueError, ["for each layer, got 1 and 0"]),
    (
        lambda: fb.MLP.from_weights([np.ones((2, 3))], [[1, 2]]),
        ValueError,
        ["biases[0] must have shape (3,), got (2,)"],
    ),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], 3), TypeError, ["biases must be a sequence of arrays, got int"]),
    (
        lambda: fb.MLP.from_weights([np.ones((2, 3)), np.ones((2, 1))]),
        ValueError,
        ["weights[1] must have 3 rows, because layer 1 has 3 units; got 2"],
    ),
    (
        lambda: fb.MLP.from_weights([np.ones((3, 2)), np.ones((1, 2))], transposed=True),
        ValueError,
        ["weights[1] must have 3 columns, because layer 1 has 3 units; got 2"],
    ),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], bias=True), TypeError, ["no argument 'bias', because weights and"]),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], transpose=True), TypeError, ["transposed=True"]),
    (lambda: fb.MLP.from_weights([np.ones((2, 3))], None, "relu"), TypeError, ["takes only weights, biases without"]),
    (lambda: fb.MLP([2, 3], weights=[np.ones((2, 3))]), TypeError, ["MLP.from_weights(weights, biases) makes"]),
    # units
    (lambda: fb.Perceptron(), TypeError, ["Perceptron needs the argument 'n_in'"]),
    (lambda: fb.Perceptron(0), ValueError, ["n_in must be at least 1, got 0"]),
    (lambda: fb.Perceptron([2, 1]), TypeError, ["n_in must be an integer, got [2, 1]"]),
    (lambda: fb.Adaline(2, eta=-1), ValueError, ["eta must be a finite number above 0, got -1"]),
    (lambda: fb.Adaline(2, lr=0.1), TypeError, ["Adaline has no argument 'lr'; eta is the learning rate"]),
    (lambda: fb.Adaline(2, batch_size=0), ValueError, ["batch_size must be at least 1, got 0"]),
    (lambda: fb.LogisticUnit(2, dtype="float16"), ValueError, ["dtype must be float32 or float64, got 'float16'"]),
    (lambda: fb.Perceptron(3).fit(X, LABELS * 2), ValueError, ["y[1] is 2", "must be"]),
    (lambda: fb.LogisticUnit(3).fit(X, LABELS - 1), ValueError, ["y[0] is -1", "must be in [0, 1]"]),
    (lambda: fb.Perceptron(2).fit(X, LABELS), ValueError, ["X must have shape (n, 2)", "got (40, 3)"]),
    (lambda: fb.Perceptron(3).coef_, AttributeError, ["Perceptron", "coef_"]),
    # separable
    (lambda: fb.separable(X, LABELS[1:]), ValueError, ["y must have shape (40,), a class for each row", "got (39,)"]),
    (lambda: fb.separable(X, np.ones(40)), ValueError, ["y must have at least 2 classes, got only [1.0]"]),
    (lambda: fb.separable(X, np.eye(40)), ValueError, ["y must have shape (40,)", "got (40, 40)"]),
    (lambda: fb.separable(X[0], LABELS[:3]), ValueError, ["X must have shape (n, 1), a row a sample; got (3,)"]),
    (lambda: fb.separable(with_nan(), LABELS), ValueError, ["X[7, 1] is nan"]),
    (lambda: fb.separable(X[:, :0], LABELS), ValueError, ["X must have at least one column"]),
    (lambda: fb.separable(X.astype(str), LABELS), TypeError, ["X must be an array of real numbers"]),
    (lambda: fb.separable(X[:3], [0.0, 1.0, np.nan]), ValueError, ["y[2] is nan"]),
    (lambda: fb.separable(X[:2], np.array([1, "a"], object)), TypeError, ["y must have labels of one kind"]),
    (lambda: fb.separable(X, LABELS, sparse=1), TypeError, ["sparse must be True or False, got 1"]),
    # trainer
    (
        lambda: classifier(loss="crossentropi"),
        ValueError,
        ["loss", "got 'crossentropi'", "did you mean 'crossentropy'"],
    ),
    (lambda: classifier(loss=np.mean), TypeError, ["loss must be a name or an object", "losses.Formula makes one"]),
    (lambda: classifier(optimizer="Adam"), ValueError, ["optimizer", "got 'Adam'", "did you mean 'adam'"]),
    (lambda: classifier(optimizer=0.1), TypeError, ["optimizer must be a name such as 'adam'", "SGD(0.1)", "got 0.1"]),
    (lambda: classifier(optimizer=fb.Adam(-1)), ValueError, ["learning_rate must be", "above 0", "got -1"]),
    (lambda: classifier(batch_size=0), ValueError, ["batch_size must be at least 1", "got 0"]),
    (lambda: classifier(batch_size="full"), ValueError, ["batch_size must be an integer or 'all'", "got 'full'"]),
    (
        lambda: classifier(batch_size="all").fit(blocks()),
        ValueError,
        ["X must be an array", "batch_size='all'", "got blocks"],
    ),
    (lambda: classifier(reduction="sum"), TypeError, ["no argument 'reduction'", "the learning rate n * eta"]),
    (lambda: fb.losses.Huber(reduction="sum"), TypeError, ["no argument 'reduction'", "the learning rate n * eta"]),
    (
        lambda: classifier(schedule=0.9),
        TypeError,
        ["schedule must be one of fastbp.schedules", "Cosine(30)", "got 0.9"],
    ),
    (lambda: classifier(metrics="f1"), TypeError, ["metrics must be a list of names", "got 'f1'"]),
    (lambda: classifier(metrics=["acuracy"]), ValueError, ["metrics[0] must be one of", "did you mean 'accuracy'"]),
    (lambda: fb.Trainer([3, 2], loss="mse"), TypeError, ["network must be an MLP", "got list"]),
    (
        lambda: fb.Trainer(fb.MLP([3, 1], output="softmax"), loss="mse"),
        ValueError,
        ["output must not be 'softmax' for a network with 1 output", "output='sigmoid'"],
    ),
    (
        lambda: fb.Trainer(fb.MLP([3, 1], output="sigmoid"), loss="cross_entropy"),
        ValueError,
        ["loss must not be 'cross_entropy'", "1 output", "loss='binary_cross_entropy'"],
    ),
    (
        lambda: fb.Trainer(fb.MLP([3, 2], output="threshold"), loss="mse").fit(X, LABELS),
        ValueError,
        ["activation 'threshold' has no derivative"],
    ),
    (
        lambda: setattr(classifier(), "batchsize", 1),
        AttributeError,
        ["no attribute 'batchsize'", "did you mean 'batch_size'"],
    ),
    (lambda: setattr(classifier(), "batch_size", -5), ValueError, ["batch_size must be at least 1", "got -5"]),
    (
        lambda: fb.MLP([4, 8, [2, 1]]),
        ValueError,
        ["sizes must be 2 to 101 numbers", "got [4, 8, [2, 1]]"],
    ),
    # inputs
    (lambda: classifier().fit(X[:, :2], LABELS), ValueError, ["X must have shape (n, 3)", "got (40, 2)"]),
    (lambda: classifier().fit(X[0], LABELS), ValueError, ["X must have shape (n, 3), a row a sample", "got (3,)"]),
    (lambda: classifier().fit(with_nan(), LABELS), ValueError, ["X[7, 1] is nan", "must be finite"]),
    (
        lambda: classifier().fit(X.astype(str), LABELS),
        TypeError,
        ["X must be an array of real numbers", "got dtype <U"],
    ),
    (
        lambda: classifier().fit(FRAME.assign(income="low"), LABELS),
        TypeError,
        ["X['income'] must be a column of numbers", "got dtype str", "encode it"],
    ),
    (
        lambda: classifier().fit(pd.DataFrame(with_nan(), columns=FRAME.columns), LABELS),
        ValueError,
        ["X['income'] is nan in row 7"],
    ),
    (
        lambda: seen(FRAME[["age", "income"]]),
        ValueError,
        ["X must have the columns of the training", "'height' is missing"],
    ),
    # targets
    (lambda: classifier().fit(X, LABELS[1:]), ValueError, ["y must have a row for each of the 40 rows of X", "got 39"]),
    (lambda: classifier().fit(X, LABELS + 1), ValueError, ["y must be labels from 0 to 1", "count from 1", "y - 1"]),
    (lambda: classifier().fit(X, LABELS * 3), ValueError, ["y[1] is 3", "must be in [0, 1]"]),
    (lambda: classifier().fit(X, np.array(["no", "yes"])[LABELS]), TypeError, ["np.unique(y, return_inverse=True)"]),
    (lambda: classifier().fit(X, VALUES), TypeError, ["y of shape (40,) must be integer labels for 2 outputs"]),
    (lambda: regression().fit(X, X), ValueError, ["y must have shape (40,) or (40, 1)", "got (40, 3)"]),
    # fit
    (lambda: classifier().fit(X), TypeError, ["y must be given", "blocks (X, y)"]),
    (lambda: classifier().fit(blocks), TypeError, ["y must be given", "call blocks, which makes one"]),
    (lambda: classifier().fit(X, LABELS, epochs=-1), ValueError, ["epochs must be at least 0", "got -1"]),
    (lambda: classifier().fit(X, LABELS, validation_split=20), ValueError, ["validation_split must be", "got 20"]),
    (lambda: classifier().fit(X, LABELS, validation_data=X), TypeError, ["validation_data must be a pair (X, y)"]),
    (lambda: classifier().fit(X, LABELS, class_weight="equal"), ValueError, ["class_weight", "'balanced'", "'equal'"]),
    (lambda: classifier().fit(X, LABELS, sample_weight=-X[:, 0]), ValueError, ["sample_weight[", "at least 0"]),
    (
        lambda: classifier().fit(X, LABELS, callbacks=fb.EarlyStopping()),
        TypeError,
        ["callbacks must be a list of callbacks", "EarlyStopping"],
    ),
    (
        lambda: classifier().fit(X, LABELS, callbacks=[fb.EarlyStopping("val_loss")]),
        ValueError,
        ["monitor", "got 'validation_loss'", "validation_data or validation_split"],
    ),
    (
        lambda: classifier(schedule=fb.schedules.ReduceOnPlateau("los")).fit(X, LABELS),
        ValueError,
        ["monitor", "got 'los'", "did you mean 'loss'"],
    ),
    (
        lambda: regression(loss=fb.losses.Formula(lambda a, y: (fb.graph.log(a) - y) ** 2)).fit(-abs(X), VALUES),
        FloatingPointError,
        ["not finite at step 1", "before any step, so no learning rate helps", "formula of 'formula'", "log(0)"],
    ),
    # what is read only
    (lambda: classifier().network.weights[0].__setitem__(0, 0), ValueError, ["give all of them to set_weights"]),
    (lambda: classifier().network.biases.__setitem__(0, 0), TypeError, ["give all of them to set_weights"]),
    (lambda: classifier().network.theta.__setitem__(0, 0), ValueError, ["assign it to theta"]),
    (lambda: classifier().network.scale.__setitem__(0, 0), ValueError, ["call standardize"]),
    # formulas and graphs
    (lambda: fb.activations.Formula(lambda z: z * 10**400), ValueError, ["must be at most 1.8e+308 in size"]),
    (
        lambda: fb.activations.Formula(lambda z: z**1.5 + 0, constants=(("a", 1), ("a", 2))),
        ValueError,
        ["different names", "got 'a'"],
    ),
    (lambda: fb.graph.variable("x", np.ma.array([1.0], mask=True)), ValueError, ["masked", "filled"]),
    # other libraries
    (lambda: fb.interop.from_sklearn(pipeline()), TypeError, ["from_sklearn(estimator[-1])"]),
    (
        lambda: fb.interop.from_torch(fb.MLP([1, 1], shift=1.0, bias=False), {"weight": [[1.0]]}),
        ValueError,
        ["must have biases in layer 1", "shift"],
    ),
    (lambda: regression(metrics=["f1"]).evaluate(X, VALUES), ValueError, ["metrics must not have 'f1'", "classes"]),
    # names of other libraries
    (lambda: fb.nn.Linear(3, 2), AttributeError, ["no attribute 'nn'", "fastbp.MLP([n_in, 32, n_out]"]),
    (lambda: fb.Sequential(), AttributeError, ["no attribute 'Sequential'", "fastbp.MLP("]),
    (lambda: fb.StepLR(10), AttributeError, ["no attribute 'StepLR'", "fastbp.schedules.Step"]),
    (lambda: fb.MSELoss(), AttributeError, ["no attribute 'MSELoss'", "loss='mse'"]),
    (lambda: fb.save("x"), AttributeError, ["no attribute 'save'", "net.save(path)", "fastbp.Checkpoint"]),
    (lambda: fb.callbacks.Checkpoint("x"), AttributeError, ["no attribute 'Checkpoint'", "it is fastbp.Checkpoint"]),
    (lambda: fb.callbacks.ModelCheckpoint("x"), AttributeError, ["'ModelCheckpoint'", "fastbp.Checkpoint"]),
    (lambda: fb.callbacks.ReduceLROnPlateau(), AttributeError, ["fastbp.schedules.ReduceOnPlateau"]),
    (lambda: fb.Cosine(30), AttributeError, ["no attribute 'Cosine'", "it is fastbp.schedules.Cosine"]),
    (lambda: fb.MLP([3, 2])(X), TypeError, ["MLP is not a function", "predict(X)"]),
    (lambda: fb.MLP([3, 2]).copy(), AttributeError, ["no attribute 'copy'", "copy.copy(net)"]),
    (lambda: fb.History().history, AttributeError, ["no attribute 'history'", "history['loss']"]),
    (lambda: fb.graph.variable("x").grad, AttributeError, ["no attribute 'grad'", "backward()"]),
    (lambda: fb.Adam(lr=0.1), TypeError, ["Adam has no argument 'lr'", "learning_rate"]),
    (lambda: fb.Adam(amsgrad=True), TypeError, ["Adam has no argument 'amsgrad'", "without this variant"]),
    (lambda: fb.SGD(weight_decay=0.1), TypeError, ["SGD has no argument 'weight_decay'", "fastbp.AdamW", "l2=1e-4"]),
    (lambda: fb.SGD(0.1, 0.9), TypeError, ["SGD takes only learning_rate without a name", "got 2"]),
    (lambda: fb.MLP([3, 2], batch_norm=True), TypeError, ["no argument 'batch_norm'", "standardize=X"]),
    (lambda: fb.MLP(8, 32, 1), TypeError, ["MLP takes only sizes without a name", "got 3", "fastbp.MLP([8, 32, 1])"]),
    (lambda: fb.MLP(layers=[8, 1]), TypeError, ["MLP has no argument 'layers'", "sizes is one sequence"]),
    (
        lambda: fb.Trainer(fb.MLP([3, 1])),
        TypeError,
        ["needs the argument 'loss'", "output='softmax'", "'squared_error'"],
    ),
    (lambda: classifier(learning_rate=0.1), TypeError, ["no argument 'learning_rate'", "optimizer=fastbp.SGD(0.1)"]),
    (lambda: classifier(epochs=5), TypeError, ["Trainer has no argument 'epochs'", "trainer.fit(X, y, epochs=...)"]),
    (lambda: classifier(callbacks=[]), TypeError, ["Trainer has no argument 'callbacks'", "argument of fit"]),
    (lambda: classifier(loss="nll"), ValueError, ["got 'nll'; 'cross_entropy' is the loss"]),
    (
        lambda: classifier().fit(X, LABELS, 5),
        TypeError,
        ["fit takes only X, y without", "got 3", "fit(X, y, epochs=5)"],
    ),
    (lambda: classifier().fit(X, LABELS, batch_size=8), TypeError, ["'batch_size'", "Trainer(..., batch_size=...)"]),
    (lambda: classifier().fit(X, LABELS, steps_per_epoch=8), TypeError, ["'steps_per_epoch'", "all samples once"]),
    (lambda: classifier().fit(X, LABELS, validation_freq=2), TypeError, ["'validation_freq'", "after each epoch"]),
    (lambda: fb.MLP([3, 2]).predict(X, batch_size=8), TypeError, ["predict has no argument 'batch_size'", "blocks"]),
    (lambda: fb.EarlyStopping(restore_best_weights=True), TypeError, ["'restore_best_weights'", "restore_best=True"]),
]


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_the_message_says_what_to_do(k):
    call, error, parts = WRONG[k]
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert len(message) < 600


WARNED = [
    (lambda: fb.Trainer(fb.MLP([3, 2]), loss="cross_entropy"), ["'cross_entropy'", "'identity'", "output='softmax'"]),
    (lambda: classifier().fit(X * [1, 1, 1e4], LABELS), ["from", "column 2", "standardize=X"]),
    (lambda: classifier().fit(X * [0, 0, 1e4], LABELS), ["a standard deviation of", "e+03, in column 2: training"]),
    (lambda: regression().fit(X, VALUES * 1e3), ["the targets", "standardize_targets=y"]),
]


@pytest.mark.parametrize("k", range(len(WARNED)))
def test_the_warning_says_what_to_do(k):
    call, parts = WARNED[k]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    (message,) = [str(one.message) for one in caught]
    for part in parts:
        assert part in message
