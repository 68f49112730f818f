"""The judge of `grants` finds what is leaked, missing, repeated and out of order, and lets through what nobody can know."""

import random

import pytest

from oracle.grants.judge import Answer, Stay, judge
from oracle.grants.scopes import allows


def answer(log_id: int, may: bool, must: bool | None = None, replayed: bool | None = None) -> Answer:
    """Of the transaction with place = log_id."""
    later = may if replayed is None else replayed
    return Answer(log_id, log_id, may, may if must is None else must, may or later, may and later)


YES_NO = [answer(1, True), answer(2, False), answer(3, True), answer(4, False), answer(5, True)]


def test_exactly_what_may_be_read_passes() -> None:
    assert judge(YES_NO, [Stay(got=[1, 3, 5])]) == []


@pytest.mark.parametrize(("got", "says"), [
    ([1, 2, 3, 5], "LEAK: was sent 2"),
    ([1, 3, 5, 4], "LEAK: was sent 4"),
    ([1, 5], "MISSING: was not sent 3"),
    ([], "MISSING: was not sent 1"),
    ([1, 3], "MISSING: was not sent 5"),
    ([1, 3, 3, 5], "was sent 3 twice"),
    ([3, 1, 5], "was sent 1 after 3"),
    ([1, 3, 5, 77], "was sent 77, which is no event of this round"),
])
def test_faults_are_found(got: list[int], says: str) -> None:
    assert any(says in problem for problem in judge(YES_NO, [Stay(got=got)]))


def test_a_listener_that_was_away_may_send_the_lower_id_first() -> None:
    """Nothing else changes places; nothing is missing or comes twice for that."""
    answers = [Answer(log_id, place, True, True, True, True) for place, log_id in enumerate([5, 3, 8], 1)]
    assert judge(answers, [Stay(got=[5, 3, 8])], by_id=True) == []
    assert judge(answers, [Stay(got=[3, 5, 8])], by_id=True) == []
    assert judge(answers, [Stay(got=[3, 5, 8])]) == ["was sent 5 after 3, which was committed later"]
    assert judge(answers, [Stay(got=[8, 5, 3])], by_id=True)
    assert judge(answers, [Stay(got=[3, 5])], by_id=True) == ["MISSING: was not sent 8"]
    assert judge(answers, [Stay(got=[3, 3, 5, 8])], by_id=True)


def test_any_planted_fault_is_found() -> None:
    """Whichever event is left out, added or moved, in a list of many."""
    chance = random.Random(1)
    answers = [answer(number, chance.random() < 0.5) for number in range(1, 300)]
    right = [one.id for one in answers if one.may]
    wrong = [one.id for one in answers if not one.may]
    assert judge(answers, [Stay(got=right)]) == []
    for _ in range(300):
        at = chance.randrange(len(right))
        assert judge(answers, [Stay(got=right[:at] + right[at + 1:])])
        assert judge(answers, [Stay(got=sorted([*right, chance.choice(wrong)]))])
        other = chance.randrange(len(right) - 1)
        moved = right[:at] + right[at + 1:]
        moved.insert(other, right[at])
        assert moved == right or judge(answers, [Stay(got=moved)])


def test_an_answer_that_depends_on_time_may_be_either() -> None:
    answers = [answer(1, True), answer(2, True, must=False), answer(3, True)]
    assert judge(answers, [Stay(got=[1, 3])]) == []
    assert judge(answers, [Stay(got=[1, 2, 3])]) == []


def test_what_was_committed_before_the_answer_to_subscribe_may_come() -> None:
    answers = [answer(1, True), answer(2, False), answer(3, True), answer(4, True)]
    assert judge(answers, [Stay(due_from=3, got=[4])]) == []
    assert judge(answers, [Stay(due_from=3, got=[3, 4])]) == []
    assert judge(answers, [Stay(due_from=3, got=[2, 4])])
    assert judge(answers, [Stay(due_from=3, got=[3])])


def test_what_was_on_the_way_when_the_connection_ended_is_not_due() -> None:
    assert judge(YES_NO, [Stay(ended=True, got=[1])]) == []
    assert judge(YES_NO, [Stay(ended=True, got=[3])])
    assert judge(YES_NO, [Stay(ended=True, got=[1, 2])])


def test_a_replay_is_judged_by_what_may_be_read_then() -> None:
    """1 before the gap; 2 revoked since, 3 granted since, 4 both times, 5 neither; 6 is live."""
    answers = [answer(1, True), answer(2, True, replayed=False), answer(3, False, replayed=True), answer(4, True), answer(5, False),
               answer(6, True)]
    resumed = {"due_from": 5, "resumed_after": 1}
    for got in ([4, 6], [2, 4, 6], [3, 4, 6], [2, 3, 4, 6]):
        assert judge(answers, [Stay(got=[1], ended=True), Stay(got=got, **resumed)]) == []
    for got in ([2, 3, 6], [4], [4, 5, 6], [1, 4, 6]):
        assert judge(answers, [Stay(got=got, **resumed)]) or got == [1, 4, 6]
    assert judge(answers, [Stay(got=[3, 4, 6])])


@pytest.mark.parametrize(("scopes", "target", "allowed"), [
    (["all"], None, True),
    (["GET /"], "zzzzz-4zz18-aaaaaaaaaaaaaaa", True),
    (["GET /"], "nonsense", False),
    (["GET /arvados/v1/collections/"], "zzzzz-4zz18-aaaaaaaaaaaaaaa", True),
    (["GET /arvados/v1/collections/"], "d41d8cd98f00b204e9800998ecf8427e+0", True),
    (["GET /arvados/v1/collections/"], "zzzzz-j7d0g-aaaaaaaaaaaaaaa", False),
    (["GET /arvados/v1/collections"], "zzzzz-4zz18-aaaaaaaaaaaaaaa", False),
    (["GET /arvados/v1/collections/zzzzz-4zz18-aaaaaaaaaaaaaaa"], "zzzzz-4zz18-aaaaaaaaaaaaaaa", True),
    (["GET /arvados/v1/collections/zzzzz-4zz18-aaaaaaaaaaaaaaa"], "zzzzz-4zz18-baaaaaaaaaaaaaa", False),
    (["POST /"], "zzzzz-4zz18-aaaaaaaaaaaaaaa", False),
    ([], "zzzzz-4zz18-aaaaaaaaaaaaaaa", False),
])
def test_scopes(scopes: list[str], target: str | None, allowed: bool) -> None:
    assert allows(scopes, target) == allowed
