"""Compares what a client was sent with what was committed. Pure: no clock, no connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from support.client import difference


class Order(Enum):
    """How much of the commit order a stretch of commits must keep."""

    COMMIT = "in commit order"
    IDS = "in commit order, or in that of ids"      # a listener that was away has no other guide
    ANY = "in whatever order"                       # committed while there was no slot: nobody knows the order


@dataclass(frozen=True)
class Event:
    """A committed row of `logs`. `stretch` numbers the runs of commits with the same demands, rising with the commits."""

    id: int
    event_type: str
    object_uuid: str
    order: Order = Order.COMMIT
    stretch: int = 0


def judge(expected: Sequence[Event], got: Sequence[int]) -> str | None:
    """None if the ids in `got` are the expected events, once each and in order; otherwise what is wrong, in one sentence.

    `expected` is in commit order. Events of a stretch may change places among themselves as far as its order allows, but
    none may leave its stretch.
    """
    ids = [event.id for event in expected]
    if list(got) == ids:
        return None
    if sorted(got) != sorted(ids):
        return difference(ids, list(got))
    place = {event.id: index for index, event in enumerate(expected)}
    received = [place[log_id] for log_id in got]
    highest = received[0]
    for now in received[1:]:
        if _rank(expected[now], now) < _rank(expected[highest], highest):
            return f"out of order: {expected[now].id} came after {expected[highest].id}; " + difference(ids, list(got))
        if _rank(expected[now], now) > _rank(expected[highest], highest):
            highest = now
    wrong = _against_both_orders(expected, received)
    if wrong is not None:
        first, second = wrong
        return (f"out of order: {first.id} came before {second.id}, which was committed earlier and has the lower id; "
                + difference(ids, list(got)))
    return None


def _rank(event: Event, place: int) -> tuple[int, int]:
    return (event.stretch, place if event.order is Order.COMMIT else 0)


def _against_both_orders(expected: Sequence[Event], received: Sequence[int]) -> tuple[Event, Event] | None:
    """A pair of a stretch in order of ids that came in neither order: later commit and higher id first.

    Walks what was received, and keeps for the commits already seen, by their place, the greatest id from each place to the
    end: a Fenwick tree, so that a stretch of thousands stays cheap.
    """
    size = len(expected)
    tree = [-1] * (size + 1)                # places, of the greatest id among those that the node covers

    def greater(a: int, b: int) -> int:
        return a if b < 0 or (a >= 0 and expected[a].id > expected[b].id) else b

    for place in received:
        event = expected[place]
        if event.order is not Order.IDS:
            continue
        found, node = -1, size - 1 - place  # every place above this one
        while node > 0:
            found = greater(found, tree[node])
            node -= node & -node
        if found >= 0 and expected[found].stretch == event.stretch and expected[found].id > event.id:
            return expected[found], event
        node = size - place
        while node <= size:
            tree[node] = greater(tree[node], place)
            node += node & -node
    return None
