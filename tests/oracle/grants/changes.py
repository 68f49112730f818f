"""What writers do to the world, one statement each, drawn at random. Pure: a change is its statement and arguments.

Most save a record as Arvados does, with its row of `logs` (deploy/demo/functions.sql); some write without one, as Arvados does
when it merges users or sweeps; some only write a row of `logs`, as clients may.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from oracle.grants.pools import ALL_USERS, ANONYMOUS_GROUP, ANONYMOUS_USER, KEEP_SERVICE, Pools, table_of
from support.arvados import CLUSTER, SYSTEM_USER

#: Seconds from now that a trash_at may lie off: clearly past, clearly future, and one that passes during the round.
PAST, SOON, FUTURE = -86_400, 0.4, 86_400

NAMES = ["can_read", "can_read", "can_read", "can_write", "can_manage", "can_manage", "can_login", "can_dance"]


@dataclass(frozen=True)
class Change:
    what: str
    statement: str
    arguments: tuple[object, ...]
    permissions: bool = False       # materialized_permissions, trashed_groups and frozen_groups must follow


def save(what: str, uuid: str, columns: dict[str, object], permissions: bool = False, after: float | None = None) -> Change:
    """An update with its event. `after`: trash_at becomes so many seconds from now."""
    if after is None:
        return Change(f"{what} {uuid} {columns}", "select demo.change(%s::regclass, %s, %s::jsonb)",
                      (table_of(uuid), uuid, json.dumps(columns)), permissions)
    return Change(f"{what} {uuid} in {after:g} s", "select demo.change(%s::regclass, %s, %s::jsonb || jsonb_build_object("
                  "'trash_at', demo.clock() + %s * interval '1 s'))",
                  (table_of(uuid), uuid, json.dumps(columns), after), permissions)


def make(uuid: str, columns: dict[str, object], permissions: bool = False) -> Change:
    """A new record with its event; none if it is there."""
    return Change(f"create {uuid} {columns}", "select demo.create(%s::regclass, %s::jsonb)",
                  (table_of(uuid), json.dumps({"uuid": uuid, **columns})), permissions)


def destroy(uuid: str, permissions: bool = False) -> Change:
    return Change(f"delete {uuid}", "select demo.destroy(%s::regclass, %s)", (table_of(uuid), uuid), permissions)


def post(event_type: str | None, object_uuid: str | None, owner: str | None, count: int = 1, event_at: str | None = "now",
         poster: str = SYSTEM_USER) -> Change:
    """Rows of `logs` that no record stands behind."""
    return Change(f"post {count} {event_type} of {object_uuid} owned by {owner}",
                  "select demo.log(%s, %s, %s, %s, %s::timestamp, 'posted', '{\"text\":\"posted\"}')"
                  " from generate_series(1, %s)", (event_type, object_uuid, owner, poster, event_at, count))


def owner(chance: random.Random, pools: Pools) -> str:
    return chance.choice(pools.projects if chance.random() < 0.7 else pools.users)


def project_owner(chance: random.Random, pools: Pools, uuid: str) -> str:
    """A project lies below a user, or below one with a lower number: never in a circle."""
    lower = pools.projects[:pools.projects.index(uuid)]
    return chance.choice(lower) if lower and chance.random() < 0.65 else chance.choice(pools.users)


def portable_data_hash(number: int) -> str:
    """One of few, so that collections share it."""
    return f"{number:032x}+{57 + number}"


def link_columns(chance: random.Random, pools: Pools) -> dict[str, object]:
    absent = [f"{CLUSTER}-tpzed-absent000000000"]
    tail = chance.choices([pools.users, pools.roles, [ALL_USERS], [ANONYMOUS_GROUP], pools.projects, absent],
                          [58, 26, 4, 4, 6, 2])[0]
    head = chance.choices([pools.projects, pools.roles, pools.users, pools.collections, pools.requests, pools.workflows,
                           pools.filters, pools.machines, pools.credentials, pools.containers, pools.versions, [ALL_USERS]],
                          [38, 17, 11, 10, 8, 4, 4, 3, 2, 2, 2, 1])[0]
    return {"tail_uuid": chance.choice(tail), "head_uuid": chance.choice(head), "name": chance.choice(NAMES),
            "link_class": "permission", "owner_uuid": SYSTEM_USER, "properties": {}}


def columns_for(chance: random.Random, pools: Pools, uuid: str) -> dict[str, object]:
    """Of a new object."""
    kind = uuid[6:11]
    common: dict[str, object] = {"owner_uuid": owner(chance, pools), "name": "made"}
    if uuid in pools.versions:
        current = pools.collections[pools.versions.index(uuid)]
        return {**common, "current_version_uuid": current, "portable_data_hash": portable_data_hash(chance.randrange(6))}
    if kind == "4zz18":
        return {**common, "current_version_uuid": uuid, "portable_data_hash": portable_data_hash(chance.randrange(6))}
    if kind == "j7d0g":
        if uuid in pools.projects:
            return {**common, "owner_uuid": project_owner(chance, pools, uuid), "group_class": "project"}
        if uuid in pools.roles:
            return {**common, "owner_uuid": SYSTEM_USER, "group_class": "role"}
        return {**common, "group_class": "filter"}
    if kind == "o0j2j":
        if uuid in pools.stars:
            return {"owner_uuid": owner(chance, pools), "link_class": "star", "name": "star",
                    "tail_uuid": chance.choice(pools.users), "head_uuid": chance.choice(pools.projects)}
        return link_columns(chance, pools)
    more: dict[str, dict[str, object]] = {
        "xvhdp": {"state": "Committed", "container_uuid": chance.choice([None, *pools.containers])},
        "dz642": {"state": "Queued", "owner_uuid": SYSTEM_USER},
        "7fd4e": {"collection_uuid": chance.choice([None, chance.choice(pools.collections)])},
        "2x53u": {"hostname": "made"},
        "oss07": {"credential_class": "made", "external_id": "made", "secret": "made", "expires_at": "2100-01-01"},
        "fngyi": {"authorized_user_uuid": chance.choice(pools.users)},
        "gj3su": {"api_token": f"bystander{uuid}", "user_id": 100 + chance.randrange(len(pools.users))},
    }
    return {**common, **more[kind]}


def touch(chance: random.Random, pools: Pools) -> Change:
    return save("touch", chance.choice(pools.all), {})


def touch_some(chance: random.Random, pools: Pools) -> Change:
    """Several at once, in an order of their own so that writers do not block each other."""
    uuids = sorted(chance.sample(pools.all, 6))
    return Change(f"touch {' '.join(uuids)}", "select demo.change(name::regclass, uuid, '{}')"
                  " from unnest(%s::text[], %s::text[]) as object (name, uuid)", ([table_of(uuid) for uuid in uuids], uuids))


def touch_known(chance: random.Random, pools: Pools) -> Change:
    return save("touch", KEEP_SERVICE, {})


def move(chance: random.Random, pools: Pools) -> Change:
    return save("move", chance.choice(pools.owned), {"owner_uuid": owner(chance, pools)})


def move_project(chance: random.Random, pools: Pools) -> Change:
    uuid = chance.choice(pools.projects)
    return save("move", uuid, {"owner_uuid": project_owner(chance, pools, uuid)}, True)


def move_collection_with_versions(chance: random.Random, pools: Pools) -> Change:
    """Past versions follow without an event."""
    return Change("sync versions", "update collections as c set owner_uuid = now.owner_uuid, trash_at = now.trash_at,"
                  " is_trashed = now.is_trashed from collections as now"
                  " where c.current_version_uuid = now.uuid and c.uuid <> now.uuid and now.uuid = %s",
                  (chance.choice(pools.collections[:len(pools.versions)]),))


def merge_belongings(chance: random.Random, pools: Pools) -> Change:
    """What happens to a user's things when users are merged: no event."""
    table = chance.choice(["collections", "container_requests", "workflows", "credentials", "authorized_keys"])
    return Change(f"merge {table}", f"update {table} set owner_uuid = %s where owner_uuid = %s",
                  (chance.choice(pools.users), chance.choice(pools.users)))


