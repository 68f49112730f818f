"""What one subscription of the oracle was told, in order, with the state that it came to."""

from dataclasses import dataclass
from typing import Any

from support.records import Record
from support.resume_token import Place


@dataclass
class Fact:
    """One message, or one request (op `subscribe`).

    `after` is the fact whose token a request went on from; of other requests, and of tokens that are good for nothing, None.
    `count` is the judge's: so many entries of the record's story were told up to here.
    """

    op: str
    place: Place | None = None
    token: str | None = None
    record: Record | None = None    # of snapshot, and behind a change: the state
    known: bool = False             # ... is known in full
    kind: str = ""                  # of a change; of an error its code; of reset and silenced the reason
    at: str = ""                    # of a change
    changed: frozenset[str] | None = None
    after: "Fact | None" = None
    foreign: str = ""               # what was wrong with the token of a request, on purpose
    count: int | None = None
    round: int = 0                  # in which it came

    def brief(self) -> dict[str, Any]:
        """For the trace."""
        record = {name: value if len(str(value)) < 80 else f"{str(value)[:40]}… ({len(str(value))})"
                  for name, value in self.record.items()} if self.record else self.record
        return {"op": self.op, "kind": self.kind, "place": self.place, "at": self.at, "count": self.count, "foreign": self.foreign,
                "changed": sorted(self.changed or ()), "after": self.after and self.after.place, "record": record}
