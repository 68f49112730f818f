"""What happens in a round of `grants`: drawn from the seed alone, so that a round can be had again. Pure."""

import random
from dataclasses import dataclass

from oracle.grants.changes import Change, draw
from oracle.grants.pools import Pools
from oracle.plan import Fault

#: What may be broken, of the kinds of `oracle.plan`; the relay stays away until the writers are done.
FAULTS = ("relay-kill", "relay-term", "relay-stop", "terminate-walsender", "terminate-queries",
          "db-stop", "db-drop", "db-delay", "db-throttle", "db-cut", "db-refuse")
SLOT_ONLY = ("terminate-walsender",)


@dataclass(frozen=True)
class Step:
    """Some changes; what is not kept is rolled back to a savepoint."""

    changes: tuple[Change, ...]
    kept: bool
    upkeep: bool            # the permission tables follow at once, not just at the end
    full: bool              # ... and are made anew for that


@dataclass(frozen=True)
class Transaction:
    steps: tuple[Step, ...]
    end: str                # commit, rollback, prepare (then commit prepared), prepare-rollback
    pause: float            # seconds that it stays open after each step
    wait: float             # seconds before it, and before the second phase


@dataclass(frozen=True)
class Round:
    number: int
    fault: Fault | None
    writers: tuple[tuple[Transaction, ...], ...]
    settings: tuple[tuple[str, object], ...]    # of the relay, from its next start on


def plan_round(seed: int, number: int, pools: Pools, faults: tuple[str, ...], often: float, source: str,
               without: tuple[str, ...] = ()) -> Round:
    """`often` is the share of rounds with a fault; `without` names changes that are not made."""
    chance = random.Random(f"grants/{seed}/{number}/{source}")
    fault = None
    if faults and chance.random() < often:
        fault = Fault(chance.choice(faults), round(chance.uniform(0, 0.4), 3), round(0.3 * chance.random(), 3),
                      round(chance.random(), 3))
    writers = tuple(tuple(_transaction(chance, pools, source, without) for _ in range(chance.randint(5, 13))) for _ in range(4))
    settings = (("FeedBytes", chance.choice(["1MiB", "16MiB"])), ("OutboxBytes", chance.choice(["8KiB", "256KiB"])),
                ("Shards", chance.choice([1, 2])), ("StreamTransactions", chance.choice([True, False])))
    return Round(number, fault, writers, settings)


def _transaction(chance: random.Random, pools: Pools, source: str, without: tuple[str, ...]) -> Transaction:
    end = chance.choices(["commit", "rollback", "prepare", "prepare-rollback"], [86, 6, 6, 2])[0]
    if source == "listener" and end.startswith("prepare"):
        end = "commit"      # PostgreSQL refuses to prepare a transaction that notifies
    steps = [_step(chance, pools, without)]
    while len(steps) < 5 and chance.random() < 0.35:
        steps.append(_step(chance, pools, without))
    return Transaction(tuple(steps), end, pause=round(chance.choice([0, 0, 0, 0.01, 0.05]) * chance.random(), 4),
                       wait=round(0.05 * chance.random(), 4))


def _step(chance: random.Random, pools: Pools, without: tuple[str, ...]) -> Step:
    changes = tuple(draw(chance, pools, without) for _ in range(chance.choices([1, 2, 3, 8], [55, 25, 15, 5])[0]))
    return Step(changes, chance.random() < 0.92, chance.random() < 0.6, chance.random() < 0.06)
