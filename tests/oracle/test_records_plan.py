"""Plans of records can be had again, and hold every kind of fault, transaction and change."""

from oracle.records.faults import ACTS
from oracle.records.plan import FAULTS, GROUPS, KINDS, SYNCHRONOUS, plan_round
from oracle.records.pools import HOT, TABLES
from support.records import classes


def test_the_same_seed_gives_the_same_round() -> None:
    assert plan_round(3, 17, FAULTS, 0.6) == plan_round(3, 17, FAULTS, 0.6)
    assert plan_round(3, 17, FAULTS, 0.6) != plan_round(3, 18, FAULTS, 0.6)
    assert plan_round(3, 17, FAULTS, 0.6) != plan_round(4, 17, FAULTS, 0.6)


def test_every_fault_can_be_done_and_comes_up() -> None:
    assert set(ACTS) == set(FAULTS)
    rounds = [plan_round(1, number, FAULTS, 0.6) for number in range(700)]
    assert {fault.kind for one in rounds for fault in one.faults} == set(FAULTS)
    assert any(not one.faults for one in rounds)
    for one in rounds:
        groups = [GROUPS.get(fault.kind, fault.kind) for fault in one.faults]
        assert len(groups) == len(set(groups))


def test_every_kind_of_transaction_comes_up() -> None:
    transactions = [one for number in range(400) for writer in plan_round(1, number, (), 0).writers for one in writer]
    assert {one.end for one in transactions} == {"commit", "rollback", "prepare", "prepare-rollback"}
    assert {one.synchronous for one in transactions} == set(SYNCHRONOUS)
    steps = [step for one in transactions for step in one.steps]
    assert {step.kept for step in steps} == {True, False}
    changes = [change for step in steps for change in step.changes]
    assert {change.kind for change in changes} == {*KINDS, "fill"}
    assert {change.target for change in changes} == {None, *range(HOT)}
    assert any(change.large for change in changes)
    assert 4000 < max(change.rows for change in changes) <= 5000


def test_nearly_every_class_is_written() -> None:
    """Not `logs`, which `events` is about, nor the tokens."""
    assert {of.table for of in classes().values()} - set(TABLES) == {"logs", "api_client_authorizations"}
