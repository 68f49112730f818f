"""The table at the end, and what is kept of a violation."""

import json
from collections import Counter
from pathlib import Path

from oracle.plan import FAULTS


class Report:
    """Counts faults, and the longest times until all clients were whole again, by kind of fault.

    `alone` is from rounds that had no other fault, from its end on. `among others` is counted from the end of the last fault
    of the round, and stands with every kind that the round had.
    """

    def __init__(self) -> None:
        self.rounds = 0
        self.events = 0
        self.deliveries = 0
        self.violations: list[tuple[int, str]] = []
        self._faults: Counter[str] = Counter()
        self._alone: dict[str, float] = {}
        self._among: dict[str, float] = {}

    def gap(self, kinds: list[str], seconds: float) -> None:
        into = self._alone if len(kinds) == 1 else self._among
        for kind in kinds:
            self._faults[kind] += 1
            into[kind] = max(into.get(kind, 0.0), seconds)

    def table(self) -> str:
        lines = [f"{'fault':<22}{'times':>7}{'longest gap alone':>20}{'among others':>15}"]
        for kind in FAULTS:
            if self._faults[kind]:
                times = [f"{of[kind]:.2f} s" if kind in of else "-" for of in (self._alone, self._among)]
                lines.append(f"{kind:<22}{self._faults[kind]:>7}{times[0]:>20}{times[1]:>15}")
        return "\n".join(lines)

    def summary(self, seconds: float) -> str:
        return (f"{self.rounds} rounds in {seconds:.0f} s ({self.rounds / seconds:.2f}/s), {sum(self._faults.values())} faults,"
                f" {self.events} events committed, {self.deliveries} deliveries checked, {len(self.violations)} violations")


def keep_trace(directory: Path, number: int, trace: dict[str, object]) -> Path:
    path = directory / f"round-{number}.json"
    path.write_text(json.dumps(trace, indent=1, default=str), encoding="utf-8")
    return path
