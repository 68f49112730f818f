"""Rounds find whatever a relay may do wrong, and nothing wrong with one that knows the answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.grants.plan import plan_round
from oracle.grants.report import Report
from oracle.driver import Violation
from oracle.grants.rounds import Rounds
from oracle.grants.stand_in import StandIn
from oracle.grants.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("grants"), "slot", 1, 12, stand_in=True)
    yield world
    world.close()


@pytest.fixture(scope="module")
def rounds(world: World) -> Rounds:
    rounds = Rounds(world, Report())
    rounds.begin()
    return rounds


@pytest.mark.timeout(400)
def test_the_right_answers_pass(world: World, rounds: Rounds) -> None:
    for number in range(1, 9):
        rounds.play(plan_round(1, number, world.pools, ("relay-kill", "relay-term"), 0.4, "slot"))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("wrong", "says"), [
    ("leak", "LEAK"), ("lose", "MISSING"), ("repeat", "twice"), ("swap", "committed later"), ("late-revocation", "LEAK"),
    ("late-grant", "MISSING"), ("undead", "LEAK")])
def test_a_wrong_answer_is_found(world: World, rounds: Rounds, wrong: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.grants.rounds.PATIENCE", 6.0)
    assert isinstance(world.relay, StandIn)
    world.relay.wrong = wrong
    try:
        for number in range(1, 30):
            rounds.play(plan_round(2, number, world.pools, (), 0, "slot"))
    except Violation as violation:
        assert says in str(violation)
    else:
        pytest.fail(f"29 rounds found nothing wrong with a relay that does this: {wrong}")
    finally:
        world.relay.wrong = ""
        rounds.resume()
