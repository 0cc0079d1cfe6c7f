"""This module helps users of scikit-learn, PyTorch and Keras: a name of theirs raises an error that says what to use.

It has one table of hints for each kind of name: attributes of modules and of objects, arguments of calls, and values of
arguments. A name without a hint gets the known name that is most like it. Names that do not exist raise AttributeError,
so `hasattr` still returns False for them.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from inspect import Parameter
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

Given = ParamSpec("Given")
Returned = TypeVar("Returned")


def _by_name(table: Mapping[str, str]) -> dict[str, str]:
    """Return the hint for each name of a table, whose keys are one or more names."""
    return {name: hint for names, hint in table.items() for name in names.split()}


MODULES = ("", "activations", "callbacks", "datasets", "graph", "interop", "losses", "metrics", "schedules")
"""The public modules of fastbp. A name that one of them does not have may be in another one."""

_NETWORK = "fastbp.MLP([n_in, 32, n_out], output='softmax') makes a network of fully connected layers"
_LOSS = "fastbp.Trainer(net, loss={}) takes the loss"
_SAVE = "net.save(path) writes a network, and the callback fastbp.Checkpoint the state of the training"
_STEP = "partial_fit(X, y) makes one step, and apply_gradients makes one with your own gradients"

ATTRIBUTES = {
    "module": _by_name({
        "nn Sequential Module Model Dense Linear Layer Input layers models keras neural_network": _NETWORK,
        "optim optimizers": "the optimizers are in fastbp itself, for example fastbp.Adam(1e-3)",
        "lr_scheduler": "the schedules of the learning rate are in fastbp.schedules",
        "StepLR": "fastbp.schedules.Step lowers the learning rate in steps",
        "MultiStepLR": "fastbp.schedules.MultiStep lowers the learning rate at given epochs",
        "ExponentialLR ExponentialDecay": "fastbp.schedules.Exponential lowers the learning rate in each epoch",
        "CosineAnnealingLR CosineDecay": "fastbp.schedules.Cosine lowers the learning rate along a cosine",
        "CosineAnnealingWarmRestarts": "fastbp.schedules.WarmRestarts lowers the learning rate along several cosines",
        "OneCycleLR": "fastbp.schedules.OneCycle raises and lowers the learning rate once",
        "PolynomialLR LinearLR": "fastbp.schedules.Polynomial lowers the learning rate, and Warmup raises it",
        "ReduceLROnPlateau": "fastbp.schedules.ReduceOnPlateau lowers the learning rate when a score stops improving",
        "LambdaLR LearningRateScheduler": "a subclass of fastbp.schedules.Schedule is a schedule of your own",
        "MSELoss mse": _LOSS.format("'mse'"),
        "L1Loss": _LOSS.format("'mae'"),
        "CrossEntropyLoss NLLLoss cross_entropy": _LOSS.format("'cross_entropy'") + " for output='softmax'",
        "BCELoss binary_cross_entropy": _LOSS.format("'binary_cross_entropy'") + " for output='sigmoid'",
        "BCEWithLogitsLoss": _LOSS.format("fastbp.losses.BinaryCrossEntropy(from_logits=True)"),
        "HuberLoss SmoothL1Loss": _LOSS.format("'huber'"),
        "Dropout": "fastbp.MLP(sizes, dropout=0.5) makes a network with dropout",
        "BatchNorm1d BatchNormalization LayerNorm LayerNormalization":
            "fastbp has no normalization between layers, but fastbp.MLP(sizes, standardize=X) standardizes the inputs",
        "ModelCheckpoint": "the callback fastbp.Checkpoint writes the state of the training",
        "save save_model": _SAVE,
        "load_model": "fastbp.load(path) reads a network from a file",
        "fit train": "fastbp.Trainer(net, loss=...).fit(X, y) trains a network",
        "DataLoader Dataset TensorDataset utils":
            "fit(X, y) of fastbp.Trainer takes arrays, and fit(blocks) takes an iterable of pairs (X, y)",
        "Tensor tensor from_numpy": "fastbp takes and returns NumPy arrays",
        "no_grad": "predict(X) computes no gradients, so nothing must be switched off",
        "cuda device": "fastbp runs on CPUs only",
        "manual_seed seed": "fastbp.MLP(sizes, seed=0) and fastbp.Trainer(net, loss=..., seed=0) take seeds",
        "set_num_threads": "fastbp.Trainer(net, loss=..., n_threads=2) and net.predict(X, n_threads=2) take a number",
        "MLPClassifier MLPRegressor BernoulliRBM": "this estimator is in fastbp.sklearn",
        "RestrictedBoltzmannMachine DBN": "fastbp.RBM is a machine, and fastbp.pretrain trains layers with several",
    }),
    "MLP": _by_name({
        "fit train train_on_batch partial_fit zero_grad step":
            "fastbp.Trainer(net, loss=..., optimizer=...).fit(X, y) trains a network",
        "compile": "fastbp.Trainer(net, loss=..., optimizer=...) takes the loss and the optimizer",
        "predict_proba forward decision_function":
            "predict(X) computes the outputs, which are probabilities if the output is 'softmax' or 'sigmoid'",
        "predict_log_proba": "np.log(net.predict(X)) computes the logarithms of the outputs",
        "evaluate score loss":
            "fastbp.Trainer(net, loss=...).evaluate(X, y) computes the loss, the accuracy and metrics",
        "get_weights coefs_ intercepts_ named_parameters trainable_variables":
            "weights and biases are tuples of copies, and theta is one vector of all parameters",
        "eval": "a network has no modes: only training uses dropout and noise, and predict never does",
        "to cpu cuda double half": "astype('float64') makes a network of another dtype; fastbp runs on CPUs only",
        "state_dict": "fastbp.interop.to_torch(net) makes the dict that load_state_dict of PyTorch takes",
        "load_state_dict": "fastbp.interop.from_torch(net, state_dict) takes the weights of PyTorch",
        "copy clone": "copy.copy(net) makes a network with parameters of its own",
        "grad": "gradients(X, y, loss=...) returns the gradients",
        "add append": "the sizes are chosen once: fastbp.MLP([n_in, 32, n_out]) makes a network with all its layers",
        "summary layers n_layers_": "print(net), net.sizes and net.architecture describe the network",
        "history loss_curve_": "the trainer has the history: trainer.history",
    }),
    "Trainer": _by_name({
        "train": "fit(X, y, epochs=...) trains the network",
        "train_on_batch": "partial_fit(X, y) makes one step",
        "compile": "assign the settings, for example trainer.loss = 'huber'",
        "predict predict_classes predict_proba": "trainer.network.predict(X) computes the outputs",
        "score": "evaluate(X, y) computes the loss, the accuracy and metrics",
        "model net": "trainer.network is the network",
        "save": f"trainer.network.save(path) writes the network, and {_SAVE.partition(', and ')[2]}",
        "load": "fastbp.Trainer.resume(directory) continues from a checkpoint",
        "lr learning_rate momentum":
            "assign an optimizer, for example trainer.optimizer = fastbp.SGD(0.1, momentum=0.9)",
        "seed": "the seed is used only once, when the trainer is made",
        "step zero_grad": _STEP,
        "epochs callbacks": "this is an argument of fit",
    }),
    "RBM": _by_name({
        "predict fit_transform predict_proba": "transform(X) computes the probabilities of the hidden units",
        "score score_samples": "pseudo_likelihood(X) and free_energy(X) compute scores",
        "gibbs": "sample(steps=1, start=X) makes a sweep of Gibbs sampling",
        "partial_fit": "fit(X) continues where the last call ended",
        "components_ weights": "W has the weights, of shape (n_visible, n_hidden)",
        "intercept_hidden_ intercept_visible_ biases": "c and b are the biases of the hidden and of the visible units",
        "lr learning_rate momentum": "assign an optimizer, for example rbm.optimizer = fastbp.SGD(0.1, momentum=0.9)",
        "weight_decay": "l2 is the strength of the weight decay",
        "epochs callbacks": "this is an argument of fit",
    }),
    "History": _by_name({
        "history": "the history itself is a dict of columns: history['loss']",
        "epoch": "epochs is the number of epochs, and history['loss'] has a value for each",
        "params": "trainer.settings has the settings",
        "loss accuracy val_loss validation_loss val_accuracy validation_accuracy":
            "the columns are items: history['loss'], history['validation_loss']",
    }),
    "Node": _by_name({
        "grad": "backward() computes the gradients, and then gradient is that of this node",
        "data item": "forward() computes the values, and then value is that of this node",
        "requires_grad zero_grad": "each call of backward computes all gradients anew",
    }),
    "Ensemble": _by_name({
        "history": "each trainer has its history: ensemble.trainers[0].history",
        "predict_proba": "predict(X) computes the mean of the outputs",
        "models networks estimators_": "ensemble.trainers[0].network is the first network",
    }),
}  # fmt: skip
"""The hints for attributes that a module, and objects of these classes, do not have."""

_RATE = "{} is an argument of the optimizer: fastbp.Trainer(net, loss=..., optimizer=fastbp.SGD({}))"
_SETTING = "it is a setting of the trainer: fastbp.Trainer(net, ..., {}=...)"
_OF_FIT = "it is an argument of fit: trainer.fit(X, y, {}=...)"
_MEAN = (
    "a step uses the mean loss over the n samples of the minibatch: for that of their sum, give the optimizer the "
    "learning rate n * eta"
)
_SIZES = "sizes is one sequence with the units of all layers: fastbp.MLP([8, 32, 1])"
_BEST = "the callback fastbp.EarlyStopping(restore_best=True) gives the best parameters back"

ARGUMENTS = {
    "MLP": _by_name({
        "positional": _SIZES,
        "sizes layers layer_sizes hidden hidden_sizes hidden_layers hidden_layer_sizes units input_size input_dim "
        "output_size n_in n_out": _SIZES,
        "batch_norm batch_normalization layer_norm":
            "fastbp has no normalization between layers, but standardize=X standardizes the inputs",
        "activations hidden_activation": "activation takes one name, or a list with one for each hidden layer",
        "output_activation out_activation": "output is the activation function of the output",
        "loss optimizer learning_rate metrics batch_size":
            "fastbp.Trainer(net, loss=..., optimizer=fastbp.Adam(1e-3)) takes all that concerns training",
        "kernel_initializer weight_init initializer": "init is the distribution of the first weights",
        "use_bias": "bias says whether the layers have biases",
        "random_state": "seed is the seed of the first weights",
        "weights biases": "fastbp.MLP.from_weights(weights, biases) makes a network of them",
        "transpose": "fastbp.MLP.from_weights(weights, biases, transposed=True) takes weights of shape (n_out, n_in)",
        "l1 l2 weight_decay": "fastbp.Trainer(net, loss=..., l2=1e-4) takes the strengths of penalties",
    }),
    "Trainer": _by_name({
        "loss": "loss='cross_entropy' is for output='softmax', loss='binary_cross_entropy' for output='sigmoid', and "
        "loss='squared_error' for output='identity'",
        "positional": "only the network is given without a name: fastbp.Trainer(net, loss='mse', optimizer='adam')",
        "lr learning_rate": _RATE.format("the learning rate", "0.1"),
        "momentum nesterov": _RATE.format("the momentum", "0.1, momentum=0.9"),
        "betas epsilon eps amsgrad": "it is an argument of the optimizer, for example fastbp.Adam(1e-3, epsilon=1e-8)",
        "weight_decay": "l2 is the strength of L2, and optimizer=fastbp.AdamW(weight_decay=0.01) decays weights",
        "scheduler lr_scheduler": "schedule takes one of fastbp.schedules",
        "reduction": _MEAN,
        "criterion loss_fn": "loss takes a name, or an object of fastbp.losses",
        "model net": "the network is the first argument: fastbp.Trainer(net, loss=...)",
        "clip_grad_norm clipnorm gradient_clip_val max_grad_norm": "clip_norm is the bound of the norm",
        "random_state": "seed is the seed",
        **{name: _OF_FIT.format(name) for name in (
            "epochs", "callbacks", "validation_data", "validation_split", "sample_weight", "class_weight", "progress",
        )},
        "max_epochs n_epochs num_epochs max_iter": _OF_FIT.format("epochs"),
        "early_stopping patience": "fit(X, y, callbacks=[fastbp.EarlyStopping(patience=10)]) stops early",
    }),
    "RBM": _by_name({
        "positional": "only the numbers of units are given without a name: fastbp.RBM(784, 500, batch_size=10)",
        "lr learning_rate": "it is an argument of the optimizer: fastbp.RBM(..., optimizer=fastbp.SGD(0.1))",
        "momentum": "it is an argument of the optimizer: fastbp.RBM(..., optimizer=fastbp.SGD(0.1, momentum=0.9))",
        "weight_decay decay": "l2 is the strength of the weight decay",
        "n_components": "n_hidden is the number of hidden units",
        "epochs n_iter": "epochs is an argument of fit: rbm.fit(X, epochs=10)",
        "random_state": "seed is the seed",
    }),
    "fit": _by_name({
        "positional": "give everything after X and y by its name: fit(X, y, epochs=5)",
        "verbose": "progress=True shows a bar, progress='lines' writes lines, and progress=False shows nothing",
        "max_epochs n_epochs num_epochs nb_epoch": "epochs is the number of epochs",
        "steps_per_epoch": "an epoch goes through all samples once, whether they are arrays or blocks",
        "validation_freq validation_steps validation_batch_size":
            "the validation data are evaluated completely after each epoch",
        "X_val y_val eval_set": "validation_data=(X_val, y_val) takes samples for validation",
        "initial_epoch": "fit continues where the last call ended, and fastbp.Trainer.resume after an interruption",
        "lr learning_rate": "assign an optimizer before: trainer.optimizer = fastbp.SGD(0.1)",
        "restore_best_weights restore_best": _BEST,
        "early_stopping patience": "callbacks=[fastbp.EarlyStopping(patience=10)] stops early",
    }),
    "predict": _by_name({
        "batch_size": "predict goes through the rows in blocks of its own, so memory is no concern",
        "verbose": "predict shows nothing",
    }),
    "evaluate": _by_name({
        "batch_size verbose": "evaluate goes through all samples at once, and shows nothing",
        "metrics": _SETTING.format("metrics"),
    }),
    "Optimizer": _by_name({
        "lr eta eta0 alpha": "learning_rate is the learning rate, and it is the first argument",
        "eps": "epsilon is the small number that prevents a division by 0",
        "beta1 beta2 beta_1 beta_2": "betas takes both: fastbp.Adam(betas=(0.9, 0.999))",
        "rho": "alpha is the share that RMSprop keeps, and rho that of Adadelta",
        "amsgrad": "fastbp has Adam without this variant",
        "weight_decay decay": "fastbp.AdamW(weight_decay=0.01) decays weights, and fastbp.Trainer(net, loss=..., "
        "l2=1e-4) adds L2 to the loss",
        "clipnorm clip_norm clipvalue": _SETTING.format("clip_norm"),
        "params": "the trainer knows the parameters: fastbp.Trainer(net, loss=..., optimizer=fastbp.Adam(1e-3))",
        "momentum": "fastbp.SGD and fastbp.RMSprop have a momentum",
    }),
    "EarlyStopping": _by_name({
        "restore_best_weights": "restore_best=True gives the best parameters back, and is the default",
        "start_from_epoch baseline": "patience is the number of epochs without improvement",
        "verbose": "EarlyStopping shows nothing; its best_epoch and best_score say what it has done",
        "tol delta": "min_delta is the smallest improvement that counts",
    }),
    "Checkpoint": _by_name({
        "filepath path dirpath": "directory is the first argument",
        "monitor save_best_only mode": _BEST,
        "save_freq period": "every is the number of epochs between two checkpoints",
        "save_weights_only": "net.save(path) writes the network alone",
    }),
    "Unit": _by_name({
        "lr learning_rate eta0": "eta is the learning rate",
        "max_iter epochs": "fit(X, y, epochs=...) takes the number of epochs",
        "fit_intercept use_bias": "bias says whether there are biases",
        "random_state": "seed is the seed of the random orders",
    }),
    "Loss": _by_name({"reduction size_average reduce": _MEAN}),
    "Schedule": _by_name({
        "lr learning_rate initial_lr eta_max max_lr":
            "the optimizer has the learning rate, and a schedule computes factors of it",
        "optimizer": "the trainer brings both together: fastbp.Trainer(net, loss=..., schedule=...)",
        "factor": "gamma is the factor",
        "step_size": "the first argument is the number of epochs between two steps",
    }),
}  # fmt: skip
"""The hints for arguments that functions, and classes with their subclasses, do not have, or that are missing.

