"""A user's script."""

import numpy as np

import fastbp as fb


class Report(fb.callbacks.Callback):
    def on_epoch_end(self, state: fb.callbacks.State) -> None:
        print(state.epoch, state.scores["loss"], state.trainer.history.epochs, state.network.sizes)
        state.stop = state.scores["loss"] < 1e-3


def main() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4)).astype(np.float32)
    y: np.ndarray = (X.sum(axis=1) > 0).astype(np.int64)
    net = fb.MLP([4, 16, 2], activation=["mish"], output="softmax", dropout=0.1, seed=0)
    trainer = fb.Trainer(net, loss=fb.losses.CrossEntropy(0.1), optimizer=fb.Adam(0.01), average=fb.EMA(0.9), seed=0)
    trainer.batch_size = 16
    trainer.schedule = fb.schedules.Warmup(10, per="step") * fb.schedules.Cosine(5)
    history: fb.History = trainer.fit(X, y, epochs=5, callbacks=[Report()], validation_split=0.2)
    losses: list[float] = history["loss"]
    scores: dict[str, float] = trainer.evaluate(X.tolist(), y.tolist())
    loss, dW, db = net.gradients(X, y, loss="cross_entropy")
    value, gradient = net.gradients(X, y, loss="mse", flat=True, sample_weight=np.ones(200))
    *_, dX = net.gradients(X, y, loss="cross_entropy", inputs=True)
    both: tuple[float, np.ndarray, np.ndarray] = net.gradients(X, y, loss="mse", inputs=True, flat=True)
    net.set_weights(net.weights, net.biases)
    t = net.trace([[0.0] * 4], [1], "cross_entropy")
    print(
        t, t.dW[0].shape, t.db[0].shape, net.transform(X).shape, net.jacobian(X[:2]).shape, net.theta.mean(), dX.shape
    )
    trainer.apply_gradients(*net.backward(X, np.ones((200, 2)))[:2])
    snake = fb.activations.Formula(lambda z, a: z + fb.graph.sin(a * z) ** 2 / a, constants={"a": 0.5})
    own = fb.losses.Formula(lambda a, y: (a - y) ** 2)
    fb.Trainer(fb.MLP([4, 3, 1], activation=snake, bias=False), loss=own).partial_fit(X, y)
    v = fb.graph.variable("v")
    f = fb.graph.exp(v) * 2
    u, w = fb.graph.variables("u w")
    slopes: dict[str, float | np.ndarray] = fb.graph.concat([u * w, w])[0].gradients(u=1.0, w=2.0)
    cost: float = fb.losses.Huber()([0.5], [1.0])
    g: np.ndarray = fb.losses.Huber().gradient([0.5], [1.0])
    C = fb.MLP([2, 1]).graph([1.0, 2.0], 0.5, "mse")
    for path in C.paths("w11^(1)"):
        print(path.names, path.product, slopes, cost, g, C.table(local=True), t.layer(1).da, t.to_dict())
    print(f.forward(v=1.0), f.backward()["v"], fb.check_gradients(net, [[0.0] * 4], [1], "cross_entropy"))
    classes = net.predict_classes(X)
    net.save("m.safetensors")
    twin: fb.MLP = fb.load("m.safetensors")
    ensemble = fb.Ensemble([trainer])
    members: list[fb.History] = ensemble.fit([X.tolist()], [y.tolist()], class_weight="balanced", progress=False)
    ensemble.partial_fit(X, y)
    mean: dict[str, float] = ensemble.evaluate(X, y)
    encoder: fb.MLP = net[:1]
    names: list[str] = [repr(trainer), fb.History()._repr_html_(), repr(net[-1])]
    options: fb.callbacks.Callback = fb.EarlyStopping("loss", mode="min")
    trainer.gradient = "stored"
    trainer.fit(X, y, callbacks=[options, fb.callbacks.Progress("lines")], progress=False)
    print(len(members), mean, encoder, names, len(fb.MLP([2, 1], init="he_normal")), fb.graph.variable)
    print(
        value,
        gradient.shape,
        both[0],
        losses[-1],
        scores["accuracy"],
        loss,
        dW[0].shape,
        db[0].shape,
        classes.shape,
        twin.predict(X).mean(),
    )


main()
