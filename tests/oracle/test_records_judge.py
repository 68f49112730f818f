"""The judge of records finds every kind of fault in what a subscription was told."""

from typing import Any

import pytest

from oracle.records.history import Entry, Story
from oracle.records.judge import Course, Wrong
from oracle.records.tape import Fact
from support.resume_token import Place

END = 0xFFFFFFFF
AT = "2026-01-02T03:04:05Z"


def story(*entries: tuple[int, str, dict[str, Any] | None]) -> Story:
    made = Story()
    before: dict[str, Any] = {}
    for commit, kind, row in entries:
        changed = frozenset(name for name in row or {} if before.get(name, ...) != (row or {})[name])
        made.entries.append(Entry(commit, 1767323045.0, kind, row, changed, frozenset()))
        before = row or {}
    return made


def row(name: str, size: int = 0) -> dict[str, Any]:
    return {"name": name, "size": size}


STORY = story((10, "insert", row("a")), (20, "update", row("b")), (30, "update", row("c")), (30, "update", row("c", 1)),
              (30, "update", row("d", 1)), (40, "delete", None), (50, "insert", row("e")))
SUBSCRIBE = Fact("subscribe")


def snapshot(commit: int, record: dict[str, Any] | None) -> Fact:
    return Fact("snapshot", Place(commit, END), record=record)


def live(commit: int) -> Fact:
    return Fact("live", Place(commit, END))


def change(commit: int, index: int, record: dict[str, Any] | None, kind: str = "update") -> Fact:
    return Fact("change", Place(commit, index), record=record, known=True, kind=kind, at=AT)


C, D = [change(30, 0, row("c")), change(30, 1, row("c", 1))], change(30, 2, row("d", 1))
GONE, BACK = change(40, 0, None, "delete"), change(50, 0, row("e"), "insert")


def walk(facts: list[Fact], of: Story = STORY, **course: Any) -> Course:
    walker = Course("u", **course)
    for fact in facts:
        walker.take(of, fact)
    walker.finish(of)
    return walker


def after(count: int, commit: int, index: int = END) -> Fact:
    return Fact("subscribe", after=Fact("change", Place(commit, index), count=count))


@pytest.mark.parametrize("told", [
    [SUBSCRIBE, snapshot(10, row("a")), live(10), change(20, 0, row("b")), *C, D, GONE, BACK],
    [SUBSCRIBE, snapshot(25, row("b")), live(25), *C, D, Fact("ping", Place(35, END)), GONE, BACK],
    [SUBSCRIBE, snapshot(99, row("e")), live(99)],
    [after(2, 20), *C, D, live(30), GONE, BACK],
    [after(3, 30, 0), C[1], D, GONE, BACK, live(50)],
    [after(7, 50), live(60)],
    [after(0, 5), Fact("reset", kind="expired"), snapshot(50, row("e")), live(50)],
    [SUBSCRIBE, snapshot(10, row("a")), live(10), Fact("reset", kind="lagging"), snapshot(50, row("e")), live(50)],
])
def test_what_happened_passes(told: list[Fact]) -> None:
    walk(told)


