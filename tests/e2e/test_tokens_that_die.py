"""Tokens that die while connected: nothing committed later is delivered, and everything committed before is.

Other connections write events all the while. A client of the system user sees all of them in the order of the commits, and in
it the event that the change of the token wrote in its own transaction: the state at commit counts, so that is the first one
that the dead token's client must not get.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from conftest import RelayMaker
from support.arvados import ArvadosDatabase, Token, insert_log
from support.client import Client, difference
from support.postgres import Postgres
from support.relay import Relay

RACE = [["event_type", "in", ["race", "mark", "end"]]]
#: What happens in the database, given an open transaction, the token and its user.
Change = Callable[[psycopg.Connection, Token, str], None]


def logout(on: psycopg.Connection, token: Token, _: str) -> None:
    on.execute("update api_client_authorizations set expires_at = clock_timestamp() at time zone 'UTC' where uuid = %s", (token.uuid,))


def deletion(on: psycopg.Connection, token: Token, _: str) -> None:
    on.execute("delete from api_client_authorizations where uuid = %s", (token.uuid,))


def scopes(on: psycopg.Connection, token: Token, _: str) -> None:
    on.execute("""update api_client_authorizations set scopes = '["GET /arvados/v1/users/current"]' where uuid = %s""", (token.uuid,))


def unsetup(on: psycopg.Connection, token: Token, user: str) -> None:
    on.execute("update users set is_admin = false, is_active = false where uuid = %s", (user,))
    deletion(on, token, user)


def demotion(on: psycopg.Connection, _: Token, user: str) -> None:
    on.execute("update users set is_admin = false where uuid = %s", (user,))


def merge(on: psycopg.Connection, _: Token, user: str) -> None:
    on.execute("update users set redirect_to_user_uuid = 'zzzzz-tpzed-000000000000000' where uuid = %s", (user,))


def user_deletion(on: psycopg.Connection, token: Token, user: str) -> None:
    deletion(on, token, user)
    on.execute("delete from users where uuid = %s", (user,))


@contextmanager
def writers(database: ArvadosDatabase, count: int = 3) -> Iterator[None]:
    """So many connections that write events of the type `race` as fast as they can."""
    over = threading.Event()

    def write() -> None:
        with database.connect() as own:
            while not over.is_set():
                insert_log(own, event_type="race")

    threads = [threading.Thread(target=write) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ids_until(client: Client, last: int) -> list[int]:
    got: list[int] = []
    while not got or got[-1] != last:
        got.append(client.event()["id"])
    return got


def commit(database: ArvadosDatabase, change: Change, token: Token, user: str) -> int:
    """The change and an event in one transaction; returns the event's id."""
    with database.connect() as own, own.transaction():
        mark = insert_log(own, event_type="mark")
        change(own, token, user)
    return mark


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("change", [logout, deletion, scopes, unsetup, demotion, merge, user_deletion], ids=lambda change: change.__name__)
def test_silent_from_its_commit_on(shared_relay: Relay, shared_database: ArvadosDatabase, change: Change) -> None:
    user = shared_database.admin()
    token = shared_database.token(user)
    with shared_relay.client() as witness, shared_relay.client(token.v2) as client, shared_relay.client(token.v1) as other:
        for one in (witness, client, other):
            one.subscribe(RACE)
        first = shared_database.log(event_type="race")
        for one in (witness, client, other):
            one.expect_ids([first])
        with writers(shared_database):
            time.sleep(0.3)
            mark = commit(shared_database, change, token, user)
            time.sleep(0.2)
        end = shared_database.log(event_type="end")
        order = ids_until(witness, end)
        before = order[:order.index(mark)]
        for one in (client, other):
            got = [event["id"] for event in one.events(timeout=0.5)]
            assert got == before, difference(before, got)
        client.subscribe(last_log_id=mark - 1)
        client.expect_silence(0.3)


