"""The judge finds every kind of fault, and lets through what nobody can know better."""

import random

import pytest

from oracle.judge import Event, Order, judge


def events(*ids: int, order: Order = Order.COMMIT, stretch: int = 0) -> list[Event]:
    return [Event(number, "update", "zzzzz-4zz18-aaaaaaaaaaaaaaa", order, stretch) for number in ids]


COMMITTED = events(5, 3, 9, 4, 8, 7)
GAP = events(1, 2) + events(6, 4, 5, 3, order=Order.ANY, stretch=1) + events(8, 7, stretch=2)
AWAY = events(1, 2) + events(6, 4, 5, 3, order=Order.IDS, stretch=1) + events(8, 7, stretch=2)


def test_what_was_committed_passes() -> None:
    assert judge(COMMITTED, [5, 3, 9, 4, 8, 7]) is None
    assert judge([], []) is None


@pytest.mark.parametrize(("got", "says"), [
    ([5, 3, 9, 8, 7], "lost 1 [4]"),
    ([3, 9, 4, 8, 7], "lost 1 [5]"),
    ([5, 3, 9, 4, 8], "lost 1 [7]"),
    ([], "lost 6"),
    ([5, 3, 9, 4, 4, 8, 7], "repeated 1 [4]"),
    ([5, 3, 9, 4, 8, 7, 5], "repeated 1 [5]"),
    ([5, 3, 9, 4, 10, 8, 7], "unexpected 1 [10]"),
    ([3, 5, 9, 4, 8, 7], "3"),
    ([5, 3, 4, 9, 8, 7], "out of order: 9 came after 4"),
    ([3, 4, 5, 7, 8, 9], "out of order"),
    ([5, 3, 9, 4, 7, 8], "out of order: 8 came after 7"),
])
def test_faults_are_found(got: list[int], says: str) -> None:
    problem = judge(COMMITTED, got)
    assert problem is not None
    assert says in problem


def test_any_change_is_found() -> None:
    """Whatever event is left out, repeated or swapped with any other one, in a list of many."""
    chance = random.Random(1)
    ids = chance.sample(range(10_000), 300)
    committed = events(*ids)
    for _ in range(300):
        a, b = sorted(chance.sample(range(300), 2))
        assert judge(committed, ids[:a] + ids[a + 1:]) is not None
        assert judge(committed, ids[:b] + [ids[a]] + ids[b:]) is not None
        assert judge(committed, ids[:a] + [ids[b]] + ids[a + 1:b] + [ids[a]] + ids[b + 1:]) is not None


def test_without_a_slot_any_order_within_the_gap() -> None:
    for between in ([6, 4, 5, 3], [3, 4, 5, 6], [5, 6, 3, 4]):
        assert judge(GAP, [1, 2, *between, 8, 7]) is None


@pytest.mark.parametrize("got", [
    [1, 6, 2, 4, 5, 3, 8, 7],       # one of the gap before what was committed before it
    [1, 2, 6, 4, 5, 8, 3, 7],       # one of the gap after what was committed after it
    [1, 2, 6, 4, 5, 3, 7, 8],       # the order after the gap
    [2, 1, 6, 4, 5, 3, 8, 7],       # the order before it
    [1, 2, 6, 4, 5, 8, 7],          # one of the gap is missing
    [1, 2, 6, 4, 4, 5, 3, 8, 7],    # or comes twice
])
def test_the_gap_excuses_nothing_else(got: list[int]) -> None:
    assert judge(GAP, got) is not None


@pytest.mark.parametrize("between", [
    [6, 4, 5, 3],                   # heard of, one by one
    [3, 4, 5, 6],                   # found in the table
    [6, 3, 4, 5],                   # heard of one, and found the others
    [4, 6, 5, 3],                   # found two, heard of the others
])
def test_a_listener_that_was_away(between: list[int]) -> None:
    assert judge(AWAY, [1, 2, *between, 8, 7]) is None


@pytest.mark.parametrize("got", [
    [1, 2, 6, 5, 4, 3, 8, 7],       # 5 before 4: 4 was committed earlier, and has the lower id
    [1, 2, 3, 6, 5, 4, 8, 7],
    [1, 2, 3, 4, 5, 8, 6, 7],
    [1, 2, 3, 4, 5, 8, 7],
])
def test_a_listener_that_was_away_is_held_to_one_of_both_orders(got: list[int]) -> None:
    assert judge(AWAY, got) is not None
