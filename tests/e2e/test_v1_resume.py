"""Resume tokens of protocol v1: good after anything that leaves the database as it was, and refused with the reason otherwise."""

import random
import signal
import time
from collections.abc import Callable

import pytest

from conftest import RelayMaker
from fault_proxy import FaultProxy
from support.arvados import MANAGEMENT_TOKEN, ArvadosDatabase
from support.institute import Institute
from support.metrics import Metrics
from support.postgres import Postgres
from support.records import delete_record, insert_record, new_record, read_record, update_record
from support.relay import Relay
from support.resume_token import changed, flipped, point_of, sealed
from support.v1 import Subscription, V1Client, v1_client
from support.wait import free_port, until

pytestmark = pytest.mark.only_source("slot")


def resumed(client: V1Client, uuid: str, token: str, names: list[str | None], **more: object) -> Subscription:
    """Exactly these names come, a change each (None: a delete); before live, as far as the relay has read them."""
    one = client.subscribe(f"record/{uuid}", after=token, **more)
    got: list[str | None] = []
    while len(got) < len(names) or one.state.stage != "live" or one.queue:
        message = one.next(20)
        if message["op"] == "change":
            got.append((message["record"] or {}).get("name"))
        else:
            assert message["op"] == "live", message
    assert got == names, f"{got} came, {names} were due"
    return one


def token_of(relay: Relay, uuid: str) -> str:
    with v1_client(relay) as client:
        return client.record(uuid).token


def rename(relay: Relay, uuid: str, *names: str) -> None:
    for name in names:
        update_record(relay.database.connection, uuid, name=name)


