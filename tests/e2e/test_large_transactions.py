"""Transactions larger than what the server decodes in memory, whole and in parts, with what is rolled back within them."""

import json

import pytest

from conftest import RelayMaker
from support.arvados import SYSTEM_ROOT_TOKEN, ArvadosDatabase, insert_log
from support.client import difference
from support.load import Writer
from support.postgres import Postgres
from support.raw_websocket import TEXT, RawWebSocket
from support.wait import until

ROWS = 20_000
BULK = """
    insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_type, event_at, properties, created_at, updated_at)
    select 'zzzzz-57u5n-' || %(mark)s || lpad(n::text, 14, '0'), 'zzzzz-tpzed-000000000000000', 'zzzzz-4zz18-aaaaaaaaaaaaaaa',
           'zzzzz-tpzed-000000000000000', %(mark)s, now(), '{"new_attributes":{"name":"' || repeat('x', 200) || '"}}',
           now() at time zone 'UTC', now() at time zone 'UTC'
    from generate_series(1, %(rows)s) n returning id"""


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "in progress"])
def test_large_transaction(own_postgres: Postgres, own_database: ArvadosDatabase, make_relay: RelayMaker, source: str,
                           streaming: bool) -> None:
    """Each committed row once and in order; nothing of a savepoint or a transaction that was rolled back."""
    own_database.connection.execute("alter system set logical_decoding_work_mem = '64kB'")
    own_database.connection.execute("select pg_reload_conf()")
    relay = make_relay(own_database, source)
    relay.config["Clusters"]["zzzzz"]["Walcast"]["StreamTransactions"] = streaming
    relay.start()
    with relay.client() as client, own_database.connect() as large, own_database.connect() as gone:
        client.subscribe([["event_type", "not in", ["update"]]])
        gone.execute("begin")
        gone.execute(BULK, {"mark": "g", "rows": ROWS})
        large.execute("begin")
        kept = [row[0] for row in large.execute(BULK, {"mark": "a", "rows": ROWS}).fetchall()]
        large.execute("savepoint s")
        large.execute(BULK, {"mark": "b", "rows": ROWS})
        large.execute("rollback to s")
        between = own_database.log(event_type="between")
        kept += [row[0] for row in large.execute(BULK, {"mark": "c", "rows": ROWS}).fetchall()]
        client.expect_ids([between])
        large.execute("commit")
        gone.execute("rollback")
        client.expect_ids(kept, timeout=60)
        client.expect_ids([insert_log(own_database.connection, event_type="after")])
    if streaming:
        until("the server to have streamed", lambda: own_database.connection.execute(
            "select sum(stream_txns) from pg_stat_replication_slots").fetchone()[0] > 0)


def test_large_rows_are_read_again_from_the_table(make_relay: RelayMaker, database: ArvadosDatabase, source: str) -> None:
    """What the feed has dropped when a slow client comes to it: all of it, also where a page of the table is not enough."""
    relay = make_relay(database, source)
    relay.cluster["Walcast"]["FeedBytes"] = "1MiB"
    relay.start()
    with RawWebSocket(relay.port, f"/websocket?api_token={SYSTEM_ROOT_TOKEN}") as slow:
        slow.frame(TEXT, b'{"method":"subscribe"}')
        assert slow.read() == (TEXT, b'{"status":200}')
        with Writer(database, per_second=1000, padding=60_000) as writer:
            writer.wait_for(600)
            committed = writer.stop()
        with relay.client() as quick:  # the relay has seen them all
            quick.subscribe(last_log_id=committed[-2])
            quick.expect_ids([committed[-1]])
        got: list[int] = []
        while len(got) < len(committed):
            frame = slow.read()
            assert frame is not None and frame[0] == TEXT, f"{frame} after {len(got)} of {len(committed)} events"
            if frame[1] != b"{}":
                got.append(json.loads(frame[1])["id"])
                assert got[-1] == committed[len(got) - 1], difference(committed[:len(got)], got)
