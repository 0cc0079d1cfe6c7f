"""This module has the names of arguments as types, so that checkers find a wrong name before the program runs."""

from typing import Literal

ActivationName = Literal[
    "identity", "sigmoid", "tanh", "relu", "threshold", "sign", "leaky_relu", "elu", "selu", "softplus", "gelu", "silu",
    "hard_sigmoid", "mish", "linear", "logistic", "heaviside", "leakyrelu", "swish", "hardsigmoid",
]  # fmt: skip
OutputName = Literal[ActivationName, "softmax"]
LossName = Literal[
    "cross_entropy", "binary_cross_entropy", "squared_error", "sum_squared_error", "mean_squared_error",
    "absolute_error", "huber", "quantile", "log_cosh", "poisson", "hinge", "squared_hinge", "multiclass_hinge",
    "perceptron", "adaline", "multiclass_perceptron", "norm_error", "crossentropy", "categorical_crossentropy",
    "sparse_categorical_crossentropy", "log_loss", "bce", "binary_crossentropy", "mse", "mae", "mean_absolute_error",
    "l1", "smooth_l1", "pinball", "logcosh",
]  # fmt: skip
MetricName = Literal[
    "accuracy", "objective", "top_5_accuracy", "r2", "mae", "auc", "f1", "balanced_accuracy", "acc", "r2_score",
    "mean_absolute_error", "roc_auc",
]  # fmt: skip
OptimizerName = Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta", "rprop", "lbfgs"]
