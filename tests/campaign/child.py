"""The child's side of the campaign: it lets one player play, and tells the parent what happens.

A player is a module with two functions. `prepare()` does once what takes long, such as the first call of kernels.
`play(seed)` plays a round, in which everything comes from the seed, and returns how often it did what. It raises
AssertionError for a result that is not as promised. Any other exception is one that no caller should ever see.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys
import time
import traceback
import warnings

import inside
from campaign import counter

_out = sys.stdout
repeats = False
"""Whether this is one round only, which repeats a finding: a player may then take time to explain it."""


def say(**message: object) -> None:
    """Tell the parent something.

    The messages are `warm`, the seconds of the preparation; `seed`, the number of the round that begins; `done`, what
    the round did; `finding`, its kind and its description; `calls`, how many calls of fastbp the round made; `alive`,
    from time to time in a long round; and `end`.
    """
    _out.write(json.dumps(message) + "\n")
    _out.flush()


def cause(error: Exception) -> str:
    """Where an error was raised, and its message without what differs from seed to seed: names and numbers."""
    last, message = traceback.extract_tb(error.__traceback__)[-1], re.sub("'[^']*'|[0-9]+", "", str(error))
    return f"{last.filename}:{last.lineno} {type(error).__name__} {message[:60]}"


def main(player: str, seed: int, stride: int, seconds: float) -> None:
    """Play rounds until the time is over, but at least one."""
    global _out, repeats
    repeats = not seconds
    _out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anything prints must not come between the messages
    warnings.simplefilter("error")  # fastbp gives no warning that a player does not expect
    warnings.filterwarnings(
        "ignore", "the loss .* is made for|the (inputs|targets) (have|go from)"
    )  # which draws do not avoid
    module, start = importlib.import_module(f"campaign.{player}"), time.monotonic()
    inside.compile_alone()  # another child wants the other core
    counter.install()
    module.prepare()
    say(warm=time.monotonic() - start)
    end = time.monotonic() + seconds
    while True:
        say(seed=seed)
        before = counter.made()
        try:
            say(done=module.play(seed))
        except AssertionError as error:
            say(finding=["difference", cause(error), traceback.format_exc()])
        except Exception as error:
            say(finding=["unclean", cause(error), traceback.format_exc()])
        say(calls=counter.made() - before)
        seed += stride
        if time.monotonic() >= end:
            break
    say(end=True)
