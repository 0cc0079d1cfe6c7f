"""What the machine compares: the bits of two trainers, and the numbers of a trainer with those of its twin.

The twin sums in another order, so each number of a step in float64 differs by some roundings of 1.1e-16 relative to
the largest summand. The sums have at most 70 terms, a network has 3 layers, and a call has at most 24 steps from equal
parameters. A step amplifies what the steps before have brought by less than 2. The weights are bounded, and each
epsilon is at least 1e-4, so that no quotient amplifies the rounding of a gradient by more than that. TIGHT leaves room
for about 1e6 roundings.
"""

from __future__ import annotations

import hashlib

import numpy as np
from campaign import draws
from campaign.twin import Arrays, Twin
from helpers import parameters
from scipy import sparse

import fastbp as fb

TIGHT = 1e-9
SMOOTH = {"identity", "sigmoid", "tanh", "elu", "softplus", "gelu", "silu", "mish", "softmax"}
SMOOTH_LOSSES = {
    "cross_entropy", "binary_cross_entropy", "squared_error", "mean_squared_error", "log_cosh", "poisson",
}  # fmt: skip
"""The functions whose gradients do not jump: where one jumps, rounding in float32 can choose the other side."""


def takes_sparse(network: fb.MLP) -> bool:
    """Whether a network takes sparse matrices: inputs of 0 stay 0."""
    return not network.shift.any() and not network.architecture.input_noise


def as_sparse(X: np.ndarray) -> sparse.csr_array:
    """The same inputs as a sparse matrix, in a dtype that SciPy has."""
    return sparse.csr_array(X.astype(np.float32) if X.dtype == np.float16 else X.astype(X.dtype.newbyteorder("=")))


def bits(trainer: fb.Trainer) -> dict[str, object]:
    """All that a trainer knows, but for the time that it took, its threads and its kind of gradient."""
    described, tensors = trainer.state.save()
    history = {name: column for name, column in trainer.history.items() if name != "seconds"}
    settings = {name: repr(getattr(trainer, name)) for name in ("loss", "optimizer", "schedule", "l1", "l2", "average")}
    return {
        "settings": settings,
        "history": repr(history),
        "step": described["step"],
        "rng": repr(described["rng"]),
        "threshold": trainer.network.threshold,
        **{name: hashlib.sha256(tensor.tobytes()).hexdigest() for name, tensor in tensors.items()},
    }


def digest(trainer: fb.Trainer) -> str:
    """The same as one string."""
    return repr(bits(trainer))


def comparable(trainer: fb.Trainer, optimizers: list) -> bool:
    """Whether the twin can do what the trainer does: without random numbers, without searches, in float64.

    Rprop uses the sign of a gradient alone. Where summands cancel, or where a unit is saturated, the sign is that of a
    rounding, so `stepped` compares its steps from equal gradients.
    """
    net = trainer.network
    odd = any(optimizer.searches or isinstance(optimizer, fb.Rprop) for optimizer in optimizers)
    return net.dtype == np.float64 and not any(net.architecture.dropout) and not odd


def close(found: Arrays, wanted: Arrays, tolerance: float, what: str) -> None:
    """Arrays that agree, relative to the largest number of all of them."""
    size = max(1e-3, *(np.abs(array).max() for array in wanted))
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        error = np.abs(np.asarray(one, float) - other).max() / size
        assert error <= tolerance, f"{what}, array {k} of {len(wanted)}: the difference is {error:.3g} of the largest"


def state(trainer: fb.Trainer, twin: Twin, tolerance: float) -> None:
    """The parameters, the state of the optimizer, the average and the number of steps are those of the twin."""
    found = Twin(trainer)
    assert found.step == twin.step
    close(found.theta, twin.theta, tolerance, "parameters")
    assert len(found.vectors) == len(twin.vectors)
    for one, other in zip(found.vectors, twin.vectors, strict=True):
        close(one, other, tolerance, "state of the optimizer")
    assert (found.average is None) == (twin.average is None)
    if twin.average is not None:
        assert found.averaged == twin.averaged
        close(found.average, twin.average, tolerance, "average")
        close(parameters(trainer.averaged), twin.average, tolerance, "averaged network")


