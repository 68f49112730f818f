"""Rounds find whatever a relay may do wrong with records, and nothing wrong with one that knows the answers."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.driver import Violation
from oracle.records.plan import plan_round
from oracle.records.report import Report
from oracle.records.rounds import Rounds
from oracle.records.stand_in import StandIn
from oracle.records.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("records"), 1, stand_in=True)
    yield world
    world.close()


@pytest.fixture(scope="module")
def rounds(world: World) -> Rounds:
    rounds = Rounds(world, Report())
    rounds.begin()
    return rounds


@pytest.mark.timeout(400)
def test_the_right_answers_pass(world: World, rounds: Rounds) -> None:
    for number in range(1, 7):
        rounds.play(plan_round(1, number, ("relay-kill", "relay-term", "client-cut", "sync-stall"), 0.6))


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("wrong", "says"), StandIn.WRONGS.items(), ids=StandIn.WRONGS)
def test_a_wrong_answer_is_found(world: World, rounds: Rounds, wrong: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.records.rounds.PATIENCE", 12.0)
    assert isinstance(world.relay, StandIn)
    world.relay.wrong = wrong
    try:
        for number in range(1, 30):
            rounds.play(plan_round(2, number, (), 0))
    except Violation as violation:
        assert re.search(says, str(violation)), violation
    else:
        pytest.fail(f"29 rounds found nothing wrong with a relay that does this: {wrong}")
    finally:
        world.relay.wrong = ""
        rounds.resume()
