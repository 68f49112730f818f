"""What happens in a round: drawn from the seed alone, so that a round can be had again. Pure."""

import random
from dataclasses import dataclass

SIDES = ("db", "client")
PROXY_FAULTS = ("stop", "swallow", "drop", "delay", "throttle", "half-close", "cut", "refuse")
RELAY_FAULTS = ("relay-kill", "relay-term", "relay-stop")
POSTGRES_FAULTS = ("pg-kill", "pg-fast", "pg-immediate")
SLOT_FAULTS = ("terminate-walsender", "slot-drop")
#: All, in the order of the table at the end.
FAULTS = (*(f"{side}-{fault}" for side in SIDES for fault in PROXY_FAULTS), *RELAY_FAULTS, *POSTGRES_FAULTS,
          "terminate-queries", *SLOT_FAULTS)

#: Faults of one group do not overlap: they are about the same process or the same slot.
GROUPS = {**dict.fromkeys(RELAY_FAULTS, "relay"), **dict.fromkeys(POSTGRES_FAULTS, "postgres"),
          **dict.fromkeys(SLOT_FAULTS, "slot")}


@dataclass(frozen=True)
class Fault:
    kind: str
    at: float               # seconds after the round began
    lasts: float
    amount: float           # between 0 and 1: how bad it is


@dataclass(frozen=True)
class Piece:
    """A transaction: pieces of it are (rows, kept); what is not kept is rolled back to a savepoint."""

    rows: tuple[tuple[int, bool], ...]
    end: str                # commit, rollback, prepare (then commit prepared), prepare-rollback
    pause: float            # seconds that it stays open after each part
    wait: float             # seconds before it, and before the second phase
    choice: int             # of event type and object
    notify: bool
    padding: int


@dataclass(frozen=True)
class Round:
    number: int
    faults: tuple[Fault, ...]
    writers: tuple[tuple[Piece, ...], ...]
    settings: tuple[tuple[str, object], ...]    # of the relay, from its next start on


def plan_round(seed: int, number: int, kinds: tuple[str, ...], source: str) -> Round:
    chance = random.Random(f"{seed}/{number}/{source}")
    faults = _faults(chance, kinds)
    writers = tuple(tuple(_piece(chance, source) for _ in range(chance.randint(2, 9))) for _ in range(4))
    settings = (("FeedBytes", chance.choice(["1MiB", "16MiB", "128MiB"])),
                ("OutboxBytes", chance.choice(["8KiB", "256KiB"])),
                ("Shards", chance.choice([1, 2])),
                ("StreamTransactions", chance.choice([True, False])))
    return Round(number, faults, writers, settings)


def _faults(chance: random.Random, kinds: tuple[str, ...]) -> tuple[Fault, ...]:
    chosen: list[Fault] = []
    if not kinds:
        return ()
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3])):
        kind = chance.choice(kinds)
        group = GROUPS.get(kind, kind)
        if any(GROUPS.get(other.kind, other.kind) == group for other in chosen):
            continue
        chosen.append(Fault(kind, round(chance.uniform(0, 0.5), 3), round(chance.choice([0.0, 0.1, 0.3, 0.6]) * chance.random(), 3),
                            round(chance.random(), 3)))
    return tuple(sorted(chosen, key=lambda fault: fault.at))


def _rows(chance: random.Random) -> int:
    """Mostly few, seldom thousands."""
    least, most = chance.choices([(1, 5), (5, 60), (60, 600), (600, 5000)], [70, 22, 7, 0.7])[0]
    return chance.randint(least, most)


def _piece(chance: random.Random, source: str) -> Piece:
    end = chance.choices(["commit", "rollback", "prepare", "prepare-rollback"], [75, 9, 11, 5])[0]
    if source == "listener" and end.startswith("prepare"):
        end = "commit"      # PostgreSQL refuses to prepare a transaction that notifies
    rows = [(_rows(chance), True)]
    while len(rows) < 5 and chance.random() < 0.3:
        rows.append((_rows(chance), chance.random() < 0.5))
    return Piece(tuple(rows), end, pause=round(chance.choice([0, 0, 0.01, 0.1]) * chance.random(), 4),
                 wait=round(0.12 * chance.random(), 4), choice=chance.randrange(12),
                 notify=source == "listener" or (not end.startswith("prepare") and chance.random() < 0.5),
                 padding=chance.choice([0, 0, 10, 3000 if sum(count for count, _ in rows) < 600 else 0]))