def merge_links(chance: random.Random, pools: Pools) -> Change:
    return Change("merge links", "update links set tail_uuid = %s where tail_uuid = %s and link_class = 'permission'",
                  (chance.choice(pools.users), chance.choice(pools.users)), True)


def grant(chance: random.Random, pools: Pools) -> Change:
    return make(chance.choice(pools.links), link_columns(chance, pools), True)


def revoke(chance: random.Random, pools: Pools) -> Change:
    return destroy(chance.choice(pools.links), True)


def revoke_silently(chance: random.Random, pools: Pools) -> Change:
    """Arvados deletes redundant links without an event."""
    return Change("drop link", "delete from links where uuid = %s", (chance.choice(pools.links),), True)


def relevel(chance: random.Random, pools: Pools) -> Change:
    return save("relevel", chance.choice(pools.links), {"name": chance.choice(NAMES)}, True)


def trash(chance: random.Random, pools: Pools) -> Change:
    uuid = chance.choice(pools.projects if chance.random() < 0.5 else [*pools.collections, *pools.versions, *pools.filters])
    after = chance.choices([PAST, FUTURE, round(SOON * chance.random(), 3)], [60, 15, 25])[0]
    return save("trash", uuid, {"is_trashed": after < 0}, uuid[6:11] == "j7d0g", after)


