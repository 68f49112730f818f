"""The world as it begins, and what is mended between rounds so that it neither empties nor fills up."""

import random

import psycopg

from oracle.grants.changes import columns_for, make
from oracle.grants.pools import ALL_USERS, ANONYMOUS_GROUP, ANONYMOUS_USER, KEEP_SERVICE, Pools
from support.arvados import CLUSTER, SYSTEM_USER

FIRST_USER_ID = 100         # of pools.users[0]; the others follow


def populate(connection: psycopg.Connection, pools: Pools, chance: random.Random) -> None:
    """Two thirds of all objects, all containers, and the fixed ones."""
    users = [(99, SYSTEM_USER, True, True), (98, ANONYMOUS_USER, False, False),
             *((FIRST_USER_ID + number, uuid, number % 7 != 5, number == 3) for number, uuid in enumerate(pools.users))]
    with connection.transaction():
        for number, uuid, active, admin in users:
            connection.execute("insert into users (id, uuid, owner_uuid, is_active, is_admin, created_at, updated_at)"
                               " values (%s, %s, %s, %s, %s, now(), now())", (number, uuid, SYSTEM_USER, active, admin))
        connection.execute("insert into keep_services (uuid, owner_uuid, created_at, updated_at, read_only)"
                           " values (%s, %s, now(), now(), false)", (KEEP_SERVICE, SYSTEM_USER))
        for uuid in (ALL_USERS, ANONYMOUS_GROUP):
            connection.execute("insert into groups (uuid, owner_uuid, name, group_class, created_at, updated_at)"
                               " values (%s, %s, 'fixed', 'role', now(), now())", (uuid, SYSTEM_USER))
        members = [*((user, ALL_USERS) for user in pools.users), (ALL_USERS, ANONYMOUS_GROUP),
                   (ANONYMOUS_USER, ANONYMOUS_GROUP)]
        for number, (tail, head) in enumerate(members):
            connection.execute("insert into links (uuid, owner_uuid, tail_uuid, head_uuid, link_class, name, created_at, updated_at)"
                               " values (%s, %s, %s, %s, 'permission', 'can_read', now(), now())",
                               (f"{CLUSTER}-o0j2j-member{number:09d}", SYSTEM_USER, tail, head))
        for uuid in [*pools.projects, *pools.roles, *pools.owned, *pools.versions, *pools.containers, *pools.links, *pools.stars,
                     *pools.tokens]:
            if chance.random() < 0.67 or uuid in pools.containers:
                change = make(uuid, columns_for(chance, pools, uuid))
                connection.execute(change.statement.encode(), change.arguments)
        connection.execute("select oracle.upkeep(true)")
        connection.execute("select oracle.judge()")


def mend(connection: psycopg.Connection) -> None:
    """Who was merged is a user again; the trash is emptied in part, and time bombs of earlier rounds are gone. Without events."""
    with connection.transaction():
        connection.execute("update users set redirect_to_user_uuid = null where redirect_to_user_uuid is not null")
        connection.execute("update groups set trash_at = null, is_trashed = false where trash_at is not null and random() < 0.1")
        connection.execute("select oracle.upkeep(false)")
        connection.execute("select oracle.judge()")