The key "positional" is for values without a name that are too many.
"""

VALUES = _by_name({
    "nll nll_loss nllloss negative_log_likelihood": "'cross_entropy' is the loss for an output of softmax",
    "bce_with_logits binary_cross_entropy_with_logits":
        "fastbp.losses.BinaryCrossEntropy(from_logits=True) is the loss of logits",
    "xavier glorot": "'glorot_uniform' and 'glorot_normal' are the distributions of Xavier Glorot",
    "xavier_uniform": "'glorot_uniform' is the distribution of Xavier Glorot",
    "xavier_normal": "'glorot_normal' is the distribution of Xavier Glorot",
    "kaiming he": "'he_uniform' and 'he_normal' are the distributions of Kaiming He",
    "kaiming_uniform": "'he_uniform' is the distribution of Kaiming He",
    "kaiming_normal": "'he_normal' is the distribution of Kaiming He",
    "lecun": "'lecun_uniform' and 'lecun_normal' are the distributions of LeCun",
    "log_softmax logsoftmax": "'softmax' with the loss 'cross_entropy' computes with logarithms",
    "precision recall": "fastbp.metrics.OfClasses makes a metric of a function of classes",
    "prelu": "'leaky_relu' has a slope that is not learnt",
    "nadam adamax radam": "'adam' is the nearest",
})  # fmt: skip
"""The hints for values of arguments that have a name."""


def meant(name: object, among: Iterable[str], table: Mapping[str, str] = VALUES) -> str:
    """Return what to add to a message about a wrong name: its hint, the known name that is most like it, or nothing."""
    text = str(name).lower().replace("-", "_")
    hint = table.get(str(name)) or table.get(text)
    if hint:
        return f"; {hint}"
    names = {each.lower(): each for each in among}
    if not names:
        return ""
    import difflib  # it takes milliseconds, and only mistakes need it

    found = difflib.get_close_matches(text, names, 1)
    return f"; did you mean {names[found[0]]!r}?" if found else ""


def refuse(of: type, name: str, known: Iterable[str] = (), table: Mapping[str, str] | None = None) -> NoReturn:
    """Raise AttributeError for a name that objects of a class do not have.

    The message has the hint for this name or, without one, the name of `known` that is most like it.
    """
    if table is None:
        table = {} if name[:1] == "_" else of_classes(of, ATTRIBUTES)
    found = meant(name, () if name[:1] == "_" else known, table)
    raise AttributeError(f"{of.__name__} has no attribute {name!r}{_colon(found)}", name=name)


def _colon(found: str) -> str:
    """Return a hint after a colon, as it follows the name of an attribute. A proposal follows a semicolon."""
    return found if found.startswith("; did you mean") else found.replace("; ", ": ", 1)


def of_classes(of: type, tables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the hints for a class and its base classes."""
    return {name: hint for base in reversed(of.__mro__) for name, hint in tables.get(base.__name__, {}).items()}


