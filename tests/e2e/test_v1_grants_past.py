"""Protocol v1's topic grants/<user uuid>, resumed from its tokens and told to clients that do not read."""

from collections.abc import Iterator
import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase, new_uuid
from support.grants import Follower, Ledger, targets
from support.institute import Institute
from support.records import new_record, update_record
from support.relay import Relay
from support.resume_token import changed, point_of
from support.sleeper import Sleeper
from support.v1 import Subscription, V1Client, v1_client
from support.wait import until
from support.ways import LinkBetween, foreign_project

pytestmark = pytest.mark.only_source("slot")

PADDING = "x" * 20_000


class Site:
    """A relay of one test, an institute, and a user with nothing."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.institute = Institute(relay.database)
        self.user = self.institute.user()
        self.connection = self.institute.connection

    def token(self, user: str | None = None) -> str:
        """Of now, and nobody is subscribed when it is back."""
        with v1_client(self.relay) as client:
            follower = Follower(client, self.institute, user or self.user)
            follower.expect_state()
            token = follower.one.token
        until("the session to be over", lambda: self.relay.metric("arvados_ws_sinks") == 0)
        return token

    def project(self) -> str:
        return foreign_project(self.institute)

    def grant(self) -> str:
        """To the user, of a new project."""
        project = self.project()
        self.institute.grant(self.user, project)
        return project

    def give(self, uuids: list[str], user: str | None = None) -> None:
        """Rows without upkeep, in one transaction."""
        with self.connection.transaction():
            self.connection.cursor().executemany("insert into materialized_permissions values (%s, %s, 1, true)",
                                                 [(user or self.user, uuid) for uuid in uuids])

    def take(self, uuids: list[str], user: str | None = None) -> None:
        self.connection.execute("delete from materialized_permissions where user_uuid = %s and target_uuid = any(%s)",
                                [user or self.user, uuids])

    def resumed(self, client: V1Client, token: str, known: set[str], count: int, user: str | None = None) -> Subscription:
        """So many changes come, and add up from what was known at the token to what is; before live, or behind it."""
        ledger = Ledger(self.institute, user or self.user, known)
        one = client.subscribe(f"grants/{user or self.user}", after=token)
        while count > 0 or one.state.stage != "live" or one.queue:
            message = one.next(20)
            if message["op"] == "change":
                ledger.take(message["record"])
                count -= 1
            else:
                assert message["op"] == "live", message
        assert count == 0 and ledger.targets == targets(self.connection, user or self.user)
        return one


@pytest.fixture
def relay_of_one(database: ArvadosDatabase, make_relay: RelayMaker) -> Relay:
    return make_relay(database, "slot")


@pytest.fixture
def site(relay_of_one: Relay) -> Iterator[Site]:
    site = Site(relay_of_one.start())
    yield site
    site.institute.close()


def test_from_every_token(site: Site) -> None:
    """While somebody is subscribed, and when nobody is; also one token twice."""
    link = LinkBetween(site.institute, site.user, site.project())
    with v1_client(site.relay) as client:
        follower = Follower(client, site.institute, site.user)
        follower.expect_state()
        places = [(follower.one.token, set(follower.targets))]
        for step in range(8):
            for act in (link.revoke, link.grant) if step % 3 == 2 else (site.grant,):
                act()
                follower.take(follower.one.expect("change")["record"])
                places.append((follower.one.token, set(follower.targets)))
        with v1_client(site.relay) as other:
            for told in (3, len(places) - 1):
                site.resumed(other, *places[told], count=len(places) - 1 - told)
    for told, place in enumerate(places):
        with v1_client(site.relay) as client:
            site.resumed(client, *place, count=len(places) - 1 - told).expect_silence(0.02)


def test_a_rebuild_in_the_past(site: Site) -> None:
    """Is no change there either; nor what one transaction gave and took."""
    token, known = site.token(), targets(site.connection, site.user)
    with site.connection.transaction():
        site.connection.execute("create temporary table kept on commit drop as select * from materialized_permissions")
        site.connection.execute("delete from materialized_permissions")
        site.connection.execute("insert into materialized_permissions select * from kept")
    with site.institute.transaction():
        link = LinkBetween(site.institute, site.user, site.project())
        site.connection.execute("select demo.refresh_permissions()")
        link.revoke()
    many = [new_uuid("j7d0g") for _ in range(1_500)]
    site.give(many)
    with v1_client(site.relay) as client:
        one = client.subscribe(f"grants/{site.user}", after=token)
        record = one.expect("change")["record"]
        assert record == {"gained": 1_500, "lost": 0, "gained_uuids": sorted(many)[:1000], "lost_uuids": [], "all": False}
        one.expect("live")
    assert known == {site.user}


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_after_a_restart(site: Site, how: str) -> None:
    """What was committed before the relay ended, meanwhile, and after it began again."""
    token, known = site.token(), targets(site.connection, site.user)
    site.grant()
    (site.relay.kill if how == "SIGKILL" else site.relay.stop)()
    site.grant()
    site.relay.start()
    site.grant()
    with v1_client(site.relay) as client:
        one = site.resumed(client, token, known, 3)
        project = site.grant()
        assert one.expect("change")["record"]["gained_uuids"] == [project]


def test_on_other_shards(relay_of_one: Relay) -> None:
    relay_of_one.cluster["Walcast"]["Shards"] = 3
    site = Site(relay_of_one.start())
    token, known = site.token(), targets(site.connection, site.user)
    clients = [v1_client(site.relay) for _ in range(6)]
    try:
        for round_ in range(1, 9):
            site.grant()
            with v1_client(site.relay) as client:
                site.resumed(client, token, known, round_)
        followers = [Follower(client, site.institute, site.user) for client in clients]
        for each in followers:
            each.expect_state()
        for _ in range(5):
            project = site.grant()
            for each in followers:
                each.expect({project})
    finally:
        for each in clients:
            each.close()
        site.institute.close()


def state_anew(site: Site, client: V1Client, token: str, reason: str, user: str | None = None) -> None:
    follower = Follower(client, site.institute, user or site.user, after=token)
    follower.one.expect("reset", reason=reason)
    follower.expect_state()


def test_refused_tokens(site: Site) -> None:
    token = site.token()
    other = site.institute.user()
    with v1_client(site.relay) as client:
        for more, reason in (({"subject": 4711}, "auth"), ({"commit": 1}, "expired"), ({"timeline": 9}, "timeline"),
                             ({"system_identifier": 4711}, "epoch"), ({"commit": point_of(token).commit + (1 << 40)}, "ahead")):
            state_anew(site, client, changed(token, **more), reason)
        state_anew(site, client, token, "filter", other)
        state_anew(site, client, client.record(other).token, "filter")
        site.resumed(client, client.subscribe(f"grants/{site.user}").expect("snapshot")["token"], {site.user}, 0)


def test_what_cannot_be_worked_out(site: Site) -> None:
    """Then the state is told anew: across changes of the user itself, of whom it manages, and TRUNCATE."""
    for change in (lambda: site.institute.change(site.user, is_admin=True), lambda: site.institute.change(site.user, is_admin=False),
                   lambda: site.institute.grant(site.user, site.institute.user(), "can_manage"),
                   lambda: site.connection.execute("truncate materialized_permissions")):
        token = site.token()
        site.grant()
        change()
        with site.institute.transaction():
            pass
        with v1_client(site.relay) as client:
            state_anew(site, client, token, "expired")


def test_who_manages_others(site: Site) -> None:
    """While somebody is subscribed its changes are known; when nobody is they are not, and the state is told anew."""
    institute, other = site.institute, site.institute.user()
    institute.grant(site.user, other, "can_manage")
    with v1_client(site.relay) as client:
        follower = Follower(client, institute, site.user)
        follower.expect_state()
        token, known = follower.one.token, set(follower.targets)
        project = site.project()
        institute.grant(other, project)
        follower.expect({project})
        site.grant()
        follower.take(follower.one.expect("change")["record"])
        with v1_client(site.relay) as second:
            site.resumed(second, token, known, 2)
    site.relay.stop()
    site.relay.start()
    with v1_client(site.relay) as client:
        state_anew(site, client, token, "expired")


def test_slot_dropped(site: Site) -> None:
    """Nobody knows what was granted meanwhile: everybody gets the count anew."""
    with v1_client(site.relay) as client:
        follower = Follower(client, site.institute, site.user)
        follower.expect_state()
        token = follower.one.token
        site.relay.kill()
        name = f"walcast_{site.relay.database.name}"
        until("the slot to be free", lambda: site.connection.execute(
            "select from pg_replication_slots where slot_name = %s and active_pid is null", [name]).fetchone() is not None)
        site.connection.execute("select pg_drop_replication_slot(%s)", [name])
    site.grant()
    site.relay.start()
    with v1_client(site.relay) as client:
        state_anew(site, client, token, "epoch")


# Clients that do not read

def stuck(site: Site, sleeper: Sleeper) -> None:
    """Until its connection takes nothing any more."""
    uuid = new_record(site.connection, replication_confirmed=-1)
    sleeper.follow(uuid)
    for number in range(450):
        update_record(site.connection, uuid, replication_confirmed=number, description=f"{number} {PADDING}")


@pytest.fixture
def small(relay_of_one: Relay) -> Iterator[Site]:
    """Outboxes of 64 kB, a feed of 128 MB."""
    relay_of_one.cluster["Walcast"].update(OutboxBytes="64KiB", FeedBytes="128MiB")
    site = Site(relay_of_one.start())
    yield site
    site.institute.close()


def records_of(sleeper: Sleeper, name: str, ledger: Ledger, until: str) -> list[str]:
    """What comes about this subscription, and the state that it makes, until this target is in it."""
    ops: list[str] = []
    while ledger.known is None or until not in ledger.known:
        message = sleeper.next()
        if message.get("id") != name:
            continue
        ops.append(str(message["op"]))
        if message["op"] == "change":
            ledger.take(message["record"])  # type: ignore[arg-type]
        elif message["op"] == "snapshot":
            ledger.take_state(message["record"])
        elif message["op"] == "reset":
            assert message["reason"] == "lagging"
    return ops


def test_everything_in_order(small: Site) -> None:
    """Each change, none twice, when it reads again."""
    with Sleeper(small.relay) as sleeper:
        sleeper.subscribe(f"grants/{small.user}")
        ledger = Ledger(small.institute, small.user)
        stuck(small, sleeper)
        uuids = [new_uuid("j7d0g") for _ in range(200)]
        for at, uuid in enumerate(uuids):
            small.give([uuid])
            if at % 4 == 3:
                small.take(uuids[at - 2:at])
        small.give([last := new_uuid("j7d0g")])
        assert records_of(sleeper, "s0", ledger, last) == ["change"] * 251
        assert ledger.targets == targets(small.connection, small.user)


def test_transactions_larger_than_the_feed(relay_of_one: Relay) -> None:
    """A rebuild of any size is no change; where something is another behind it, the count comes anew."""
    relay_of_one.cluster["Walcast"].update(FeedBytes="1MiB")
    site = Site(relay_of_one.start())
    uuids = [new_uuid("j7d0g") for _ in range(10_000)]
    site.give(uuids)
    rebuild = ["create temporary table kept on commit drop as select * from materialized_permissions",
               "delete from materialized_permissions", "insert into materialized_permissions select * from kept"]
    with v1_client(site.relay) as client:
        follower, record = Follower(client, site.institute, site.user), client.record(site.user)
        follower.expect_state()
        site.give([first := new_uuid("j7d0g")])
        follower.expect({first})
        with site.connection.transaction():
            for statement in rebuild:
                site.connection.execute(statement)
        record.expect_reset("lagging", 30)
        site.give([marker := new_uuid("j7d0g")])
        follower.expect({marker})
        with site.connection.transaction():
            for statement in rebuild:
                site.connection.execute(statement)
            site.connection.execute("delete from materialized_permissions where target_uuid = %s", [marker])
        follower.one.expect("reset", 30, reason="lagging")
        follower.expect_state()
        site.give([marker])
        follower.expect({marker})
    site.institute.close()


def test_more_than_is_kept(small: Site) -> None:
    """The count is right again, and what follows is told."""
    with Sleeper(small.relay) as sleeper:
        sleeper.subscribe(f"grants/{small.user}")
        ledger = Ledger(small.institute, small.user)
        stuck(small, sleeper)
        uuids = [new_uuid("j7d0g") for _ in range(1_000)]
        for _ in range(30):
            small.give(uuids)
            small.take(uuids)
        small.give(uuids[:10])
        ops = records_of(sleeper, "s0", ledger, uuids[0])
        assert "reset" in ops and len(ops) < 60
        assert ledger.targets == targets(small.connection, small.user)
        small.give([last := new_uuid("j7d0g")])
        assert records_of(sleeper, "s0", ledger, last)[-1] == "change"


def test_latest(small: Site) -> None:
    """The count, once."""
    with Sleeper(small.relay) as sleeper:
        sleeper.subscribe(f"grants/{small.user}", ',"latest":true')
        ledger = Ledger(small.institute, small.user)
        stuck(small, sleeper)
        uuids = [new_uuid("j7d0g") for _ in range(50)]
        for uuid in uuids:
            small.give([uuid])
        ops = records_of(sleeper, "s0", ledger, uuids[-1])
        assert "change" not in ops and ops[-2:] == ["reset", "snapshot"]
