"""Protocol v1's topic grants/<user uuid>: what each commit has given to a user, and taken, exactly."""

import random
from collections.abc import Iterator

import psycopg
import pytest

from support.arvados import new_uuid
from support.event_source import EventSource
from support.grants import Follower, targets
from support.institute import Institute
from support.relay import Relay
from support.v1 import V1Client, v1_client
from support.ways import LinkBetween, foreign_project, shared_project

pytestmark = pytest.mark.only_source("slot")


@pytest.fixture
def client(shared_relay: Relay) -> Iterator[V1Client]:
    """An administrator."""
    with v1_client(shared_relay) as client:
        yield client


@pytest.fixture
def user(institute: Institute) -> str:
    return institute.user()


@pytest.fixture
def follower(shared_relay: Relay, institute: Institute, user: str) -> Iterator[Follower]:
    """The user itself."""
    with v1_client(shared_relay, institute.database.token(user).v2) as client:
        follower = Follower(client, institute, user)
        follower.expect_state()
        yield follower

#: Targets of a rebuild that the server sends before its commit.
LARGE = 40_000


def test_a_link_that_goes_and_comes(follower: Follower, institute: Institute, user: str) -> None:
    """With all that lies below its head."""
    outer = foreign_project(institute)
    inner = institute.project(outer)
    link = LinkBetween(institute, user, outer)
    follower.expect({outer, inner})
    link.revoke()
    follower.expect(lost={outer, inner})
    link.grant()
    follower.expect({outer, inner})
    deeper = institute.project(inner)
    follower.expect({deeper})
    institute.change(inner, owner_uuid=institute.user())
    follower.expect(lost={inner, deeper})


def test_objects_that_a_link_points_at(follower: Follower, institute: Institute, user: str) -> None:
    collection = institute.collection(foreign_project(institute))
    link = LinkBetween(institute, user, collection)
    follower.expect({collection})
    link.revoke()
    follower.expect(lost={collection})


def test_levels_are_no_change(follower: Follower, institute: Institute, user: str) -> None:
    """And a link of a name that grants nothing is none."""
    project = foreign_project(institute)
    link = institute.grant(user, project, "can_read")
    follower.expect({project})
    institute.change(link, name="can_manage")
    institute.change(link, name="can_write")
    institute.change(link, name="can_dance")
    follower.expect(lost={project})


def test_by_a_role(follower: Follower, institute: Institute, user: str) -> None:
    role, project = institute.role(), foreign_project(institute)
    institute.grant(role, project)
    member = LinkBetween(institute, user, role)
    follower.expect({role, project})
    member.revoke()
    follower.expect(lost={role, project})


def test_two_ways_to_one_target(follower: Follower, institute: Institute, user: str) -> None:
    project = foreign_project(institute)
    ways = [LinkBetween(institute, user, project) for _ in range(2)]
    follower.expect({project})
    ways[0].revoke()
    ways[1].revoke()
    follower.expect(lost={project})


def test_several_in_a_transaction(follower: Follower, institute: Institute, user: str) -> None:
    """They are one change; what comes and goes within it is none."""
    first, second, third = (foreign_project(institute) for _ in range(3))
    link = LinkBetween(institute, user, first)
    follower.expect({first})
    with institute.transaction():
        link.revoke()
        institute.grant(user, second)
        institute.grant(user, third)
    follower.expect({second, third}, {first})
    with institute.transaction() as connection:
        link.grant()
        connection.execute("select demo.refresh_permissions()")
        link.revoke()
    follower.expect_nothing_but(foreign_project(institute))


def test_transactions_that_are_not_committed(follower: Follower, institute: Institute, user: str) -> None:
    connection = institute.connection
    first, second = foreign_project(institute), foreign_project(institute)
    with pytest.raises(psycopg.errors.DivisionByZero), institute.transaction():
        institute.grant(user, first)
        connection.execute("select demo.refresh_permissions()")
        connection.execute("select 1 / 0")
    with institute.transaction():
        with pytest.raises(psycopg.errors.DivisionByZero), connection.transaction():
            institute.grant(user, first)
            connection.execute("select demo.refresh_permissions()")
            connection.execute("select 1 / 0")
        with connection.transaction():
            institute.grant(user, second)
            connection.execute("select demo.refresh_permissions()")
    follower.expect({second})


REBUILDS = {
    "deleted": ["create temporary table kept on commit drop as select * from materialized_permissions",
                "delete from materialized_permissions",
                "insert into materialized_permissions select * from kept"],
    "emptied": ["create temporary table kept on commit drop as select * from materialized_permissions",
                "truncate materialized_permissions",
                "insert into materialized_permissions select * from kept"],
    "row by row": ["update materialized_permissions set perm_level = 0", "select demo.refresh_permissions()"],
}


