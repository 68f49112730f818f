"""Changes of who may read what: rows of materialized_permissions, as Arvados' upkeep leaves them."""

import random

import psycopg

from oracle.records.pools import BEACON, HOT_UUIDS, PROJECTS, USERS

LEVELS = (1, 1, 2, 3, 0)    # 0: a link with a name that nobody knows, which grants nothing


def begin(connection: psycopg.Connection, chance: random.Random) -> None:
    """Every user may read what it owns, and the beacon; and some of the rest."""
    for user in USERS:
        _put(connection, user, user, 3, True)
        _put(connection, user, BEACON, 1, False)
        for target in chance.sample(_targets(user), 6):
            _put(connection, user, target, 1, target in PROJECTS)


def grant(connection: psycopg.Connection, _: int, chance: random.Random) -> None:
    user, target = _pair(chance)
    _put(connection, user, target, chance.choice(LEVELS), target[6:11] in ("j7d0g", "tpzed") and chance.random() < 0.9)


def revoke(connection: psycopg.Connection, _: int, chance: random.Random) -> None:
    """Mostly what there is to take."""
    user, target = _pair(chance)
    connection.execute("delete from materialized_permissions where user_uuid = %s and target_uuid = %s", [user, target])


def rebuild(connection: psycopg.Connection, _: int, chance: random.Random) -> None:
    """All of a user's rows go, and are made anew: to a reader nothing has happened."""
    user = chance.choice(USERS)
    rows = connection.execute("delete from materialized_permissions where user_uuid = %s"
                              " returning user_uuid, target_uuid, perm_level, traverse_owned", [user]).fetchall()
    for row in sorted(rows):
        _put(connection, *row)


def _targets(user: str) -> list[str]:
    return [*PROJECTS, *HOT_UUIDS, *(other for other in USERS if other != user)]


def _pair(chance: random.Random) -> tuple[str, str]:
    """A project in every second case, as these decide about many records."""
    user = chance.choice(USERS)
    return user, chance.choice(PROJECTS if chance.random() < 0.5 else _targets(user))


def _put(connection: psycopg.Connection, user: str, target: str, level: int, traverse: bool) -> None:
    connection.execute("insert into materialized_permissions (user_uuid, target_uuid, perm_level, traverse_owned) values (%s, %s, %s, %s)"
                       " on conflict (user_uuid, target_uuid) do update set perm_level = excluded.perm_level,"
                       " traverse_owned = excluded.traverse_owned", [user, target, level, traverse])