def test_from_every_token(shared_relay: Relay) -> None:
    """Of changes, of the snapshot, of live; before and behind a delete; also out of the middle of a transaction."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    with v1_client(shared_relay) as client:
        one = client.record(uuid)
        tokens = [one.token]
        rename(shared_relay, uuid, "b")
        with connection.transaction():
            rename(shared_relay, uuid, "c", "d", "e")
        delete_record(connection, uuid)
        insert_record(connection, uuid, {"name": "f"})
        rename(shared_relay, uuid, "g")
        names = ["b", "c", "d", "e", None, "f", "g"]
        tokens += [one.expect("change")["token"] for _ in names]
    for told, token in enumerate(tokens):
        with v1_client(shared_relay) as client:
            one = resumed(client, uuid, token, names[told:])
            one.expect_silence(0.02)


def test_of_a_record_that_is_gone(shared_relay: Relay) -> None:
    """The delete is told if the token is from before it; what comes back is an insert."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    token = token_of(shared_relay, uuid)
    rename(shared_relay, uuid, "b")
    delete_record(connection, uuid)
    with v1_client(shared_relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        message = one.next()
        if message["op"] == "error":
            assert message["code"] == "not_found"
            return
        # `live` comes where the relay stood, which may be between the two.
        told = [message, one.next(), one.next()]
        assert [(change["type"], (change["record"] or {}).get("name")) for change in told if change["op"] == "change"] == \
            [("update", "b"), ("delete", None)]
        assert [message["op"] for message in told].count("live") == 1
        insert_record(connection, uuid, {"name": "c"})
        one.expect("change", type="insert")


@pytest.mark.parametrize("shards", [1, 3])
def test_on_another_connection(database: ArvadosDatabase, make_relay: RelayMaker, shards: int) -> None:
    """Of whatever shard: the token of one that is ahead waits for the others."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"]["Shards"] = shards
    relay.start()
    uuid = new_record(database.connection, name="0")
    token = token_of(relay, uuid)
    for number in range(1, 25):
        rename(relay, uuid, f"{number}")
        with v1_client(relay) as client:
            token = resumed(client, uuid, token, [f"{number}"]).token


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_after_a_restart(database: ArvadosDatabase, make_relay: RelayMaker, how: str) -> None:
    relay = make_relay(database, "slot").start()
    uuid, large = new_record(database.connection, name="a"), "x" * 50_000
    token = token_of(relay, uuid)
    rename(relay, uuid, "b")
    with v1_client(relay) as client:
        middle = resumed(client, uuid, token, ["b"]).token
    (relay.kill if how == "SIGKILL" else relay.stop)()
    update_record(database.connection, uuid, name="c", description=large)
    rename(relay, uuid, "d")
    relay.start()
    with v1_client(relay) as client:
        one = resumed(client, uuid, token, ["b", "c", "d"])
        resumed(client, uuid, middle, ["c", "d"])
        rename(relay, uuid, "e")
        one.expect_changes("name", ["e"])


@pytest.mark.parametrize("how", ["restart", "kill", "immediate"])
def test_after_a_restart_of_postgresql(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker,
                                       how: str) -> None:
    """Clients stay connected; tokens from before are good for who comes back."""
    relay = make_relay(own_database, "slot").start()
    uuid = new_record(own_database.connection, name="a")
    with v1_client(relay) as client:
        one = client.record(uuid)
        token = one.token
        rename(relay, uuid, "b")
        if how == "kill":
            own_postgres.kill()
        else:
            own_postgres.stop(signal.SIGQUIT if how == "immediate" else signal.SIGINT)
        own_postgres.start()
        own_database.reconnect()
        rename(relay, uuid, "c")
        one.expect_changes("name", ["b", "c"], timeout=20)
        with v1_client(relay) as other:
            resumed(other, uuid, token, ["b", "c"])


# Refusals

#: What is done to a good token, and how it is refused.
REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "another cluster's": (lambda token: changed(token, system_identifier=4711), "epoch"),
    "another timeline": (lambda token: changed(token, timeline=9), "timeline"),
    "of the future": (lambda token: changed(token, commit=point_of(token).commit + (1 << 40)), "ahead"),
    "another subject": (lambda token: changed(token, subject=4711), "auth"),
    "another topic": (lambda token: changed(token, subscription=4711), "filter"),
    "another schema": (lambda token: changed(token, schema=4711), "schema"),
    "of long ago": (lambda token: changed(token, commit=1), "expired"),
    "another key": (lambda token: sealed(point_of(token), "another secret"), "auth"),
    "another version": (lambda token: changed(token, version=9), "auth"),
    "nonsense": (lambda token: "nonsense", "auth"),
    "nothing": (lambda token: "", "auth"),
    "odd characters": (lambda token: token[:-1] + "\u20ac", "auth"),
    "cut short": (lambda token: token[:-1], "auth"),
    "longer": (lambda token: token + "A", "auth"),
    "huge": (lambda token: "A" * 100_000, "auth"),
}


def resets(relay: Relay, reason: str) -> float:
    metrics = Metrics(relay.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).body)
    return sum(value for labels, value in metrics.samples("walcast_resets_total") if labels["reason"] == reason)


@pytest.mark.parametrize("what", REFUSED)
def test_refused(shared_relay: Relay, what: str) -> None:
    """With the reason, then the state anew; and counted."""
    change, reason = REFUSED[what]
    uuid = new_record(shared_relay.database.connection, name="a")
    token = token_of(shared_relay, uuid)
    before = resets(shared_relay, reason)
    with v1_client(shared_relay) as client:
        rename(shared_relay, uuid, "b")
        one = client.subscribe(f"record/{uuid}", after=change(token))
        one.expect_reset(reason)
        rename(shared_relay, uuid, "c")
        while one.record is None or one.record["name"] != "c":
            one.next()
    assert resets(shared_relay, reason) == before + 1


@pytest.mark.parametrize("byte", range(0, 74, 3))
def test_tampered(shared_relay: Relay, byte: int) -> None:
    uuid = new_record(shared_relay.database.connection, name="a")
    token = token_of(shared_relay, uuid)
    with v1_client(shared_relay) as client:
        client.subscribe(f"record/{uuid}", after=flipped(token, byte)).expect_reset("auth")


def test_ahead_while_the_record_changes(shared_relay: Relay) -> None:
    """The wait for a shard that may be behind ends in `reset`, whatever else happens to the record."""
    uuid = new_record(shared_relay.database.connection, name="a")
    token = token_of(shared_relay, uuid)
    with v1_client(shared_relay) as client:
        one = client.subscribe(f"record/{uuid}", after=changed(token, commit=point_of(token).commit + (1 << 40)))
        for number in range(20):
            rename(shared_relay, uuid, f"{number}")
            time.sleep(0.02)
        one.expect_reset("ahead")


def test_another_select(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection, name="a")
    with v1_client(shared_relay) as client:
        token = client.record(uuid, select=["name", "uuid"]).token
        resumed(client, uuid, token, [], select=["uuid", "name", "name"])
        assert client.subscribe(f"record/{uuid}", after=token).expect_reset("filter")["name"] == "a"
        client.subscribe(f"record/{uuid}", after=token, select=["name"]).expect_reset("filter")
        other = new_record(shared_relay.database.connection, name="b")
        assert client.subscribe(f"record/{other}", after=token, select=["name", "uuid"]).expect_reset("filter")["name"] == "b"


def test_another_user(shared_relay: Relay) -> None:
    """Who has the token of somebody else gets what that somebody may not even know: nothing; and else the state anew."""
    institute = Institute(shared_relay.database)
    user = institute.user()
    hidden, shown = institute.collection(institute.user()), institute.collection(user)
    with v1_client(shared_relay) as root, v1_client(shared_relay, institute.database.token(user).v2) as client:
        client.refused("not_found", f"record/{hidden}", after=root.record(hidden).token)
        client.subscribe(f"record/{shown}", after=root.record(shown).token).expect_reset("auth")
    institute.close()


def test_schema(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A column has another type: who is connected follows, a token from before is refused."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, "2x53u", hostname="a")
    other = new_record(database.connection, "2x53u", hostname="o")
    token = token_of(relay, uuid)
    with v1_client(relay) as client:
        one = client.record(uuid)
        database.connection.execute("alter table virtual_machines alter column hostname type text")
        update_record(database.connection, other, hostname="p")
        update_record(database.connection, uuid, hostname="b")
        while (one.record or {}).get("hostname") != "b":
            one.next()
        with v1_client(relay) as late:
            assert late.subscribe(f"record/{uuid}", after=token).expect_reset("schema")["hostname"] == "b"
    assert read_record(database.connection, uuid) == one.record


def drop_slot(database: ArvadosDatabase) -> None:
    database.connection.execute("""
        do $$
        begin
            for attempt in 1..2000 loop
                begin
                    perform pg_terminate_backend(active_pid, 1000) from pg_replication_slots
                    where slot_name = 'walcast_%s' and active_pid is not null;
                    perform pg_drop_replication_slot('walcast_%s');
                    return;
                exception when object_in_use then null; -- the relay was faster
                end;
            end loop;
            raise 'the relay is always faster';
        end $$""" % (database.name, database.name))  # type: ignore[call-overload]


@pytest.mark.parametrize("running", [True, False], ids=["running", "down"])
def test_slot_dropped(database: ArvadosDatabase, make_relay: RelayMaker, running: bool) -> None:
    """Nobody knows what was committed while there was none: everybody is told, and gets the state."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, name="a")
    token = token_of(relay, uuid)
    if running:
        with v1_client(relay) as client:
            one, events = client.record(uuid), client.events()
            relay.signal(signal.SIGSTOP)
            drop_slot(database)
            rename(relay, uuid, "b")
            relay.signal(signal.SIGCONT)
            assert one.expect_reset("epoch", 20)["name"] == "b"
            events.expect("reset", 20, reason="epoch")
            rename(relay, uuid, "c")
            one.expect_changes("name", ["c"])
    else:
        relay.kill()
        drop_slot(database)
        rename(relay, uuid, "b", "c")
        relay.start()
    with v1_client(relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        assert one.expect_reset("epoch", 20)["name"] == "c"
        rename(relay, uuid, "d")
        one.expect_changes("name", ["d"])


def test_restored_to_an_earlier_state(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A backup is put back: what was told since never was, and no token of it is good."""
    relay = make_relay(own_database, "slot").start()
    uuid = new_record(own_database.connection, name="a")
    relay.stop()
    own_postgres.stop()
    own_postgres.keep_copy()
    own_postgres.start()
    own_database.reconnect()
    relay.start()
    for number in range(200):
        rename(relay, uuid, f"lost {number}")
    token = token_of(relay, uuid)
    relay.kill()
    own_postgres.stop()
    own_postgres.restore_copy()
    own_postgres.start()
    own_database.reconnect()
    relay.start()
    with v1_client(relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        assert one.expect("reset", 10)["reason"] in ("ahead", "epoch")
        assert one.expect_snapshot()["name"] == "a"


def test_promoted(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """A new timeline: history may have been divided."""
    relay = make_relay(own_database, "slot").start()
    uuid = new_record(own_database.connection, name="a")
    token = token_of(relay, uuid)
    relay.stop()
    own_postgres.stop()
    own_postgres.begin_standby()
    own_postgres.start()
    own_postgres.promote()
    own_database.reconnect()
    until("the end of recovery", lambda: own_database.connection.execute("select not pg_is_in_recovery()").fetchone() == (True,))
    relay.start()
    with v1_client(relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        assert one.expect("reset", 10)["reason"] in ("timeline", "epoch")
        one.expect_snapshot()


def test_expired(database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """The feed has moved on."""
    relay = make_relay(database, "slot")
    relay.cluster["Walcast"].update(FeedBytes="1MiB", FeedAge="1h")
    relay.start()
    uuid = new_record(database.connection, name="a")
    token = token_of(relay, uuid)
    for number in range(60):
        update_record(database.connection, uuid, name=f"{number}", description=f"{number}" * 30_000)
    with v1_client(relay) as client:
        one = client.subscribe(f"record/{uuid}", after=token)
        assert one.expect_reset("expired", 20)["name"] == "59"


def test_who_comes_while_the_past_is_read_again(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker) -> None:
    """Its memory is overtaken while the relay refills it, which takes a while: who was let in by then is served when that is done."""
    connection = own_database.connection
    uuid = new_record(connection, name="a")

    def write() -> None:
        update_record(connection, uuid, description=random.randbytes(20_000).hex())

    with FaultProxy(free_port(), own_postgres.port) as proxy:
        relay = make_relay(own_database, "slot")
        relay.cluster["PostgreSQL"]["Connection"]["port"] = str(proxy.port)
        relay.cluster["Walcast"].update(FeedBytes="1MiB")
        relay.start()
        with connection.transaction():
            for _ in range(60):
                write()
        for _ in range(60):
            write()
        relay.kill()
        proxy.throttle(600_000)
        relay.start(wait=False)
        relay.wait_listening()
        with v1_client(relay) as client:
            one = client.record(uuid, 60)
            assert one.record == read_record(connection, uuid)
            rename(relay, uuid, "b")
            one.expect_changes("name", ["b"])