def fitted(trainer: fb.Trainer, twin: Twin, plan: object) -> None:
    """A call of fit has come to what the twin comes to, and drawn the same random numbers."""
    before = twin.epochs
    losses = plan.twin(twin, trainer.history)
    state(trainer, twin, TIGHT)
    assert trainer.history.epochs == twin.epochs
    np.testing.assert_allclose(trainer.history.get("loss", [])[before:], losses, rtol=TIGHT, atol=TIGHT)
    if plan.validated and losses and len(losses) == plan.epochs:  # otherwise, steps may have followed the last epoch
        for name, each in (("validation_loss", twin.evaluated()), ("validation_last_loss", twin)):
            if name in trainer.history:
                loss, _ = each.gradients(plan.given.X, plan.given.rows, None)
                np.testing.assert_allclose(trainer.history[name][-1], loss, rtol=TIGHT, atol=TIGHT)
    if not (plan.blocks and plan.how):  # of blocks, those that are read ahead draw nothing
        assert trainer.state.rng.bit_generator.state == twin.rng.bit_generator.state


def partial(trainer: fb.Trainer, twin: Twin, given: draws.Samples, scores: dict[str, float]) -> None:
    """A call of partial_fit has gone through the samples in their order, and counts as no epoch."""
    batch = twin.settings.batch_size
    orders = [np.arange(k, min(k + batch, len(given.X))) for k in range(0, len(given.X), batch)]
    loss, _, _ = twin.epoch(given, orders, trainer.history)
    state(trainer, twin, TIGHT)
    assert trainer.history.epochs == twin.epochs
    np.testing.assert_allclose(scores["loss"], loss, rtol=TIGHT, atol=TIGHT)


def stepped(trainer: fb.Trainer, twin: Twin, g: tuple) -> None:
    """One step from the gradient that the network had before it.

    In float32, a hyperparameter such as 0.999 is off by 1.3e-8, which is 1.3e-5 of 1 - 0.999.
    """
    twin.begin()
    eta = float(twin.settings.learning_rate(np.array([twin.step + 1]), trainer.history)[0])
    twin.update([array.astype(float) for array in (*g[1], *g[2])], eta)
    state(trainer, twin, TIGHT if trainer.network.dtype == np.float64 else 1e-4)


def read(trainer, twin: Twin, given: draws.Samples, a: np.ndarray, scores: dict, found: tuple) -> None:
    """Predictions, scores and gradients.

    In float32, each layer adds rounding errors of 6e-8 of its summands. Only where these are of moderate size can a
    tolerance be relative to the results.
    """
    net = trainer.network
    exact = net.dtype == np.float64
    if not exact and twin.largest_sum(given.X) > 20:
        return
    tolerance = TIGHT if exact else 3e-4
    wanted = twin.predict(given.X)
    close([a], [wanted], tolerance, "predictions")
    loss, gradients = twin.gradients(given.X, given.rows, given.weights)
    assert abs(found[0] - loss) <= tolerance * max(1.0, abs(loss))
    if exact or twin.evaluated().largest_sum(given.X) <= 20:
        loss, _ = twin.evaluated().gradients(given.X, given.rows, given.weights)
        assert abs(scores["loss"] - loss) <= tolerance * max(1.0, abs(loss))
    smooth = {*net.architecture.activation, net.architecture.output} <= SMOOTH
    if exact or (smooth and draws.name_of(trainer.loss) in SMOOTH_LOSSES):
        close([*found[1], *found[2]], gradients, tolerance, "gradients")
    accuracy = twin.evaluated().accuracy(given.X, given.y, given.rows, given.weights)
    assert (accuracy is None) == ("accuracy" not in scores)
    if exact and accuracy is not None:
        assert abs(scores["accuracy"] - accuracy) <= TIGHT


def dropped(trainer: fb.Trainer, twin: Twin, given: draws.Samples, found: tuple) -> None:
    """The gradient of one sample with dropout is that of a network without the units that it shows as dropped.

    The weights that lead out of such a unit have the gradient 0. Where the output has none, nothing can be seen.
    """
    made = trainer.network.architecture
    seen = [np.abs(dW).max(axis=1) > 0 for dW in found[1][1:]]
    if trainer.network.dtype != np.float64 or not all(layer.any() for layer in seen):
        return
    kept = [layer / (1 - rate) for layer, rate in zip(seen, made.dropout[1:], strict=True)]
    loss, gradients = twin.gradients(given.X, given.rows, None, kept)
    assert abs(found[0] - loss) <= TIGHT * max(1.0, abs(loss))
    close([*found[1], *found[2]], gradients, TIGHT, "gradients with dropout")
