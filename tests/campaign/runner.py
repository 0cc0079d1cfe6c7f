"""The parent's side of the campaign: it starts the players in child processes, and watches them."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from campaign.board import Finding, Score
from helpers import PACKAGE, PATIENT, python_path

PLAYERS = {
    "machine": 0.2, "storm": 0.08, "guards": 0.06, "kills": 0.06, "mutants": 0.06, "wrong": 0.06, "zeros": 0.06,
    "estimators": 0.07, "ensembles": 0.06, "formulas": 0.06, "graphs": 0.06, "matrices": 0.06, "own": 0.06,
    "frames": 0.05,
}  # fmt: skip
"""The players, with the share of the time that each of them gets. The names are those of the modules."""
POSIX = {
    **dict.fromkeys(("guards", "estimators", "ensembles", "formulas", "matrices", "own"), "mprotect makes the guards"),
    "kills": "this platform does not fork",
    "storm": "an interval timer is needed",
}
"""What the players need that only POSIX has."""
WORKERS = 2
PATIENCE, WARM_PATIENCE = 60.0, 600.0
"""How long a child may say nothing, in seconds: while it plays, and before, when it may have to compile kernels."""
MOST_ENDS = 5
"""After so many crashes and hangs of a player in one of its two places, it plays no more there."""


def campaign(names: list[str], seed: int, seconds: float, calls: int = 0) -> list[Score]:
    """Let the players play for some seconds, and then for as long as they still need for this number of calls."""
    scores, given = lap(names, dict.fromkeys(names, seed), seconds), seconds
    while (made := sum(score.calls for score in scores)) < calls and seconds and made:
        more = max(60.0, 1.05 * given * (calls - made) / made)
        # A player has used less than twice as many seeds as rounds: one of its two children may be faster.
        following = lap(names, {score.player: seed + 2 * score.rounds for score in scores}, more)
        scores, given = [one + other for one, other in zip(scores, following, strict=True)], given + more
    return scores


def lap(names: list[str], seeds: dict[str, int], seconds: float) -> list[Score]:
    """Let the players play one after another, each in two child processes. With 0 seconds, each plays one round."""
    scores, total = [], sum(PLAYERS[name] for name in names)
    workers = WORKERS if seconds else 1
    with ThreadPoolExecutor(workers) as pool:
        for name in names:
            if name in POSIX and os.name != "posix":
                scores.append(Score(name, skipped=POSIX[name]))
                continue
            share = seconds * PLAYERS[name] / total
            parts = [pool.submit(play, name, seeds[name] + k, workers, share) for k in range(workers)]
            scores.append(sum((part.result() for part in parts), Score(name)))
    return scores


def play(name: str, seed: int, stride: int, seconds: float) -> Score:
    """Let a player play with the seeds seed, seed + stride and so on.

    A child that has crashed or hangs gets a successor, which begins with the seed after.
    """
    score, ends = Score(name), 0
    while True:
        with Child(name, seed, stride, seconds - score.seconds) as child:
            wrong = child.watch(score)
        if wrong is None:
            return score
        score.add(wrong)
        seed, ends = wrong.seed + stride, ends + 1
        if not child.warm or score.seconds >= seconds or ends >= MOST_ENDS:
            return score


class Child:
    """A process in which a player plays. Its messages come as lines of JSON; `child.py` says what they mean."""

    def __init__(self, name: str, seed: int, stride: int, seconds: float):
        self.name, self.seed, self.warm, self._lines = name, seed, False, queue.SimpleQueue()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it is closed with the child)
        arguments = f"{name!r}, {seed}, {stride}, {seconds}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-X", "faulthandler", "-c", f"from campaign import child; child.main({arguments})"],
            env={**PATIENT, **os.environ, **python_path(PACKAGE.parent)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # so that what it has forked can be ended with it
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _messages(self) -> Iterator[dict]:
        """What the child says, up to its end. Raises queue.Empty if it says nothing for too long."""
        patience = WARM_PATIENCE
        while (line := self._lines.get(timeout=patience)) is not None:
            message = json.loads(line)
            patience = PATIENCE
            yield message

    def watch(self, score: Score) -> Finding | None:
        """Add what the child does to the score. Returns a finding if it crashes or hangs, and None if it ends well."""
        start = None
        try:
            for message in self._messages():
                if "warm" in message:
                    self.warm = True
                    start, score.warm_up = time.monotonic(), score.warm_up + message["warm"]
                elif "seed" in message:
                    self.seed = message["seed"]
                elif "done" in message:
                    score.rounds += 1
                    score.counts.update(message["done"])
                elif "calls" in message:
                    score.calls += message["calls"]
                elif "finding" in message:
                    score.rounds += 1
                    score.add(Finding(self.name, self.seed, *message["finding"]))
                elif "end" in message:
                    return None
            return self._finding("crash", f"the child ended with status {self._process.wait()}")
        except queue.Empty:
            if os.name == "posix":
                self._process.send_signal(signal.SIGABRT)  # faulthandler then writes where its threads are
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(5)
            return self._finding("hang", f"the child said nothing for {PATIENCE:.0f} s")
        finally:
            score.seconds += 0.0 if start is None else time.monotonic() - start

    def _finding(self, kind: str, text: str) -> Finding:
        self._errors.seek(0)
        return Finding(self.name, self.seed, kind, text, f"{text}\n{self._errors.read()[-8000:]}")

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()
