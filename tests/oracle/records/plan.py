"""What happens in a round of `records`: drawn from the seed alone, so that a round can be had again. Pure."""

import random
from dataclasses import dataclass

from oracle.plan import FAULTS as EVENTS_FAULTS
from oracle.plan import GROUPS as EVENTS_GROUPS
from oracle.plan import Fault
from oracle.records.pools import HOT

#: What may be broken: as in `events`; commits that hang because no standby confirms them; the relay's clock jumps.
FAULTS = (*EVENTS_FAULTS, "sync-stall", "clock-step")
GROUPS = {**EVENTS_GROUPS, "sync-stall": "postgres"}

#: How often each change is drawn, in relation to the others.
TARGETED = {"update": 60, "insert": 12, "delete": 9, "touch": 6, "move": 6}
KINDS = {**TARGETED, "log": 8, "grant": 6, "revoke": 5, "rebuild": 1}

SYNCHRONOUS = ("off", "local", "on", "remote_apply")


@dataclass(frozen=True)
class Change:
    """To the hot record `target`: insert, update, delete, touch (an update that changes no value), move (to another owner).

    Without a target: fill (an update of the first so many fillers), log (rows of `logs`), grant, revoke, rebuild (a user's
    permissions go and come back).
    """

    kind: str
    target: int | None
    rows: int
    large: bool             # a value of 10 kB and more, that is stored out of line
    seed: int               # of the values


@dataclass(frozen=True)
class Step:
    """Some changes; what is not kept is rolled back to a savepoint."""

    changes: tuple[Change, ...]
    kept: bool


@dataclass(frozen=True)
class Transaction:
    steps: tuple[Step, ...]
    end: str                # commit, rollback, prepare (then commit prepared), prepare-rollback
    synchronous: str
    pause: float            # seconds that it stays open after each step
    wait: float             # seconds before it, and before the second phase


@dataclass(frozen=True)
class Round:
    number: int
    faults: tuple[Fault, ...]
    writers: tuple[tuple[Transaction, ...], ...]
    settings: tuple[tuple[str, object], ...]    # of the relay, from its next start on


def plan_round(seed: int, number: int, kinds: tuple[str, ...], often: float) -> Round:
    """`often` is the share of rounds with a fault."""
    chance = random.Random(f"records/{seed}/{number}")
    faults = _faults(chance, kinds) if kinds and chance.random() < often else ()
    writers = tuple(tuple(_transaction(chance) for _ in range(chance.randint(4, 12))) for _ in range(4))
    settings = (("FeedBytes", chance.choice(["1MiB", "16MiB", "128MiB"])), ("OutboxBytes", chance.choice(["8KiB", "256KiB"])),
                ("Shards", chance.choice([1, 2])), ("StreamTransactions", chance.choice([True, False])),
                ("RetentionAge", chance.choice(["0s", "1s", "60s", "60s"])), ("API.SendTimeout", chance.choice(["1s", "60s"])))
    return Round(number, faults, writers, settings)


def _faults(chance: random.Random, kinds: tuple[str, ...]) -> tuple[Fault, ...]:
    chosen: list[Fault] = []
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        kind = chance.choice(kinds)
        group = GROUPS.get(kind, kind)
        if all(GROUPS.get(other.kind, other.kind) != group for other in chosen):
            chosen.append(Fault(kind, round(chance.uniform(0, 0.5), 3),
                                round(chance.choice([0.0, 0.1, 0.3, 0.6]) * chance.random(), 3), round(chance.random(), 3)))
    return tuple(sorted(chosen, key=lambda fault: fault.at))


def _transaction(chance: random.Random) -> Transaction:
    end = chance.choices(["commit", "rollback", "prepare", "prepare-rollback"], [80, 8, 8, 4])[0]
    steps = [_step(chance, True)]
    while len(steps) < 5 and chance.random() < 0.35:
        steps.append(_step(chance, chance.random() < 0.7))
    return Transaction(tuple(steps), end, chance.choices(SYNCHRONOUS, [4, 2, 3, 1])[0],
                       pause=round(chance.choice([0, 0, 0, 0.01, 0.05]) * chance.random(), 4), wait=round(0.08 * chance.random(), 4))


def _step(chance: random.Random, kept: bool) -> Step:
    if chance.random() < 0.04:
        rows = chance.choices([chance.randint(2, 60), chance.randint(60, 600), chance.randint(600, 5000)], [70, 24, 6])[0]
        return Step((Change("fill", None, rows, False, chance.getrandbits(32)),), kept)
    return Step(tuple(_change(chance) for _ in range(chance.choices([1, 2, 4, 9], [55, 25, 15, 5])[0])), kept)


def _change(chance: random.Random) -> Change:
    kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
    target = chance.randrange(HOT) if kind in TARGETED else None
    rows = chance.choice([1, 1, 1, 2, 20]) if kind == "log" else 1
    return Change(kind, target, rows, chance.random() < 0.15, chance.getrandbits(32))