def check_own(of: object, base: type, name: str, known: Iterable[str] = ()) -> None:
    """Refuse to assign an attribute that objects of the class `base` do not have. `known` has those without properties.

    Objects of derived classes, which users write, may have attributes of their own.
    """
    if name[0] != "_" and type(of) is base and not hasattr(base, name) and name not in known:
        fixed = f"this argument of {base.__name__} cannot be changed later; make a new one"
        table = dict.fromkeys(inspect.signature(base).parameters, fixed) | ATTRIBUTES[base.__name__]
        refuse(base, name, [*known, *(each for each in dir(base) if each[0] != "_")], table)


class Hinting(type):
    """`Hinting` is the class of the class `MLP`, so that ``fastbp.MLP.fit`` raises the same error as ``net.fit``."""

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(cls, name: str) -> NoReturn:
            refuse(cls, name)


class Hinted:
    """`Hinted` is the base of classes whose objects have hints for attributes that they do not have."""

    if not TYPE_CHECKING:  # a checker would believe that every name exists

        def __getattr__(self, name: str) -> NoReturn:
            refuse(type(self), name, [each for each in dir(type(self)) if each[0] != "_"])


def of_module(
    module: str, public: Collection[str], later: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a public module.

    `later` has the names that are imported when a program first uses them, with their modules inside this one. A name
    that the module does not have raises AttributeError, which says in which public module it is, or what to use.
    """
    places = later or {}

    def find(name: str) -> Any:
        if name not in places:
            raise missing(module, public, name)
        found = import_module(f"{module}.{places[name]}")
        if name != places[name]:
            found = getattr(found, name)
        vars(import_module(module))[name] = found
        return found

    return find, lambda: list(public)


def missing(module: str, public: Iterable[str], name: str) -> AttributeError:
    """Return the error for a name that a public module does not have."""
    hint = ""
    if name[:1] != "_":
        hint = meant(name, (), ATTRIBUTES["module"])
        package = __name__.partition(".")[0]
        for other in () if hint else (f"{package}.{each}".rstrip(".") for each in MODULES):
            if name in import_module(other).__all__:
                hint = f"; it is {other}.{name}"
                break
        hint = hint or meant(name, public, {})
    return AttributeError(f"module {module!r} has no attribute {name!r}{_colon(hint)}", name=name)


def arguments(function: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Return the function, whose wrong calls raise a TypeError with a hint. A call costs a tenth of a microsecond."""

    @functools.wraps(function)
    def call(*args: Given.args, **options: Given.kwargs) -> Returned:
        try:
            return function(*args, **options)
        except TypeError as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the function has not begun
                refuse_call(function, args, options)
            raise

    return call


def refuse_call(of: Callable[..., Any], args: Sequence[Any], options: Iterable[str]) -> None:
    """Raise TypeError if a call of a function or a class does not fit its signature, and say what to write instead."""
    first, _, last = of.__qualname__.rpartition(".")
    name = first.rpartition(".")[2] if last == "__init__" else last
    table = of_classes(of, ARGUMENTS) if isinstance(of, type) else ARGUMENTS.get(name, {})
    parameters = {**inspect.signature(of).parameters}
    if (bound := next(iter(parameters), "")) in ("self", "cls"):
        args, _ = args[1:], parameters.pop(bound)
    kinds = {each: found.kind for each, found in parameters.items()}
    free = [each for each, kind in kinds.items() if kind is Parameter.POSITIONAL_OR_KEYWORD]
    known = [each for each, kind in kinds.items() if kind is not Parameter.VAR_KEYWORD]
    message = ""
    if unknown := [each for each in options if each not in known]:
        message = f"has no argument {unknown[0]!r}{meant(unknown[0], known, table)}"
    elif len(args) > len(free):
        taken = f"only {', '.join(free)}" if free else "no value"
        message = f"takes {taken} without a name, and got {len(args)}"
        message += f"; {table['positional']}" if "positional" in table else ""
    elif twice := [each for each in free[: len(args)] if each in options]:
        message = f"got two values for the argument {twice[0]!r}"
    elif absent := [
        each for each in known[len(args) :] if each not in options and parameters[each].default is Parameter.empty
    ]:
        message = f"needs the argument {absent[0]!r}" + (f": {table[absent[0]]}" if absent[0] in table else "")
    if message:
        raise TypeError(f"{name} {message}") from None
