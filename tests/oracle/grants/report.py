"""What is counted, and what is kept of a violation."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.grants.judge import Stay
from oracle.grants.plan import FAULTS, Round
from oracle.grants.writers import Writer


class Report:
    def __init__(self) -> None:
        self.rounds = 0
        self.transactions = 0
        self.events = 0
        self.deliveries = 0             # events that sessions were sent
        self.denials = 0                # that they must not be sent
        self.dead = 0                   # sessions whose token died
        self.violations: list[tuple[int, str]] = []
        self.last = ""                  # of the last round
        self._faults: Counter[str] = Counter()
        self._slowest: dict[str, float] = {}

    def round(self, verdicts: Sequence[Any], writers: Sequence[Writer]) -> None:
        committed = sum(isinstance(place, int) for writer in writers for place, _ in writer.story)
        self.rounds += 1
        self.transactions += committed
        self.events += len(verdicts)
        self.last = f"{committed} transactions, {len(verdicts)} events"

    def fault(self, kind: str, seconds: float) -> None:
        """`seconds` from the end of the writers until everybody had everything."""
        self._faults[kind] += 1
        self._slowest[kind] = max(self._slowest.get(kind, 0.0), seconds)

    def table(self) -> str:
        lines = [f"{'fault':<22}{'times':>7}{'longest gap':>14}"]
        lines += [f"{kind:<22}{self._faults[kind]:>7}{self._slowest[kind]:>12.2f} s" for kind in FAULTS if self._faults[kind]]
        return "\n".join(lines)

    def summary(self, seconds: float) -> str:
        return (f"{self.rounds} rounds in {seconds:.0f} s ({self.rounds / seconds:.2f}/s), {sum(self._faults.values())} faults,"
                f" {self.transactions} transactions, {self.events} events, {self.deliveries} deliveries and {self.denials} denials"
                f" checked, {self.dead} tokens died, {len(self.violations)} violations")


def keep_trace(directory: Path, plan: Round, writers: Sequence[Writer], problems: list[str], verdicts: Sequence[Any],
               stays: dict[str, list[Stay]]) -> Path:
    """All transactions in the order of their commits, with what they did and the answers to their events."""
    story = sorted((place, done) for writer in writers for place, done in writer.story if isinstance(place, int))
    others = [(place, done) for writer in writers for place, done in writer.story if not isinstance(place, int)]
    events: dict[int, list[dict[str, Any]]] = {}
    for verdict in verdicts:
        events.setdefault(verdict.place, []).append(
            {"id": verdict.id, "event_type": verdict.event_type, "object_uuid": verdict.object_uuid, "target": verdict.target,
             "sendable": verdict.sendable, "readers": sorted(verdict.readers), "perhaps": sorted(verdict.perhaps - verdict.readers)})
    path = directory / f"round-{plan.number}.json"
    path.write_text(json.dumps({
        "problems": problems, "fault": plan.fault and asdict(plan.fault), "settings": plan.settings,
        "commits": [{"place": place, "done": done, "events": events.get(place, [])} for place, done in story],
        "not committed": others,
        "got": {name: [asdict(stay) for stay in found] for name, found in stays.items()}}, indent=1, default=str), encoding="utf-8")
    return path