@pytest.mark.parametrize("how", REBUILDS)
def test_a_rebuild(follower: Follower, institute: Institute, user: str, how: str) -> None:
    """Every row is taken out and put back: only what is another at the end counts."""
    for _ in range(5):
        project = foreign_project(institute)
        institute.grant(user, project)
        follower.expect({project})
    with institute.connection.transaction():
        for statement in REBUILDS[how]:
            institute.connection.execute(statement)
    marker = foreign_project(institute)
    follower.expect_nothing_but(marker)
    with institute.connection.transaction():
        for statement in REBUILDS[how]:
            institute.connection.execute(statement)
        institute.connection.execute("delete from materialized_permissions where target_uuid = %s", [marker])
    follower.expect(lost={marker})
    with institute.transaction():
        pass
    follower.expect({marker})


def test_a_large_rebuild(client: V1Client, follower: Follower, institute: Institute, user: str) -> None:
    """Streamed before its commit, in segments. Of who is watched and who is not."""
    connection = institute.connection
    connection.execute("""insert into materialized_permissions
        select uuid, 'zzzzz-j7d0g-big' || lpad(number::text, 12, '0'), 1, true
        from generate_series(1, %s) as number, unnest(%s::text[]) as uuid""", [LARGE, [user, institute.user()]])
    assert follower.one.expect("change", 60)["record"]["gained"] == LARGE
    with connection.transaction():
        for statement in REBUILDS["deleted"]:
            connection.execute(statement)
        connection.execute("delete from materialized_permissions where target_uuid = 'zzzzz-j7d0g-big000000000007'")
    record = follower.one.expect("change", 60)["record"]
    assert record == {"gained": 0, "lost": 1, "gained_uuids": [], "lost_uuids": ["zzzzz-j7d0g-big000000000007"], "all": False}
    connection.execute("delete from materialized_permissions where target_uuid like 'zzzzz-j7d0g-big%%'")
    assert follower.one.expect("change", 60)["record"]["lost"] == LARGE - 1
    client.subscribe(f"grants/{user}").expect_snapshot()


def test_trash_is_no_change(follower: Follower, institute: Institute, user: str) -> None:
    """Nor are freezing, and who is active: the graph is as before."""
    project = shared_project(institute, user)
    follower.expect({project})
    institute.change(project, trash_at=True)
    institute.change(project, trash_at=False)
    institute.change(project, frozen_by_uuid=user)
    institute.change(project, frozen_by_uuid=None)
    institute.change(user, is_active=False)
    institute.change(user, is_active=True)
    follower.expect_nothing_but(foreign_project(institute))


def test_activation(client: V1Client, institute: Institute) -> None:
    """A new user gets its links in the transaction that makes it active."""
    newcomer = institute.user(is_active=False)
    follower = Follower(client, institute, newcomer)
    follower.expect_state()
    assert follower.targets == {newcomer}
    group, project = institute.role(), foreign_project(institute)
    institute.grant(group, project)
    with institute.transaction():
        institute.change(newcomer, is_active=True)
        link = institute.grant(newcomer, group)
    follower.expect({group, project})
    with institute.transaction():
        institute.change(newcomer, is_active=False)
        institute.destroy(link)
    follower.expect(lost={group, project})


def test_administrator(shared_relay: Relay, client: V1Client, follower: Follower, institute: Institute, user: str) -> None:
    """Everything may be read: `all` says so, and the count is of what is granted besides."""
    seen = Follower(client, institute, user)
    seen.expect_state()
    institute.change(user, is_admin=True)
    for each in (seen, follower):
        each.expect_all(True)
    with v1_client(shared_relay, institute.database.token(user).v2) as late:
        assert late.subscribe(f"grants/{user}").expect_snapshot() == {"count": 1, "all": True}
    project = foreign_project(institute)
    institute.grant(user, project)
    for each in (seen, follower):
        each.expect({project})
    with institute.transaction():
        institute.change(user, is_admin=False)
        institute.grant(user, foreign := foreign_project(institute))
    assert seen.one.expect("change")["record"] == {"gained": 1, "lost": 0, "gained_uuids": [foreign], "lost_uuids": [], "all": False}
    # What it may see was another question while it was an administrator.
    follower.one.expect("reset", reason="auth")
    follower.expect_state()
    assert not follower.all
    follower.expect_nothing_but(foreign_project(institute))