@pytest.mark.parametrize(("told", "says"), [
    ([SUBSCRIBE, snapshot(20, row("a")), live(20)], "STATE"),
    ([SUBSCRIBE, snapshot(30, row("c", 1)), live(30)], "STATE"),
    ([SUBSCRIBE, snapshot(45, row("d", 1)), live(45)], "STATE"),
    ([SUBSCRIBE, snapshot(50, {"name": "e"}), live(50)], "STATE"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), C[0], D], "MISSING"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), *C, D, BACK], "MISSING"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), *C, D, GONE], "MISSING"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(30)], "MISSING"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), Fact("ping", Place(30, END))], "MISSING"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), C[1], C[0], D], "MISSING|WRONG|STATE"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), C[0], C[0]], "REPEATED"),
    ([SUBSCRIBE, snapshot(30, row("d", 1)), live(30), D], "REPEATED"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), change(25, 0, row("c"))], "UNKNOWN"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), change(30, 0, row("x"))], "STATE"),
    ([SUBSCRIBE, snapshot(20, row("b")), live(20), change(30, 0, row("c"), "insert")], "WRONG"),
    ([SUBSCRIBE, live(20)], "without a state"),
    ([after(3, 30, 0), D], "MISSING"), ([after(3, 30, 0), C[0]], "REPEATED"), ([after(3, 30, 0), live(30)], "MISSING"),
    ([after(3, 30, 0), snapshot(50, row("e"))], "after a token that was good"),
    ([after(2, 20), Fact("reset", kind="epoch")], "RESET"), ([after(2, 20), Fact("reset", kind="schema")], "RESET"),
    ([Fact("subscribe", after=Fact("live", Place(50, END), count=7), foreign="epoch"), live(50)], "RESUMED"),
    ([Fact("subscribe"), Fact("error", kind="not_found")], "no state"),
])
def test_faults_are_found(told: list[Fact], says: str) -> None:
    with pytest.raises(Wrong, match=says):
        walk(told)


def test_when_it_was_committed_and_what_changed() -> None:
    begin = [SUBSCRIBE, snapshot(20, row("b")), live(20)]
    late = Fact("change", Place(30, 0), record=row("c"), known=True, kind="update", at="2026-01-02T03:04:05.1Z")
    with pytest.raises(Wrong, match="said to have been at"):
        walk([*begin, late])
    silent = Fact("change", Place(30, 0), record=row("c"), known=True, kind="update", at=AT, changed=frozenset())
    with pytest.raises(Wrong, match="have changed"):
        walk([*begin, silent])


def test_what_a_selection_need_not_be_told() -> None:
    """Updates of other columns; but none of those that were selected."""
    begin = [SUBSCRIBE, snapshot(20, {"size": 0}), live(20)]
    end = [GONE, change(50, 0, {"size": 0}, "insert")]
    walk([*begin, change(30, 1, {"size": 1}), live(30), *end], select=("size",))
    walk([*begin, change(30, 0, {"size": 0}), change(30, 1, {"size": 1}), change(30, 2, {"size": 1}), *end], select=("size",))
    with pytest.raises(Wrong, match="MISSING"):
        walk([*begin, *end], select=("size",))


def test_what_the_latest_state_may_leave_out() -> None:
    begin = [SUBSCRIBE, snapshot(10, row("a")), live(10)]
    walk([*begin, change(30, END, row("d", 1)), GONE, BACK], latest=True)
    with pytest.raises(Wrong):
        walk([*begin, change(30, END, row("c", 1)), GONE, BACK], latest=True)
    with pytest.raises(Wrong):
        walk([*begin, change(30, END, row("d", 1)), GONE, BACK])


def test_not_found_must_have_been_so_in_this_round() -> None:
    there = story((10, "insert", row("a")), (20, "update", row("b")))
    course = Course("u")
    course.take(there, SUBSCRIBE)
    with pytest.raises(Wrong, match="NOT FOUND"):
        course.take(there, Fact("error", kind="not_found"), begin=15)
    course.take(STORY, Fact("error", kind="not_found"), begin=30)


def test_an_epoch_needs_a_slot_that_was_dropped() -> None:
    course = Course("u")
    course.take(STORY, Fact("subscribe", after=Fact("live", Place(20, END), count=2, round=4), round=6))
    course.take(STORY, Fact("reset", kind="epoch", round=6), dropped=5)


def test_what_is_forgotten_is_still_counted() -> None:
    short = story(*((entry.commit, entry.kind, entry.row) for entry in STORY.entries))
    short.forget(30)
    assert (short.forgotten, len(short), short.count(30), short.row(2)) == (2, 7, 5, row("b"))
    course = Course("u")
    for fact in [after(2, 20), *C, D, GONE, BACK]:
        course.take(short, fact)
    course.finish(short)
