"""Train a network on MNIST for the highest accuracy: with dropout, max-norm and a falling learning rate.

    python examples/mnist_accurate.py --data DIR [--epochs 60] [--seed 0]

The network knows nothing about images. The method is that of Srivastava et al. (2014) for two wide layers of relu. The
last line shows the accuracy on the test images. The test images were used only once: no setting was chosen by looking
at them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import fastbp as fb


def main() -> None:
    """Train the network, and print its accuracy on the test images."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data/mnist"), help="directory with MNIST's IDX files")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--units", type=int, default=1024, help="of each hidden layer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--validate", action="store_true", help="hold the last 10,000 training images out, and test there"
    )
    args = parser.parse_args()

    (X, y), (Xt, yt) = (fb.datasets.load_mnist(args.data, split) for split in ("train", "test"))
    if args.validate:
        X, y, Xt, yt = X[:-10_000], y[:-10_000], X[-10_000:], y[-10_000:]
    net = fb.MLP(
        [784, args.units, args.units, 10],
        activation="relu",
        output="softmax",
        scale=1 / 255,
        dropout=[0.2, 0.5, 0.5],
        max_norm=3.0,
        seed=args.seed,
    )
    trainer = fb.Trainer(
        net,
        loss="cross_entropy",
        optimizer=fb.SGD(0.1, momentum=0.9),
        schedule=fb.schedules.Cosine(args.epochs),
        batch_size=128,
        seed=args.seed,
    )
    start = time.perf_counter()
    try:
        trainer.fit(X, y, epochs=args.epochs)
    except KeyboardInterrupt:  # the network keeps what it has learnt
        print("interrupted")
    history, seconds = trainer.history, time.perf_counter() - start
    loss = f"{history['loss'][-1]:.4f}" if history.epochs else "unknown"
    print(f"{net}: loss {loss} after {history.epochs} epochs, {seconds:.0f} s")
    print(f"test accuracy {trainer.evaluate(Xt, yt)['accuracy']:.4f}")


if __name__ == "__main__":
    main()
