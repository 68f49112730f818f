"""What is counted, and what is kept of a violation."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from oracle.infliction import Inflicted
from oracle.records.clients import EVENTS, Held
from oracle.records.history import History
from oracle.records.judge import Course
from oracle.records.plan import FAULTS, Round
from oracle.records.tape import Fact
from oracle.records.writers import Writer


class Report:
    def __init__(self) -> None:
        self.rounds = 0
        self.violations: list[tuple[int, str]] = []
        self.told: Counter[str] = Counter()         # messages by op, resets and errors by reason
        self.resumed = 0                            # subscribes with a token
        self.entries = 0                            # changes that were committed
        self._faults: Counter[str] = Counter()
        self._slowest: dict[str, float] = {}
        self._before = 0

    def count(self, held: Held, tape: list[Fact]) -> None:
        for fact in tape:
            if fact.op == "subscribe":
                self.resumed += fact.after is not None
            self.told[f"{fact.op} {fact.kind}" if fact.op in ("reset", "error") else fact.op] += 1

    def round(self, history: History, writers: Sequence[Writer]) -> None:
        self.rounds += 1
        self.entries = sum(len(story) for story in history.stories.values())

    def gap(self, kinds: list[str], seconds: float) -> None:
        """`seconds` from the end of the last fault until everybody was whole."""
        for kind in kinds:
            self._faults[kind] += 1
            self._slowest[kind] = max(self._slowest.get(kind, 0.0), seconds)

    def table(self) -> str:
        lines = [f"{'fault':<22}{'times':>7}{'longest gap':>14}"]
        lines += [f"{kind:<22}{self._faults[kind]:>7}{self._slowest[kind]:>12.2f} s" for kind in FAULTS if self._faults[kind]]
        lines += [f"{what:<22}{count:>7}" for what, count in sorted(self.told.items())]
        return "\n".join(lines)

    def summary(self, seconds: float) -> str:
        return (f"{self.rounds} rounds in {seconds:.0f} s ({self.rounds / seconds:.2f}/s), {sum(self._faults.values())} faults,"
                f" {self.entries} changes of records committed, {self.told['change']} told, {self.told['snapshot']} snapshots,"
                f" {self.resumed} resumed, {len(self.violations)} violations")


def keep_trace(directory: Path, plan: Round | None, inflicted: list[Inflicted], problems: list[str],
               courses: list[tuple[str, Held, list[Fact]]], history: History) -> Path:
    """The tapes that are wrong, each beside the story of its record."""
    number = plan.number if plan is not None else 0
    path = directory / f"round-{number}.json"
    found: list[dict[str, Any]] = []
    for name, held, tape in courses[:20]:
        found.append({"client": name, "about": held.about, "select": held.select, "latest": held.latest, "told": held.course.told,
                      "tape": [fact.brief() for fact in tape],
                      "story": _events(history) if held.about == EVENTS else _story(history, held)})
    path.write_text(json.dumps({"problems": problems, "inflicted": inflicted, "plan": plan and asdict(plan), "courses": found},
                               indent=1, default=str), encoding="utf-8")
    return path


def _story(history: History, held: Held) -> dict[str, Any]:
    story = history.story(held.about)
    return {"sight": held.course.sight.steps if isinstance(held.course, Course) and held.course.sight is not None else "all",
            "grants": history.rights.grants, "entries": [{"number": story.forgotten + place, "commit": entry.commit, "at": entry.at, "kind": entry.kind,
                         "changed": sorted(entry.fields), "left out": sorted(entry.left_out),
                         "row": Fact("", record=entry.row).brief()["record"]} for place, entry in enumerate(story.entries)]}


def _events(history: History) -> list[dict[str, Any]]:
    return [{"number": history.events.forgotten + place, "commit": one.commit, **one.row, "readers": sorted(one.readers),
             "sight": {user: sight.steps for (user, uuid), sight in history.rights.readable.items() if uuid == one.decider}}
            for place, one in enumerate(history.events.entries)]
