"""Train a network that recognises handwritten digits, and print the accuracy and the time of training.

    python examples/mnist.py                               the 1,797 small digits that come with scikit-learn
    python examples/mnist.py --download                    MNIST, which is downloaded into data/mnist
    python examples/mnist.py --data DIR --target-accuracy 0.98

The exit status is 0 after success, 1 if the target accuracy was not reached, 2 if an argument is wrong, 130 after
Ctrl-C, and 141 if nobody reads the output any more.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

START = time.perf_counter()


class Parser(argparse.ArgumentParser):
    """`Parser` reads the command line. It reports a mistake in a single line."""

    def error(self, message: str) -> NoReturn:
        """Print the message in one line, and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}\n")


def at_least(least: int) -> Callable[[str], int]:
    """Return a function that reads an integer which must be at least `least`."""

    def integer(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {value}")
        return value

    return integer


def accuracy(text: str) -> float:
    """Read a number above 0 and at most 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, got {text}")
    return value


def parse() -> tuple[Parser, argparse.Namespace]:
    """Read the command line. Return the parser and the values of the arguments."""
    parser = Parser(description="Train a classifier of handwritten digits.")
    add = parser.add_argument
    add("--data", type=Path, metavar="DIR", help="directory with MNIST; without it, scikit-learn's digits")
    add("--download", action="store_true", help="fetch MNIST into --data, or data/mnist")
    add(
        "--hidden",
        type=at_least(1),
        nargs="*",
        default=[256],
        metavar="N",
        help="units of each hidden layer; default 256",
    )
    add(
        "--epochs",
        type=at_least(1),
        metavar="N",
        help="most passes over the training images; default 10, or 30 of the digits",
    )
    add("--batch-size", type=at_least(1), default=64, metavar="N", help="images a minibatch; default %(default)s")
    add("--learning-rate", type=float, default=0.12, metavar="ETA", help="step size; default %(default)s")
    add("--momentum", type=float, default=0.8, metavar="MU", help="in [0, 1); default %(default)s")
    add("--threads", type=at_least(1), metavar="N", help="threads; by default as many as the work is worth")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of weights, order and scikit-learn's split")
    add("--target-accuracy", type=accuracy, metavar="A", help="stop at this test accuracy, such as 0.98")
    arguments = parser.parse_args()
    if arguments.download and arguments.data is None:
        arguments.data = Path("data/mnist")
    if arguments.epochs is None:  # an epoch of the small digits has only 23 steps, and an epoch of MNIST has 938
        arguments.epochs = 30 if arguments.data is None else 10
    return parser, arguments


def digits(seed: int) -> tuple:
    """Load the digits of scikit-learn: images of 8 x 8 pixels from 0 to 16. A random fifth of them is the test set."""
    import numpy as np
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    X, y = X[order].astype(np.uint8), y[order]
    n = len(X) * 4 // 5
    return X[:n], y[:n], X[n:], y[n:]


def seconds_since_start() -> float:
    """Return how long this process has run, with the start of Python and all imports, where the system can tell."""
    script = time.perf_counter() - START
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        # In a container, the uptime may be that of the container, but the start of the process is counted from that of
        # the machine. The difference is then too small, and the time since the start of this script is the better one.
        return max(script, uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, AttributeError):
        return script


def main() -> int:
    """Train the network, print the scores, and return the exit status."""
    parser, args = parse()
    import fastbp as fb  # this import is not at the top, so that --help and mistakes do not have to wait for it

    try:
        if args.data is None:
            (X, y, Xt, yt), scale = digits(args.seed), 1 / 16
        else:
            if args.download:
                fb.datasets.download_mnist(args.data)
            (X, y), (Xt, yt) = (fb.datasets.load_mnist(args.data, split) for split in ("train", "test"))
            scale = 1 / 255
    except ImportError:
        parser.error("the default digits need scikit-learn (pip install scikit-learn); MNIST does not: --download")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    try:
        sizes = [X.shape[1], *args.hidden, 10]
        # Subtracting the mean pixel saves about one epoch until the accuracy 0.98 is reached (MNIST, seven seeds).
        net = fb.MLP(sizes, activation="relu", output="softmax", shift=X.mean(), scale=scale, seed=args.seed)
        trainer = fb.Trainer(
            net,
            loss="cross_entropy",
            optimizer=fb.SGD(args.learning_rate, momentum=args.momentum),
            batch_size=args.batch_size,
            seed=args.seed,
            n_threads=args.threads,
        )
    except (ValueError, MemoryError) as error:
        parser.error(str(error))
    print(net, f"{len(X)} training images, {len(Xt)} test images", sep="\n", flush=True)

    history, target, interrupted, shown, steps = trainer.history, args.target_accuracy, False, 0, 0

    def show() -> None:
        """Print the epochs that are in the history and have not been printed yet."""
        nonlocal shown
        while shown < history.epochs:
            epoch = {name: values[shown] for name, values in history.items()}
            scores = "loss {loss:.4f}  training accuracy {accuracy:.4f}  test accuracy {validation_accuracy:.4f}"
            shown += 1  # before the line is out: whoever sees it may press Ctrl-C at once
            print(f"epoch {shown:2}  {scores.format(**epoch)}  {epoch['seconds']:.2f} s", flush=True)

    def count(state: fb.callbacks.State) -> None:
        """Keep the number of steps that are finished, also when Ctrl-C ends the training."""
        nonlocal steps
        steps = state.step

    try:
        for _ in range(args.epochs):
            counting = fb.callbacks.Lambda(train_end=count)
            trainer.fit(X, y, epochs=1, validation_data=(Xt, yt), callbacks=[counting], progress=False)
            show()
            if target is not None and history["validation_accuracy"][-1] >= target:
                break
    except KeyboardInterrupt:
        interrupted = True
        show()  # Ctrl-C may have come after the end of an epoch and before its line
        each = -(-len(X) // args.batch_size)
        done = f"{steps - each * history.epochs} of the {each} steps of epoch {history.epochs + 1}"
        print(f"interrupted after {done}", file=sys.stderr)
    except FloatingPointError as error:
        parser.error(str(error))

    reached = trainer.evaluate(Xt, yt)["accuracy"]
    seconds = history.get("seconds", [])
    print(
        f"test accuracy {reached:.4f}  {len(seconds)} epochs  {sum(seconds):.2f} s training  "
        f"{seconds_since_start():.2f} s since start"
    )
    if history.epochs and history["loss"][-1] >= math.log(10):
        print(
            f"The network has learnt nothing: its loss is not below {math.log(10):.2f}, which is that of guessing. Try "
            f"another --learning-rate than {args.learning_rate:g}.",
            file=sys.stderr,
        )
    if interrupted:
        return 130
    return 1 if target is not None and reached < target else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # as after `| head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes standard output at its end
        sys.exit(141)
