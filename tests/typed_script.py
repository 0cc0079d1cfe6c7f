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
    classes = net.predict_classes(X)
    net.save("m.safetensors")
    twin: fb.MLP = fb.load("m.safetensors")
    print(losses[-1], scores["accuracy"], loss, dW[0].shape, db[0].shape, classes.shape, twin.predict(X).mean())


main()
