"""The campaign: players try to break fastbp with inputs that nobody has thought of, for as long as they are given.

`python -m pytest tests/campaign --minutes 30` runs it, or with `--calls 1000000` for as long as so many calls of fastbp
take; the ordinary test run does not. Each player is a module of this folder, which makes everything that it does from a
seed. It plays in child processes, two at a time, that `runner.py` watches: a child that crashes or hangs is a finding
too. The report of a finding has a command that repeats it.
"""

from __future__ import annotations

import secrets

import pytest
from campaign import board, runner


def test_campaign(pytestconfig: pytest.Config, record_property):
    """No player finds anything, and each of them does something."""
    given, minutes = pytestconfig.getoption("seed"), pytestconfig.getoption("minutes")
    names = pytestconfig.getoption("player") or list(runner.PLAYERS)
    seed = secrets.randbelow(10**9) if given is None else given
    scores = runner.campaign(names, seed, minutes * 60, pytestconfig.getoption("calls"))
    record_property("scoreboard", board.table(scores, seed))
    wrong = [board.described(finding) for score in scores for finding in score.findings]
    wrong += [f"{score.player} did nothing" for score in scores if not score.skipped and not score.rounds]
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)
