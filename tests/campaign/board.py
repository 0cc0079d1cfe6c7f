"""What a campaign has done and found, as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

KINDS = ("crash", "hang", "difference", "unclean")
"""The kinds of findings: a process that ends by itself or stays silent, results that are not those that were promised,
and errors that are not among the documented ones."""


@dataclass
class Finding:
    """What a player has found, and the seed that leads there again."""

    player: str
    seed: int
    kind: str
    cause: str
    """Where it happened. Findings of one cause are counted, and only the first is described."""
    text: str
    count: int = 1


@dataclass
class Score:
    """What a player has done in all of its child processes."""

    player: str
    rounds: int = 0
    calls: int = 0
    """The calls into the public interface of fastbp."""
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    warm_up: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    skipped: str = ""
    """The reason why the player cannot play here, or nothing."""

    def add(self, finding: Finding) -> None:
        """Add a finding, or count it if its cause is known."""
        for known in self.findings:
            if (known.player, known.kind, known.cause) == (finding.player, finding.kind, finding.cause):
                known.count += finding.count
                return
        self.findings.append(finding)

    def __add__(self, other: Score) -> Score:
        total = Score(
            self.player,
            self.rounds + other.rounds,
            self.calls + other.calls,
            self.counts + other.counts,
            self.seconds + other.seconds,
            self.warm_up + other.warm_up,
            skipped=self.skipped or other.skipped,
        )
        for finding in (*self.findings, *other.findings):
            total.add(replace(finding))
        return total


def described(finding: Finding) -> str:
    """A finding with the command that repeats it. In a repetition, hypothesis also looks for a shorter example."""
    again = f"python -m pytest tests/campaign --player {finding.player} --seed {finding.seed} --minutes 0"
    times = f", {finding.count} times" if finding.count > 1 else ""
    return f"{finding.kind} by {finding.player} with seed {finding.seed}{times}\n  {again}\n{finding.text.rstrip()}"


def table(scores: list[Score], seed: int) -> str:
    """A row for each player, and their sum."""
    total = sum(scores, Score("total"))
    rows = [("player", "rounds", "calls", "seconds", "warm-up", *(f"{kind[:10]}" for kind in KINDS), "done")]
    rows += [_row(score) for score in (*scores, total)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]  # the last column is as long as it is
    cells = [[cell.rjust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)] for row in rows]
    lines = ["  ".join((*row, last[-1])) for row, last in zip(cells, rows, strict=True)]
    return "\n".join([*lines, f"{total.calls:,} calls of fastbp, base seed {seed}"])


def _row(score: Score) -> tuple[str, ...]:
    found = Counter()
    for finding in score.findings:
        found[finding.kind] += finding.count
    done = ", ".join(f"{count:,} {name}" for name, count in score.counts.items())
    times = f"{score.seconds:.0f}", f"{score.warm_up:.0f}"
    return (
        score.player,
        f"{score.rounds:,}",
        f"{score.calls:,}",
        *times,
        *(str(found[kind]) for kind in KINDS),
        score.skipped or done,
    )