def test_manager(shared_relay: Relay, institute: Institute, user: str) -> None:
    """Who manages the user may see its grants, as long as it does; they are its own, too."""
    manager = institute.user()
    with v1_client(shared_relay, institute.database.token(manager).v2) as client:
        client.refused("not_found", f"grants/{user}")
        own = Follower(client, institute, manager)
        own.expect_state()
        link = institute.grant(manager, user, "can_manage")
        own.expect({user})
        seen = Follower(client, institute, user)
        seen.expect_state()
        project = foreign_project(institute)
        given = LinkBetween(institute, user, project)
        seen.expect({project})
        own.expect({project})
        # Both have it: what one of them loses the other still has.
        mine = LinkBetween(institute, manager, project)
        given.revoke()
        seen.expect(lost={project})
        mine.revoke()
        own.expect(lost={project})
        given.grant()
        seen.expect({project})
        own.expect({project})
        institute.change(link, name="can_write")
        seen.one.expect("silenced", reason="permission")
        own.expect(lost={project})
        given.revoke()
        institute.change(link, name="can_manage")
        seen.one.expect("restored")
        seen.expect_state()
        other = foreign_project(institute)
        institute.grant(user, other)
        seen.expect({other})
        own.expect({other})
        institute.destroy(link)
        seen.one.expect("silenced", reason="permission")
        own.expect(lost={user, other})
        client.refused("not_found", f"grants/{user}")


def test_manager_of_a_role(shared_relay: Relay, institute: Institute, user: str) -> None:
    """Through a group that can manage the user."""
    manager, role = institute.user(), institute.role()
    institute.grant(role, user, "can_manage")
    institute.grant(manager, role, "can_manage")
    with v1_client(shared_relay, institute.database.token(manager).v2) as client:
        follower = Follower(client, institute, user)
        follower.expect_state()
        follower.expect_nothing_but(foreign_project(institute))


@pytest.mark.parametrize("name", ["can_read", "can_login", "can_write"])
def test_less_than_managing(shared_relay: Relay, institute: Institute, user: str, name: str) -> None:
    other = institute.user()
    institute.grant(other, user, name)
    with v1_client(shared_relay, institute.database.token(other).v2) as client:
        client.record(user)
        client.refused("not_found", f"grants/{user}")


def test_hidden_and_absent_alike(shared_relay: Relay, institute: Institute, user: str) -> None:
    """Whether there is such a user, here or in another cluster, is not to be learned; nor anything afterwards."""
    absent, foreign = new_uuid("tpzed"), "x" + new_uuid("tpzed")[1:]
    with v1_client(shared_relay, institute.database.token(institute.user()).v2) as client, v1_client(shared_relay) as root:
        for more in ({}, {"snapshot": False}, {"latest": True}, {"after": "nonsense"}):
            answers = [client.refused("not_found", f"grants/{uuid}", **more) for uuid in (user, absent, foreign)]
            assert len({str({key: value for key, value in answer.items() if key != "id"}) for answer in answers}) == 1
        for uuid in (absent, foreign):
            root.refused("not_found", f"grants/{uuid}")
        institute.grant(user, foreign_project(institute))
        institute.event(user)
        assert client.pump(0.3) is None


@pytest.mark.parametrize("uuid", ["", "nonsense", "zzzzz-tpzed-00000000000000", "zzzzz-j7d0g-000000000000000", "zzzzz_tpzed-000000000000000",
                                  "zzzzz-tpzed-000000000000000 ", "zzzzz-tpzed-000000000000000/", " zzzzz-tpzed-00000000000000",
                                  "zzzzz\u0002tpzed-000000000000000", "zzzzz-tpzed-000000000000000?a=b"])
def test_no_user(client: V1Client, uuid: str) -> None:
    client.refused("unknown_topic", f"grants/{uuid}")


def test_the_question_is_no_record(shared_relay: Relay, institute: Institute, user: str) -> None:
    """Nobody learns anything by asking for what the relay asks itself."""
    with v1_client(shared_relay, institute.database.token(user).v2) as client:
        message = client.subscribe(f"record/{user[:5]}\u0002{user[6:]}").expect("error")
        assert message["code"] in ("not_found", "unknown_topic")


def test_at_once(client: V1Client, shared_relay: Relay, institute: Institute) -> None:
    """What was committed before a subscribe counts for it: a new user, a new manager."""
    manager = institute.user()
    with v1_client(shared_relay, institute.database.token(manager).v2) as managing:
        for _ in range(10):
            user = institute.user()
            institute.grant(manager, user, "can_manage")
            assert managing.subscribe(f"grants/{user}").expect_snapshot() == {"count": 1, "all": False}
        for _ in range(10):
            user = institute.user()
            assert client.subscribe(f"grants/{user}").expect_snapshot()["count"] <= 1