@pytest.mark.only_source("slot")
def test_seeing_from_its_commit_on(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """A user who becomes an administrator; the other direction."""
    user = shared_database.user()
    token = shared_database.token(user)

    def promotion(on: psycopg.Connection, _: Token, user: str) -> None:
        on.execute("update users set is_admin = true where uuid = %s", (user,))

    with shared_relay.client() as witness, shared_relay.client(token.v2) as client:
        witness.subscribe(RACE)
        client.subscribe(RACE)
        time.sleep(1)
        with writers(shared_database):
            time.sleep(0.2)
            mark = commit(shared_database, promotion, token, user)
            time.sleep(0.2)
        end = shared_database.log(event_type="end")
        order = ids_until(witness, end)
        after = order[order.index(mark):]
        got = ids_until(client, end)
        assert got == after, difference(after, got)


@pytest.mark.only_source("slot")
def test_expiry_at_its_moment(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Committed before it: sent, however late. Begun after it: not sent."""
    token = shared_database.token(shared_database.admin(), expires_at="clock_timestamp() + interval '2 s'")
    row = shared_database.connection.execute("select expires_at from api_client_authorizations where uuid = %s", (token.uuid,)).fetchone()
    assert row is not None
    with shared_relay.client(token.v2) as client:
        client.subscribe(RACE)
        early: list[int] = []
        late: list[int] = []
        while len(late) < 50:
            now = "select clock_timestamp() at time zone 'UTC'"
            begun = shared_database.connection.execute(now).fetchone()
            event = shared_database.log(event_type="race")
            ended = shared_database.connection.execute(now).fetchone()
            assert begun is not None and ended is not None
            if begun[0] >= row[0]:
                late.append(event)
            elif ended[0] < row[0]:
                early.append(event)
        got = [event["id"] for event in client.events(timeout=0.5)]
        assert [one for one in got if one in early] == early
        assert not set(got) & set(late)


@pytest.mark.only_source("slot")
def test_the_end_of_a_large_transaction_counts_for_its_beginning(own_postgres: Postgres, own_database: ArvadosDatabase,
                                                                 make_relay: RelayMaker, source: str) -> None:
    """It comes in segments, and only the last one has the deletion. Others get all of it."""
    relay = make_relay(own_database, source).start()
    user = own_database.admin()
    token = own_database.token(user)
    rows = 30_000
    with relay.client() as witness, relay.client(token.v2) as client, own_database.connect() as own:
        witness.subscribe(RACE)
        client.subscribe(RACE)
        before = own_database.log(event_type="race")
        client.expect_ids([before])
        with own.transaction():
            own.execute("""insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, properties,
                                             created_at, updated_at)
                           select 'zzzzz-57u5n-' || lpad(n::text, 15, '0'), 'zzzzz-tpzed-000000000000000',
                                  'zzzzz-4zz18-aaaaaaaaaaaaaaa', 'zzzzz-tpzed-000000000000000', 'race', now(),
                                  '{"new_attributes":{"name":"' || repeat('x', 300) || '"}}', now() at time zone 'UTC',
                                  now() at time zone 'UTC' from generate_series(1, %s) n""", (rows,))
            deletion(own, token, user)
        end = own_database.log(event_type="end")
        assert len(ids_until(witness, end)) == rows + 2
        client.expect_silence(0.3)


@pytest.mark.only_source("listener")
@pytest.mark.parametrize("change", [logout, deletion, demotion], ids=lambda change: change.__name__)
def test_with_the_listener_within_seconds(shared_relay: Relay, shared_database: ArvadosDatabase, change: Change) -> None:
    user = shared_database.admin()
    token = shared_database.token(user)
    with shared_relay.client(token.v2) as client:
        client.subscribe(RACE)
        client.expect_ids([shared_database.log(event_type="race")])
        commit(shared_database, change, token, user)
        time.sleep(6.5)
        client.events(timeout=0.2)
        shared_database.log(event_type="race")
        client.expect_silence(0.5)