def untrash(chance: random.Random, pools: Pools) -> Change:
    uuid = chance.choice(pools.projects if chance.random() < 0.6 else [*pools.collections, *pools.versions, *pools.filters])
    return save("untrash", uuid, {"trash_at": None, "is_trashed": False}, uuid[6:11] == "j7d0g")


def freeze(chance: random.Random, pools: Pools) -> Change:
    return save("freeze", chance.choice(pools.projects), {"frozen_by_uuid": chance.choice(pools.users)}, True)


def unfreeze(chance: random.Random, pools: Pools) -> Change:
    return save("unfreeze", chance.choice(pools.projects), {"frozen_by_uuid": None}, True)


def activate(chance: random.Random, pools: Pools) -> Change:
    return save("activate", chance.choice(pools.users), {"is_active": chance.random() < 0.6}, True)


def promote(chance: random.Random, pools: Pools) -> Change:
    """The last users never: they have tokens for some paths only, and what an administrator may see with one is not said."""
    return save("promote", chance.choice(pools.users[:-3]), {"is_admin": chance.random() < 0.3}, True)


def redirect(chance: random.Random, pools: Pools) -> Change:
    """Merged into another: its tokens are dead."""
    one, other = chance.sample(pools.users, 2)
    return save("redirect", one, {"redirect_to_user_uuid": other}, True)


def expire_token(chance: random.Random, pools: Pools) -> Change:
    """Logout; no event."""
    return Change("expire", "update api_client_authorizations set expires_at = demo.clock() where id ="
                  " (select id from api_client_authorizations where uuid in (select token_uuid from oracle.session_tokens)"
                  " order by uuid offset %s limit 1)", (chance.randrange(3 * len(pools.users)),))


def delete_token(chance: random.Random, pools: Pools) -> Change:
    return Change("delete token", "select demo.destroy('api_client_authorizations', uuid) from api_client_authorizations"
                  " where id = (select id from api_client_authorizations"
                  " where uuid in (select token_uuid from oracle.session_tokens)"
                  " order by uuid offset %s limit 1)", (chance.randrange(3 * len(pools.users)),))


def run(chance: random.Random, pools: Pools) -> Change:
    """A request gets a container, or another, or loses it; or is committed."""
    return save("run", chance.choice(pools.requests), {"container_uuid": chance.choice([None, *pools.containers]),
                                                       "state": chance.choice(["Uncommitted", "Committed", "Final"])})


def assign_silently(chance: random.Random, pools: Pools) -> Change:
    return Change("assign", "update container_requests set container_uuid = %s where uuid = %s",
                  (chance.choice([None, *pools.containers]), chance.choice(pools.requests)))


def container_state(chance: random.Random, pools: Pools) -> Change:
    state = chance.choice(["Queued", "Locked", "Running", "Complete", "Cancelled"])
    return save("state", chance.choice(pools.containers), {"state": state})


def prioritize(chance: random.Random, pools: Pools) -> Change:
    return Change("prioritize", "update containers set priority = %s where uuid = %s",
                  (chance.randrange(1000), chance.choice(pools.containers)))


def link_workflow(chance: random.Random, pools: Pools) -> Change:
    return save("link", chance.choice(pools.workflows),
                {"collection_uuid": chance.choice([None, *pools.collections, *pools.versions])})


