"""What a client of protocol v1 knows of one subscription, and what it may be told next. Without I/O."""

from dataclasses import dataclass, field
from typing import Any

from support.resume_token import Place, place_of

Message = dict[str, Any]
Record = dict[str, Any]


class Wrong(AssertionError):
    """A message that no relay should send here."""


def check_message(message: Message, op: str, has: dict[str, Any]) -> None:
    """It has this op and these values."""
    assert message["op"] == op, f"expected {op}, got {str(message)[:600]}"
    for key, value in has.items():
        assert message.get(key) == value, f"{key} of {op} is {message.get(key)!r}, not {value!r}: {str(message)[:600]}"


@dataclass
class State:
    """Takes the messages of one subscription in order; throws Wrong at one that the protocol does not allow.

    `stage` is asked (subscribe was sent), resuming (asked with `after`), reset or restored (a snapshot is due), snapshot (live is
    due), live, silenced, or over. `record` is the state: None while there is no row, or nothing is known (`known`).
    """

    has_snapshot: bool = True           # of record/ and grants/, unless it was not wanted
    is_record: bool = True              # record/ topics: changes are applied
    latest: bool = False
    stage: str = "asked"
    known: bool = False
    record: Record | None = None
    token: str | None = None
    at: Place | None = None
    changes: int = 0
    resets: list[str] = field(default_factory=list)

    def ask(self, after: str | None) -> None:
        """Subscribes, for the first time or again, on a new connection."""
        self.stage = "resuming" if after is not None else "asked"
        if after is None:
            self.known, self.record, self.token, self.at = False, None, None, None

    def take(self, message: Message) -> None:
        op = message["op"]
        act = getattr(self, f"_take_{op}", None)
        if act is None:
            raise Wrong(f"{op} is no message of a subscription")
        act(message)

    # Each is a verb of the protocol

    def _take_snapshot(self, message: Message) -> None:
        self._need(message, "asked", "reset", "restored")
        if not self.has_snapshot:
            raise Wrong("a snapshot where there is none")
        self._move(message)
        self.stage, self.known, self.record = "snapshot", True, message["record"]

    def _take_live(self, message: Message) -> None:
        self._need(message, "snapshot", "resuming", *(() if self.has_snapshot else ("asked", "reset", "restored")))
        self._move(message)
        self.stage = "live"

    def _take_change(self, message: Message) -> None:
        self._need(message, "live", "resuming")
        before = self.at
        self._move(message)
        if before is not None and self.at is not None and self.at <= before:
            raise Wrong(f"a change at {self.at} behind {before}: {_short(message)}")
        self.changes += 1
        if self.is_record:
            self._apply(message)

    def _take_reset(self, message: Message) -> None:
        if message["reason"] == "lagging":
            self._need(message, "live", "resuming", "snapshot", "asked", "reset", "restored")
        else:
            self._need(message, "live", "resuming")
        self.resets.append(message["reason"])
        self.stage, self.at = "reset", None

    def _take_silenced(self, message: Message) -> None:
        if self.stage in ("over", "silenced"):
            raise Wrong(f"silenced when {self.stage}")
        self.stage = "silenced"

    def _take_restored(self, message: Message) -> None:
        self._need(message, "silenced")
        self.stage = "restored"

    def _take_end(self, message: Message) -> None:
        self.stage = "over"

    def _take_error(self, message: Message) -> None:
        self.stage = "over"

    def _need(self, message: Message, *stages: str) -> None:
        if self.stage not in stages:
            raise Wrong(f"{message['op']} when {self.stage}: {_short(message)}")

    def _move(self, message: Message) -> None:
        self.token, place = message["token"], place_of(message["token"])
        if self.at is not None and place < self.at:
            raise Wrong(f"{message['op']} at {place}, after {self.at}: {_short(message)}")
        self.at = place

    def ping(self, token: str) -> None:
        """The token of a ping takes the place of the last one."""
        if self.stage == "live":
            self._move({"op": "ping", "token": token})

    def _apply(self, message: Message) -> None:
        """What the change says about the row before must agree with the row that is known."""
        kind, former = message["type"], self.record
        if self.known and not self.latest and (former is None) != (kind == "insert"):
            raise Wrong(f"{kind} of a row that is {'not there' if former is None else 'there'}: {_short(message)}")
        record = dict(message["record"]) if message["record"] is not None else None
        if record is not None:
            unchanged = message.get("unchanged", [])
            if kind == "insert" and unchanged:
                raise Wrong(f"an insert with columns that are as before: {unchanged}")
            for column in unchanged:
                if column in record:
                    raise Wrong(f"{column} is unchanged, and in the record")
                if former is not None and column in former:
                    record[column] = former[column]
            if kind == "update" and self.known and former is not None and not self.latest:
                _compare(message, former, record)
            self.known = all(column in record for column in unchanged)
        else:
            self.known = True
        self.record = record


def _compare(message: Message, former: Record, record: Record) -> None:
    if ("old" in message) != ("changed" in message):
        raise Wrong(f"old and changed come together: {_short(message)}")
    if set(former) != set(record):
        raise Wrong(f"the columns were {sorted(former)} and are {sorted(record)}")
    if "changed" not in message:
        return
    old, changed = message["old"], set(message["changed"])
    for column in old:
        if column not in changed:
            raise Wrong(f"{column} is in old and not in changed: {_short(message)}")
        if old[column] != former[column]:
            raise Wrong(f"{column} was {_brief(former[column])}, and is said to have been {_brief(old[column])}")
        if record[column] == former[column]:
            raise Wrong(f"{column} is said to have changed, and is {_brief(record[column])} as before")
    for column in record:
        if column not in changed and record[column] != former[column]:
            raise Wrong(f"{column} was {_brief(former[column])} and is {_brief(record[column])}, and is not in changed")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}… ({len(text)})"


def _short(message: Message) -> str:
    return str({key: value for key, value in message.items() if key not in ("token", "record")})[:300]
