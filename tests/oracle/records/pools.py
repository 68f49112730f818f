"""The records that the oracle writes: some of each class that are always in somebody's view, and many that fill transactions.

And who reads them: users, and the projects that they are granted.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from support.arvados import CLUSTER, SYSTEM_USER
from support.records import classes

Make = Callable[[random.Random], Any]


def _word(chance: random.Random) -> str:
    return chance.choice(["alpha", "beta", "ä\u2028ö", 'q"uo\\te', "", "🦊 fox"]) + str(chance.randrange(1000))


def _nested(chance: random.Random) -> str:
    return json.dumps({"n": chance.randrange(1000), "list": [chance.random(), None, True, {"deep": _word(chance)}], "": "empty"},
                      ensure_ascii=chance.random() < 0.5)


def _large(chance: random.Random) -> str:
    """Does not compress to a size that fits in a row."""
    return chance.randbytes(chance.choice([6_000, 11_000, 20_000])).hex()


def _large_json(chance: random.Random) -> str:
    return json.dumps({"large": _large(chance)})


def _number(chance: random.Random) -> int:
    return chance.randrange(1_000_000)


def _cost(chance: random.Random) -> float:
    return chance.choice([0.0, chance.random() * 10, 1e-7 * chance.random(), 1e15 * chance.random()])


def _boolean(chance: random.Random) -> bool:
    return chance.random() < 0.5


def _list(chance: random.Random) -> str:
    return json.dumps([_word(chance)])


def _time(chance: random.Random) -> str | None:
    fraction = chance.choice(["", ".5", ".000001", ".123456"])
    return chance.choice([None, f"2026-01-{chance.randint(10, 28)} 03:04:05{fraction}"])


#: By the middle part of the uuid: columns of ordinary values, and one of large ones.
COLUMNS: dict[str, tuple[dict[str, Make], tuple[str, Make]]] = {
    "4zz18": ({"name": _word, "properties": _nested, "replication_confirmed": _number, "trash_at": _time,
               "file_size_total": lambda chance: chance.choice([5, 2 ** 53 + 1, 2 ** 40])}, ("description", _large)),
    "dz642": ({"priority": _number, "progress": _cost, "runtime_status": _nested, "log": _word, "started_at": _time,
               "environment": _nested}, ("mounts", _large_json)),
    "xvhdp": ({"name": _word, "priority": _number, "properties": _nested, "use_existing": _boolean, "cumulative_cost": _cost,
               "expires_at": _time}, ("mounts", _large_json)),
    "j7d0g": ({"name": _word, "properties": _nested}, ("description", _large)),
    "7fd4e": ({"name": _word, "description": _word}, ("definition", _large)),
    "o0j2j": ({"name": _word, "properties": _nested}, ("properties", _large_json)),
    "2x53u": ({"hostname": _word}, ("hostname", _word)),
    "fngyi": ({"name": _word, "expires_at": _time}, ("public_key", _large)),
    "bi6l4": ({"service_port": _number, "service_ssl_flag": _boolean}, ("service_host", _word)),
    "tpzed": ({"first_name": _word, "prefs": _nested}, ("prefs", _large_json)),
    "oss07": ({"description": _word, "scopes": _list}, ("description", _large)),
}

EACH = 4
HOT_UUIDS = tuple(f"{CLUSTER}-{infix}-oraclehot{number:06d}" for number in range(EACH) for infix in COLUMNS)
HOT = len(HOT_UUIDS)
FILLERS = 400
FILLER_UUIDS = tuple(f"{CLUSTER}-4zz18-oraclefil{number:06d}" for number in range(FILLERS))
BEACON = f"{CLUSTER}-4zz18-oraclebeacon000"

#: Users who are no administrators and follow records, and what may be granted to them beside hot records and each other.
USERS = tuple(f"{CLUSTER}-tpzed-oracleuser{number:05d}" for number in range(4))
PROJECTS = tuple(f"{CLUSTER}-j7d0g-oracleproj{number:05d}" for number in range(4))
#: Whose the hot records are.
OWNERS = (SYSTEM_USER, *PROJECTS, *PROJECTS, *USERS)
CONTAINERS = tuple(uuid for uuid in HOT_UUIDS if uuid[6:11] == "dz642")

#: All tables with records that the oracle writes.
TABLES = tuple(classes()[infix].table for infix in COLUMNS)

#: Types of the rows of `logs` that it writes; `delete` is decided by the owner that it names.
EVENT_TYPES = ("update", "create", "delete", "oracle")

assert all(len(uuid) == 27 for uuid in (*HOT_UUIDS, *FILLER_UUIDS, *USERS, *PROJECTS, BEACON))


def new_row(uuid: str, chance: random.Random, large: bool) -> dict[str, Any]:
    ordinary, _ = COLUMNS[uuid[6:11]]
    return {**owned(uuid, chance), **{name: make(chance) for name, make in ordinary.items()}, **_large_of(uuid, chance, large)}


def new_values(uuid: str, chance: random.Random, large: bool) -> dict[str, Any]:
    """For an update: one or two columns, seldom the large one."""
    ordinary = COLUMNS[uuid[6:11]][0]
    names = chance.sample(sorted(ordinary), min(len(ordinary), chance.randint(1, 2)))
    return {**{name: ordinary[name](chance) for name in names}, **_large_of(uuid, chance, large)}


def owned(uuid: str, chance: random.Random) -> dict[str, Any]:
    """Whose a hot record is; and of a request, for which container: that decides who may read that."""
    if uuid not in HOT_UUIDS:
        return {}
    container = {"container_uuid": chance.choice([None, *CONTAINERS])} if uuid[6:11] == "xvhdp" else {}
    return {"owner_uuid": chance.choice(OWNERS), **container}


def _large_of(uuid: str, chance: random.Random, large: bool) -> dict[str, Any]:
    name, make = COLUMNS[uuid[6:11]][1]
    return {name: make(chance)} if large else {}
