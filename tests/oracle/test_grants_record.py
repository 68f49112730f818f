"""What is recorded at each commit, against a real PostgreSQL: the predicate agrees with the rules written a second time in
Python, and it is that of the commit, whatever others do meanwhile."""

import random
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from oracle.grants.changes import draw, portable_data_hash
from oracle.grants.model import Model
from oracle.grants.plan import Transaction, Step
from oracle.grants.pools import ALL_USERS, ANONYMOUS_USER, KEEP_SERVICE, Pools
from oracle.grants.population import populate
from oracle.grants.world import SCRIPTS
from oracle.grants.writers import Writer
from support.arvados import ArvadosDatabase
from support.paths import SCHEMA
from support.postgres import Postgres

POOLS = Pools.of(12)


@pytest.fixture(scope="module")
def database() -> Iterator[ArvadosDatabase]:
    cluster = Postgres("record")
    cluster.set(max_prepared_transactions="10", deadlock_timeout="'30ms'")
    cluster.start()
    cluster.execute("create database arvados")
    for script in (SCHEMA, *SCRIPTS):
        cluster.load("arvados", script)
    database = ArvadosDatabase(cluster, "arvados")
    populate(database.connection, POOLS, random.Random(1))
    database.connection.execute("insert into oracle.watched select uuid from users")
    yield database
    database.connection.close()
    cluster.remove()


def recorded(database: ArvadosDatabase, log_id: int) -> set[str]:
    row = database.connection.execute("select readers from oracle.verdicts where log_id = %s", [log_id]).fetchone()
    assert row is not None
    return set(row[0])


def test_the_predicate_agrees_with_the_rules_in_python(database: ArvadosDatabase) -> None:
    """For every user and object, in one random state after another; the model walks the links, not materialized_permissions."""
    chance = random.Random(2)
    connection = database.connection
    objects = [*POOLS.all, KEEP_SERVICE, ALL_USERS, *(portable_data_hash(number) for number in range(7)), "", "nonsense",
               "zzzzz-4zz18-absent000000000", "aaaaa-4zz18-coll00000000000"]
    both = {True: 0, False: 0}
    for number in range(8):
        for _ in range(60):
            change = draw(chance, POOLS)
            connection.execute(change.statement.encode(), change.arguments)
        connection.execute("select oracle.upkeep(%s)", [number % 3 == 0])
        now = connection.execute("select demo.clock() + interval '2 s'").fetchone()
        assert now is not None
        model = Model(connection, now[0])
        rows = connection.execute(
            "select u.uuid, o.uuid, coalesce(oracle.readable(u.uuid, o.uuid, u.is_active, %s), false)"
            " from users as u, unnest(%s::text[]) as o(uuid)", [now[0], objects]).fetchall()
        assert len(rows) > 1500
        for user, uuid, answer in rows:
            assert model.readable(user, uuid) == answer, f"state {number}: {user} {uuid}: the predicate says {answer}"
            both[answer] += 1
    assert min(both.values()) > 500, both


def grant(connection: psycopg.Connection, tail: str, head: str) -> None:
    connection.execute("select demo.create('links', jsonb_build_object('uuid', demo.uuid('o0j2j'), 'link_class', 'permission',"
                       " 'name', 'can_read', 'tail_uuid', %s::text, 'head_uuid', %s::text))", [tail, head])


def test_the_answer_is_that_of_the_commit(database: ArvadosDatabase) -> None:
    """A writes an event; B revokes and waits for the lock; A commits after B did: B's revocation counts for A."""
    connection = database.connection
    project, collection = "zzzzz-j7d0g-recordproject00", "zzzzz-4zz18-recordcoll00000"
    reader = ANONYMOUS_USER
    connection.execute("begin")
    connection.execute("select demo.create('groups', %s::jsonb)",
                       ['{"uuid":"' + project + '","name":"p","group_class":"project","owner_uuid":"zzzzz-tpzed-000000000000000"}'])
    connection.execute("select demo.create('collections', %s::jsonb)",
                       ['{"uuid":"' + collection + '","current_version_uuid":"' + collection + '","owner_uuid":"' + project + '"}'])
    grant(connection, reader, project)
    connection.execute("select oracle.upkeep(false)")
    connection.execute("select oracle.judge()")
    connection.execute("commit")
    assert reader in recorded(database, last_log(database, collection))
    with database.connect() as a, database.connect() as b:
        a.execute("begin")
        a.execute("select demo.change('collections', %s, '{}')", [collection])
        b.execute("begin")
        b.execute("select demo.destroy('links', uuid) from links where head_uuid = %s", [project])
        b.execute("select oracle.upkeep(true)")
        b.execute("select oracle.judge()")
        waiting = threading.Thread(target=lambda: a.execute("select oracle.judge()"))
        waiting.start()
        time.sleep(0.2)
        assert waiting.is_alive(), "A did not wait for B's commit"
        b.execute("commit")
        waiting.join(10)
        a.execute("commit")
    assert reader not in recorded(database, last_log(database, collection))


def last_log(database: ArvadosDatabase, uuid: str) -> int:
    row = database.connection.execute("select max(id) from logs where object_uuid = %s", [uuid]).fetchone()
    assert row is not None
    return int(row[0])


def test_places_are_those_of_the_commits(database: ArvadosDatabase) -> None:
    """Prepared, rolled back and ordinary transactions at once: a slot gives the rows in the recorded order, and the same rows."""
    connection = database.connection
    connection.execute("create publication record for table logs")
    connection.execute("select pg_create_logical_replication_slot('record', 'test_decoding')")
    before = connection.execute("select last_value from oracle.place").fetchone()
    chance = random.Random(3)

    def transaction() -> Transaction:
        steps = tuple(Step(tuple(draw(chance, POOLS) for _ in range(2)), chance.random() < 0.8, True, chance.random() < 0.2)
                      for _ in range(2))
        return Transaction(steps, chance.choice(["commit", "commit", "rollback", "prepare", "prepare-rollback"]), 0.002, 0.002)

    writers = [Writer(database, tuple(transaction() for _ in range(12))) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert not writer.failed
    rows = connection.execute("select data from pg_logical_slot_get_changes('record', null, null)").fetchall()
    decoded = [int(data.split("id[bigint]:", 1)[1].split(" ", 1)[0]) for data, in rows
               if data.startswith("table public.logs: INSERT")]
    verdicts = connection.execute("select log_id from oracle.verdicts where place > %s order by place, log_id", before).fetchall()
    assert len(decoded) > 30
    assert decoded == [log_id for log_id, in verdicts]