def new_content(chance: random.Random, pools: Pools) -> Change:
    return save("content", chance.choice([*pools.collections, *pools.versions]),
                {"portable_data_hash": portable_data_hash(chance.randrange(6))})


def new_version(chance: random.Random, pools: Pools) -> Change:
    """Which of them is the current one."""
    uuid = chance.choice(pools.versions)
    current = pools.collections[pools.versions.index(uuid)]
    return save("version", uuid, {"current_version_uuid": chance.choice([uuid, current, current])})


def create(chance: random.Random, pools: Pools) -> Change:
    uuid = chance.choice([*pools.owned, *pools.versions, *pools.projects, *pools.roles, *pools.tokens, *pools.stars])
    return make(uuid, columns_for(chance, pools, uuid), uuid[6:11] == "j7d0g")


def delete(chance: random.Random, pools: Pools) -> Change:
    """Never a container that a request may point at: Arvados has no such thing, and no rule for it."""
    uuid = chance.choice([*pools.owned, *pools.versions, *pools.tokens, *pools.stars, *pools.projects[7:], *pools.roles[3:]])
    return destroy(uuid, uuid[6:11] == "j7d0g")


def post_known(chance: random.Random, pools: Pools) -> Change:
    kind = chance.choice(["dispatch", "file_upload", "file_download", "secret_access", "stderr", "update", "create", "", None])
    return post(kind, chance.choice(pools.all), owner(chance, pools), poster=chance.choice(pools.users))


def post_bogus(chance: random.Random, pools: Pools) -> Change:
    known = chance.choice(pools.collections)
    uuid = chance.choice([
        None, "", "x", known[:-1], known + "0", known.upper(), known.replace("zzzzz", "aaaaa"), f"{CLUSTER}-4zz18-absent000000000",
        f"{CLUSTER}-dz642-absent000000000", f"{CLUSTER}-tpzed-absent000000000", f"{CLUSTER}-00000-absent000000000",
        f"{CLUSTER}-57u5n-absent000000000", f"{CLUSTER}-gv0sa-absent000000000", SYSTEM_USER, ANONYMOUS_USER, ANONYMOUS_GROUP,
        ALL_USERS, portable_data_hash(chance.randrange(6)), portable_data_hash(99), "d41d8cd98f00b204e9800998ecf8427e", "-" * 27,
        "\u00fc" * 27, "z" * 255, f"{CLUSTER}-4zz18-' or true --", f" {known}", f"{known}\n"])
    if chance.random() < 0.3:
        return post("delete", chance.choice([known, uuid]), uuid, poster=chance.choice(pools.users))
    return post("update", uuid, chance.choice([None, owner(chance, pools)]), event_at=chance.choice(["now", "now", "now", None]),
                poster=chance.choice(pools.users))


def post_delete(chance: random.Random, pools: Pools) -> Change:
    """Whoever may read the owner that it names."""
    named = chance.choice([*pools.users, *pools.projects, *pools.roles, *pools.collections])
    return post("delete", chance.choice(pools.all), named)


def post_many(chance: random.Random, pools: Pools) -> Change:
    return post("many", chance.choice(pools.all), owner(chance, pools), chance.randint(50, 400))


Draw = Callable[[random.Random, Pools], Change]

#: How often each is drawn, in relation to the others.
WEIGHTS: dict[Draw, float] = {
    touch: 24, touch_some: 12, touch_known: 1, move: 9, move_project: 4, move_collection_with_versions: 2,
    merge_belongings: 1, merge_links: 0.5,
    grant: 16, revoke: 10, revoke_silently: 2, relevel: 4, trash: 8, untrash: 8, freeze: 3, unfreeze: 4, activate: 3, promote: 2,
    redirect: 0.3, expire_token: 0.4, delete_token: 0.3, run: 7, assign_silently: 2, container_state: 5, prioritize: 1,
    link_workflow: 3, new_content: 3, new_version: 2, create: 14, delete: 8, post_known: 8, post_bogus: 6, post_delete: 4,
    post_many: 0.7,
}


def draw(chance: random.Random, pools: Pools, without: tuple[str, ...] = ()) -> Change:
    """`without` names functions above."""
    weights = [0 if of.__name__ in without else weight for of, weight in WEIGHTS.items()]
    return chance.choices(list(WEIGHTS), weights)[0](chance, pools)
