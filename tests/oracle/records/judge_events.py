"""Compares what a subscription to `events` was told with the rows of `logs` that were committed. Pure."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from oracle.records.history import EVENT_COLUMNS, LoggedEvent, Sequence
from oracle.records.judge import Wrong, allow_reset
from oracle.records.rights import Rights
from oracle.records.tape import Fact


@dataclass(frozen=True)
class Gap:
    """Commits of a time without a slot: their events are read from the table, come from wherever the new slot begins, or not at all."""

    begin: int
    end: int

    def __contains__(self, commit: int) -> bool:
        return self.begin < commit <= self.end


@dataclass
class EventCourse:
    """Where the judge is in the tape: `count` events were told or need not be, None before the first `live`."""

    types: tuple[str, ...] | None       # that are subscribed to; None: all
    user: str | None                    # None: an administrator, who is sent all
    count: int | None = None
    asked: Fact | None = None           # the request that is being answered
    told: int = 0
    since: int = 0                      # as Course.since
    gap: Gap = field(default_factory=lambda: Gap(0, 0))     # the last one
    found: set[int] = field(default_factory=set)            # ids out of it that were told

    def take(self, events: Sequence[LoggedEvent], rights: Rights, fact: Fact, dropped: int = -1, gap: Gap | None = None) -> None:
        """Throws Wrong; `dropped` is the last round in which the slot was dropped, `gap` the time without it."""
        if gap is not None and gap != self.gap:
            self.gap, self.found = gap, set()
        if fact.op == "subscribe":
            self.asked, self.count, self.found = fact, fact.after.count if fact.after is not None else None, set()
        elif fact.op == "reset":
            self._reset(fact, dropped)
        elif fact.op in ("live", "ping"):
            self._live(events, rights, fact)
        elif fact.op == "change":
            self._change(events, rights, fact)
        else:
            raise Wrong(f"{fact.op} {fact.kind}, of events")
        fact.count = self.count
        self.since = fact.after.round if fact.after is not None else fact.round

    def finish(self, events: Sequence[LoggedEvent], rights: Rights) -> None:
        if self.count is None:
            raise Wrong("never live")
        self._pass(events, rights, len(events), "the end of the round")

    def _reset(self, fact: Fact, dropped: int) -> None:
        allow_reset(fact, self.asked, self.since, dropped)
        self.count, self.asked = None, None

    def _live(self, events: Sequence[LoggedEvent], rights: Rights, fact: Fact) -> None:
        assert fact.place is not None
        self._honour_no_foreign_token()
        due = events.count(fact.place.commit)
        if self.count is not None:
            if self.count > due:
                raise Wrong(f"TOKEN: {fact.op} at {fact.place} is behind what was told")
            self._pass(events, rights, due, f"{fact.op} at {fact.place}")
        self.count, self.asked = due, None

    def _change(self, events: Sequence[LoggedEvent], rights: Rights, fact: Fact) -> None:
        assert fact.place is not None and fact.record is not None
        self._honour_no_foreign_token()
        what = f"event {fact.record['id']} at {fact.place}"
        if self.count is None:
            raise Wrong(f"{what}, before live")
        self.told += 1
        number = self._find(events, fact.place.commit, fact.record["id"])
        if number is None:
            raise Wrong(f"UNKNOWN: {what}")
        one = events[number]
        lost = one.commit in self.gap
        if lost and one.row["id"] in self.found or not lost and number < self.count:
            raise Wrong(f"REPEATED: {what}, or it came too late")
        if not self._wants(one):
            raise Wrong(f"FILTER: {what} is of the type {one.row['event_type']}")
        if not self._may(rights, one):
            raise Wrong(f"LEAK: {what}")
        told = {name: fact.record.get(name) for name in EVENT_COLUMNS}
        if told != one.row:
            raise Wrong(f"STATE: {what} is {told}, and was {one.row}")
        if abs(datetime.fromisoformat(fact.at).astimezone(UTC).timestamp() - one.at) > 0.000_002:
            if not lost:    # the table does not have it
                raise Wrong(f"WRONG: {what} was committed at {one.at:.6f}, and is said to have been at {fact.at}")
        if lost:
            self.found.add(one.row["id"])
        if number >= self.count:
            self._pass(events, rights, number, what)
            self.count = number + 1

    def _find(self, events: Sequence[LoggedEvent], commit: int, log_id: int) -> int | None:
        """Among those of that commit, and of the time without a slot."""
        lost = range(events.count(self.gap.begin), events.count(self.gap.end))
        return next((number for number in (*range(events.count(commit - 1), events.count(commit)), *lost)
                     if number >= events.forgotten and events[number].row["id"] == log_id), None)

    def _pass(self, events: Sequence[LoggedEvent], rights: Rights, end: int, what: str) -> None:
        """What lies before need not be told."""
        assert self.count is not None
        for number in range(self.count, end):
            one = events[number]
            if self._wants(one) and self._must(rights, one) and one.commit not in self.gap:
                raise Wrong(f"MISSING: {what} without event {one.row['id']} of {one.commit:X}")
        self.count = end

    def _wants(self, one: LoggedEvent) -> bool:
        return self.types is None or one.row["event_type"] in self.types

    # What is gone on from is decided by what may be read when it is looked at, which is then or later.

    def _may(self, rights: Rights, one: LoggedEvent) -> bool:
        if self.user is None or self.user in one.readers:
            return True
        sight = rights.readable.get((self.user, one.decider))
        return (self.asked is not None or one.commit in self.gap) and sight is not None and sight.ever(True, one.commit)

    def _must(self, rights: Rights, one: LoggedEvent) -> bool:
        if self.user is None:
            return True
        if self.user not in one.readers:
            return False
        sight = rights.readable.get((self.user, one.decider))
        return self.asked is None or sight is None or not sight.ever(False, one.commit)

    def _honour_no_foreign_token(self) -> None:
        if self.asked is not None and self.asked.foreign:
            raise Wrong(f"RESUMED: from a token that is to be refused: {self.asked.foreign}")
