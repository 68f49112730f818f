"""Plans can be had again, and hold every kind of fault and of transaction."""

from oracle.faults import ACTS
from oracle.plan import FAULTS, GROUPS, plan_round


def test_the_same_seed_gives_the_same_round() -> None:
    assert plan_round(3, 17, FAULTS, "slot") == plan_round(3, 17, FAULTS, "slot")
    assert plan_round(3, 17, FAULTS, "slot") != plan_round(3, 18, FAULTS, "slot")
    assert plan_round(3, 17, FAULTS, "slot") != plan_round(4, 17, FAULTS, "slot")


def test_every_fault_can_be_done_and_comes_up() -> None:
    assert set(ACTS) == set(FAULTS)
    rounds = [plan_round(1, number, FAULTS, "slot") for number in range(500)]
    assert {fault.kind for one in rounds for fault in one.faults} == set(FAULTS)
    for one in rounds:
        groups = [GROUPS.get(fault.kind, fault.kind) for fault in one.faults]
        assert len(groups) == len(set(groups))


def test_every_kind_of_transaction_comes_up() -> None:
    pieces = [piece for number in range(500) for writer in plan_round(1, number, (), "slot").writers for piece in writer]
    assert {piece.end for piece in pieces} == {"commit", "rollback", "prepare", "prepare-rollback"}
    assert any(not kept for piece in pieces for _, kept in piece.rows)
    sizes = [rows for piece in pieces for rows, _ in piece.rows]
    assert min(sizes) == 1
    assert 4000 < max(sizes) <= 5000


def test_who_notifies_does_not_prepare() -> None:
    for number in range(200):
        for source in ("slot", "listener"):
            for piece in (piece for writer in plan_round(1, number, (), source).writers for piece in writer):
                assert not (piece.notify and piece.end.startswith("prepare"))
                assert piece.notify or source == "slot"