def test_a_user_that_is_deleted(client: V1Client, institute: Institute, user: str) -> None:
    follower = Follower(client, institute, user)
    follower.expect_state()
    with institute.transaction() as connection:
        connection.execute("delete from users where uuid = %s", [user])
    follower.expect(lost={user})
    client.refused("not_found", f"grants/{user}")


def test_scopes(shared_relay: Relay, institute: Institute, user: str) -> None:
    token = institute.database.token(user, scopes='["GET /arvados/v1/collections/"]')
    with v1_client(shared_relay, token.v2) as client:
        client.refused("not_allowed", f"grants/{user}")
    token = institute.database.token(user, scopes=f'["GET /arvados/v1/users/{user}"]')
    with v1_client(shared_relay, token.v2) as client:
        client.subscribe(f"grants/{user}").expect_snapshot()


def test_token_that_dies(follower: Follower, institute: Institute, user: str) -> None:
    connection = institute.connection
    connection.execute("delete from api_client_authorizations where user_id = (select id from users where uuid = %s)", [user])
    follower.one.expect("silenced", reason="token")
    institute.grant(user, foreign_project(institute))
    follower.one.expect_silence(0.2)


def test_without_snapshot_and_again(client: V1Client, institute: Institute, user: str) -> None:
    Follower(client, institute, user).expect_state()
    one = client.subscribe(f"grants/{user}", snapshot=False)
    one.expect("live")
    project = foreign_project(institute)
    institute.grant(user, project)
    assert one.expect("change")["record"]["gained_uuids"] == [project]
    client.unsubscribe(one)
    institute.grant(user, foreign_project(institute))
    Follower(client, institute, user, id=one.id).expect_state()


def test_as_server_sent_events(shared_relay: Relay, institute: Institute, user: str) -> None:
    with EventSource(shared_relay, f"grants/{user}") as source:
        source.expect("snapshot")
        source.expect("live")
        project = foreign_project(institute)
        institute.grant(user, project)
        while source.expect("change")["record"]["gained_uuids"] != [project]:
            pass


def test_more_than_a_thousand(follower: Follower, institute: Institute, user: str) -> None:
    """The number is right, and the first thousand are named."""
    uuids = sorted(new_uuid("j7d0g") for _ in range(2_500))
    with institute.connection.transaction():
        institute.connection.cursor().executemany("insert into materialized_permissions values (%s, %s, 1, true)",
                                                  [(user, uuid) for uuid in random.sample(uuids, len(uuids))])
    record = follower.one.expect("change")["record"]
    assert record["gained"] == 2_500 and record["gained_uuids"] == uuids[:1000] and record["lost"] == 0
    with institute.connection.transaction():
        institute.connection.execute("delete from materialized_permissions where target_uuid = any(%s)", [uuids[100:]])
    record = follower.one.expect("change")["record"]
    assert record["lost"] == 2_400 and record["lost_uuids"] == uuids[100:1100] and record["gained"] == 0
    with institute.transaction():
        pass
    assert follower.one.expect("change")["record"]["lost_uuids"] == uuids[:100]


def test_at_random(shared_relay: Relay, institute: Institute, client: V1Client) -> None:
    """Links, moves, managers and rebuilds, several in a transaction: the changes of each user add up, all the way."""
    chance = random.Random(4711)
    users = [institute.user() for _ in range(4)]
    projects = [foreign_project(institute) for _ in range(5)]
    roles = [institute.role() for _ in range(2)]
    followers = [Follower(client, institute, user) for user in users]
    for each in followers:
        each.expect_state()
    links: list[str] = []

    def step() -> None:
        what = chance.random()
        if what < 0.45 or not links:
            tail = chance.choice(users + roles)
            head = chance.choice([uuid for uuid in projects + roles + users if uuid != tail])
            links.append(institute.grant(tail, head, chance.choice(["can_read", "can_write", "can_manage", "can_manage"])))
        elif what < 0.85:
            institute.destroy(links.pop(chance.randrange(len(links))))
        elif what < 0.95:
            institute.change(chance.choice(links), name=chance.choice(["can_read", "can_manage", "can_dance"]))
        else:
            institute.connection.execute(chance.choice(["delete from materialized_permissions", "truncate materialized_permissions"]))

    for _ in range(120):
        before = [set(each.targets) for each in followers]
        with institute.transaction():
            for _ in range(chance.choice([1, 1, 2, 5])):
                step()
        for each, former in zip(followers, before, strict=True):
            now = targets(institute.connection, each.user)
            if now != former:
                each.expect(now - former, former - now)
    client.record(institute.collection(foreign_project(institute)))
    assert not any(each.one.queue for each in followers)
