"""Compares what a subscription was told with what happened to its record. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime

from oracle.records.history import Entry, Story
from oracle.records.rights import Sight
from oracle.records.tape import Fact
from support.records import Record


class Wrong(Exception):
    """What was told is not what happened."""


def allow_reset(fact: Fact, asked: Fact | None, since: int, dropped: int) -> None:
    """What was kept for long may have expired; everything else needs a reason that the oracle knows: a foreign token, or a slot
    that was dropped since that round."""
    allowed = {"expired", "lagging"}
    if asked is not None and asked.foreign:
        allowed.add(asked.foreign)
    if dropped >= since:
        allowed.add("epoch")
    if fact.kind not in allowed:
        raise Wrong(f"RESET: {fact.kind}, for no reason; allowed were {sorted(allowed)}")


@dataclass
class Course:
    """Where the judge is in the tape of one subscription: `count` entries of its story were told, None before the first state.

    `sight` is what its user may see of the record, and None for administrators.
    """

    uuid: str
    select: tuple[str, ...] | None = None
    latest: bool = False
    sight: Sight | None = None
    count: int | None = None
    asked: Fact | None = None           # the request that is being answered
    lacks_state: bool = False           # a snapshot is due, after reset
    silent: bool = False                # the right was taken away
    place: int = 0                      # the commit of the last token
    told: int = 0                       # changes
    since: int = 0                      # the round of the token that is gone on from, or of the last fact

    def take(self, story: Story, fact: Fact, begin: int = 0, dropped: int = -1) -> None:
        """Throws Wrong. `begin` is the last commit before the round; `dropped` the last round in which the slot was dropped."""
        if fact.op == "reset":
            self._reset(fact, dropped)
        elif fact.op == "error":
            self._error(story, fact, begin)
        else:
            if self.silent and fact.op not in ("subscribe", "restored"):
                raise Wrong(f"LEAK: {fact.op} while silenced")
            getattr(self, f"_{fact.op}")(story, fact)
        fact.count = self.count
        if fact.place is not None:
            self.place = fact.place.commit
        self.since = fact.after.round if fact.after is not None else fact.round

    def finish(self, story: Story, last: int = 0) -> None:
        """Everything was told; `last` is the last commit."""
        if self.silent:
            if self.sight is None or self.sight.at(last):
                raise Wrong("SILENT: and it may be read")
            return
        if self.count is None:
            raise Wrong("no state")
        if self._skip(story, self.count, len(story)) != len(story):
            raise Wrong(f"MISSING: {len(story) - self.count} of {len(story)} changes, from {_entry(story[self.count])} on")
        self._in_sight(last, "the end of the round")
        self.count = len(story)

    # By op

    def _subscribe(self, story: Story, fact: Fact) -> None:
        self.asked, self.lacks_state, self.count, self.silent, self.place = fact, True, None, False, 0
        if fact.after is not None:
            self.count, self.lacks_state = fact.after.count, False
            self.place = fact.after.place.commit if fact.after.place else 0

    def _snapshot(self, story: Story, fact: Fact) -> None:
        assert fact.place is not None
        if not self.lacks_state:
            raise Wrong("a snapshot after a token that was good")
        if self.sight is not None and not self.sight.at(fact.place.commit):
            raise Wrong(f"LEAK: a snapshot at {fact.place}")
        self.count, self.lacks_state = story.count(fact.place.commit), False
        self._same("STATE: the snapshot", story.row(self.count), fact.record)

    def _live(self, story: Story, fact: Fact) -> None:
        if self.lacks_state:
            raise Wrong("live without a state")
        self._honour_no_foreign_token()
        self._reached(story, fact)
        self.asked = None

    def _silenced(self, story: Story, fact: Fact) -> None:
        if fact.kind != "permission" or self.sight is None or not self.sight.ever(False, self.place):
            raise Wrong(f"SILENT: {fact.kind}, and it might be read all the time since {self.place:X}")
        self.silent, self.lacks_state, self.count, self.asked = True, False, None, None

    def _restored(self, story: Story, fact: Fact) -> None:
        if not self.silent:
            raise Wrong("restored, and it was not silenced")
        self.silent, self.lacks_state = False, True

    def _ping(self, story: Story, fact: Fact) -> None:
        self._reached(story, fact)

    def _reached(self, story: Story, fact: Fact) -> None:
        """A token says that everything up to it was told."""
        assert fact.place is not None
        due = story.count(fact.place.commit)
        if self.count is None:
            raise Wrong(f"{fact.op} without a state")
        self._in_sight(fact.place.commit, f"{fact.op} at {fact.place}")
        if self.count > due:
            raise Wrong(f"TOKEN: {fact.op} at {fact.place} is behind what was told, {_entry(story[self.count - 1])}")
        count = self._skip(story, self.count, due)
        if count != due:
            raise Wrong(f"MISSING: {fact.op} at {fact.place} without {due - count} changes before it, from {_entry(story[count])} on")
        self.count = due

    def _change(self, story: Story, fact: Fact) -> None:
        assert fact.place is not None
        self._honour_no_foreign_token()
        if self.lacks_state or self.count is None:
            raise Wrong("a change without a state")
        self.told += 1
        at = self.count
        while at < len(story) and self._may_skip(story, at) and (
                story[at].commit < fact.place.commit or not self._fits(story, at, fact)):
            at += 1
        if at < len(story) and story[at].commit == fact.place.commit and self._fits(story, at, fact):
            self._details(story[at], fact)
            self._in_sight(fact.place.commit, f"{fact.kind} at {fact.place}")
            self.count = at + 1
            return
        if self.latest:
            last = story.count(fact.place.commit)
            if last > self.count and self._equal(story.row(last), fact.record):
                self._in_sight(fact.place.commit, f"{fact.kind} at {fact.place}")
                self.count = last
                return
        self._explain(story, at, fact)

    def _fits(self, story: Story, at: int, fact: Fact) -> bool:
        return story[at].kind == fact.kind and (not fact.known or self._equal(story[at].row, fact.record))

    def _details(self, entry: Entry, fact: Fact) -> None:
        told = datetime.fromisoformat(fact.at).astimezone(UTC).timestamp()
        if abs(told - entry.at) > 0.000_002:
            raise Wrong(f"WRONG: committed at {entry.at:.6f}, and is said to have been at {fact.at}")
        if fact.changed is not None:
            shown = frozenset(self.select) if self.select else frozenset(entry.row or ())
            if not entry.fields & shown <= fact.changed:
                raise Wrong(f"WRONG: {sorted(entry.fields & shown)} have changed, and {sorted(fact.changed)} are said to have")

    def _explain(self, story: Story, at: int, fact: Fact) -> None:
        assert fact.place is not None and self.count is not None
        first = story.count(fact.place.commit - 1)
        of_it = range(first, story.count(fact.place.commit))
        what = f"{fact.kind} at {fact.place}"
        if not of_it:
            raise Wrong(f"UNKNOWN: {what}: no transaction that changed the record was committed there")
        if of_it.stop <= self.count:
            raise Wrong(f"REPEATED: {what} was told already; {self.count} of {len(story)} were")
        if at < first:
            raise Wrong(f"MISSING: {what} came when {first - at} changes before it were due, from {_entry(story[at])} on")
        if any(self._fits(story, number, fact) for number in of_it if number < self.count):
            raise Wrong(f"REPEATED: {what} was told already")
        if any(self._fits(story, number, fact) for number in of_it):
            raise Wrong(f"MISSING: {what}, and changes before it in its transaction: due was {_entry(story[at])}")
        if story[at].kind != fact.kind:
            raise Wrong(f"WRONG: {what}: due was {_entry(story[at])}")
        self._same(f"STATE: {what}", story[at].row, fact.record)
        raise Wrong(f"WRONG: {what}")

    def _honour_no_foreign_token(self) -> None:
        if self.asked is not None and self.asked.foreign:
            raise Wrong(f"RESUMED: from a token that is to be refused: {self.asked.foreign}")

    def _in_sight(self, commit: int, what: str) -> None:
        """It might be read up to there. What is gone on from may have been hidden in between: who may read it now is told all."""
        if self.sight is None:
            return
        if self.asked is not None:
            if not self.sight.ever(True, commit):
                raise Wrong(f"LEAK: {what}")
        elif not self.sight.at(commit):
            raise Wrong(f"LEAK: {what}")
        elif self.sight.ever(False, self.place, commit):
            raise Wrong(f"LEAK: {what}, and it was hidden since {self.place:X}, of which nothing was said")

    def _reset(self, fact: Fact, dropped: int) -> None:
        allow_reset(fact, self.asked, self.since, dropped)
        self.lacks_state, self.count, self.asked = True, None, None

    def _error(self, story: Story, fact: Fact, begin: int) -> None:
        """That there is none, or that it may not be read, must be true, or have been in this round."""
        self.count = None
        if fact.kind != "not_found" or (self.sight is not None and self.sight.ever(False, begin)):
            return
        first = story.count(begin)
        if all(story.row(count) is not None for count in range(first, len(story) + 1)):
            raise Wrong("NOT FOUND: and it was there all the time")

    # Helpers

    def _may_skip(self, story: Story, at: int) -> bool:
        """An update that changes none of the columns that are wanted need not be told."""
        entry = story[at]
        return self.select is not None and entry.kind == "update" and self._project(entry.row) == self._project(
            story.row(at))

    def _skip(self, story: Story, at: int, end: int) -> int:
        while at < end and self._may_skip(story, at):
            at += 1
        return at

    def _project(self, row: Record | None) -> Record | None:
        return row if row is None or self.select is None else {name: row[name] for name in self.select}

    def _equal(self, row: Record | None, told: Record | None) -> bool:
        return self._project(row) == told

    def _same(self, what: str, row: Record | None, told: Record | None) -> None:
        due = self._project(row)
        if due == told:
            return
        if due is None or told is None:
            raise Wrong(f"{what} is {'no row' if told is None else 'a row'}, and there was {'none' if due is None else 'one'}")
        raise Wrong(f"{what}: " + "; ".join(
            f"{name} is {str(told.get(name, 'not there'))[:120]!r}, and was {str(due.get(name, 'not there'))[:120]!r}"
            for name in sorted({*due, *told}) if due.get(name, ...) != told.get(name, ...)))


def _entry(entry: Entry) -> str:
    return f"{entry.kind} at {entry.commit:X}, {datetime.fromtimestamp(entry.at, UTC):%H:%M:%S.%f}"
