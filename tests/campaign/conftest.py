"""The options of the campaign, and the scoreboard that pytest prints at its end."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

# The players are modules for child processes. Nothing in them is for pytest to collect.
collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("campaign")
    group.addoption("--minutes", type=float, default=2.0, help="how long the campaign plays; with 0, one round each")
    group.addoption("--calls", type=int, default=0, help="how many calls of fastbp the campaign makes at least")
    group.addoption("--seed", type=int, default=None, help="the base seed of the campaign; by default a random one")
    group.addoption("--player", action="append", help="play this player only; can be given several times")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in itertools.chain(*terminalreporter.stats.values()):
        for name, text in getattr(report, "user_properties", ()):
            if name == "scoreboard" and report.when == "call":
                terminalreporter.section("campaign")
                terminalreporter.write_line(text)
