"""Rounds of `grants` can be had again, and hold every kind of change, fault and transaction."""

import random

from oracle.grants.changes import WEIGHTS
from oracle.grants.plan import FAULTS, plan_round
from oracle.grants.pools import Pools

POOLS = Pools.of(12)


def test_the_same_seed_gives_the_same_round() -> None:
    assert plan_round(3, 17, POOLS, FAULTS, 0.5, "slot") == plan_round(3, 17, POOLS, FAULTS, 0.5, "slot")
    assert plan_round(3, 17, POOLS, FAULTS, 0.5, "slot") != plan_round(3, 18, POOLS, FAULTS, 0.5, "slot")
    assert plan_round(3, 17, POOLS, FAULTS, 0.5, "slot") != plan_round(4, 17, POOLS, FAULTS, 0.5, "slot")


def test_everything_comes_up() -> None:
    rounds = [plan_round(1, number, POOLS, FAULTS, 0.3, "slot") for number in range(300)]
    assert {one.fault.kind for one in rounds if one.fault} == set(FAULTS)
    transactions = [transaction for one in rounds for writer in one.writers for transaction in writer]
    assert {transaction.end for transaction in transactions} == {"commit", "rollback", "prepare", "prepare-rollback"}
    steps = [step for transaction in transactions for step in transaction.steps]
    assert any(not step.kept for step in steps)
    assert any(step.upkeep and step.full for step in steps)
    assert any(step.upkeep and not step.full for step in steps)
    whats = {change.what.split()[0] for step in steps for change in step.changes}
    assert {"touch", "move", "create", "delete", "trash", "untrash", "freeze", "unfreeze", "activate", "promote", "redirect", "run",
            "assign", "link", "expire", "post", "merge", "relevel", "drop", "sync"} <= whats


def test_every_draw_is_a_statement_with_its_arguments() -> None:
    chance = random.Random(1)
    for draw in WEIGHTS:
        for _ in range(50):
            change = draw(chance, POOLS)
            assert change.statement.count("%s") == len(change.arguments)


def test_projects_lie_in_no_circle() -> None:
    chance = random.Random(1)
    for draw in WEIGHTS:
        for _ in range(200):
            change = draw(chance, POOLS)
            uuid = str(change.arguments[1]) if change.what.startswith("move zzzzz-j7d0g-proj") else ""
            if uuid:
                owner = next(name for name in [*POOLS.projects, *POOLS.users] if name in change.what.removeprefix(f"move {uuid}"))
                assert owner in POOLS.users or POOLS.projects.index(owner) < POOLS.projects.index(uuid)
