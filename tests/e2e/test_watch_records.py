"""`walcast watch record/UUID`: the state of objects and each change, on a terminal and for scripts."""

import json
import signal
import time

import pytest
from conftest import RelayMaker
from support.arvados import ArvadosDatabase, new_uuid
from support.institute import Institute
from support.records import delete_record, insert_record, new_record, read_record, update_record
from support.relay import Relay
from support.wait import until
from support.watch import Watch, on_a_terminal
from support.ways import LinkBetween, foreign_project

pytestmark = pytest.mark.only_source("slot")

SUBSCRIBED = "subscribed to"


# What it prints


def test_the_state_and_each_change(shared_relay: Relay) -> None:
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a", properties=json.dumps({"kind": "x", "list": [1, 2, 3]}))
    topic = f"record/{uuid}"
    with Watch(topic, shared_relay.url(), "--select", "uuid,name", "--select=properties,description").wait_notice(SUBSCRIBED) as watch:
        with connection.transaction():
            update_record(connection, uuid, name="b", description="one\ntwo\nthree\n")
            update_record(connection, uuid, properties=json.dumps({"list": [1, 3], "new": {"a": True}}),
                          description="one\n2\nthree\n")
        delete_record(connection, uuid)
        insert_record(connection, uuid, {"name": "\x1b[2Jevil"})
        until("the insert", lambda: any("evil" in line for line in watch.lines))
        watch.signal(signal.SIGINT)
        assert watch.exit_code() == 0
        assert [block[0] for block in watch.blocks()] == [f"{what}{topic}" for what in ("state    ", "update   ", "update   ", "delete   ",
                                                                                       "insert   ")]
        state, first, second, _, insert = watch.blocks()
        assert sorted(state[1:]) == ['description  null', 'name         "a"', 'properties   {"kind":"x","list":[1,2,3]}',
                                     f'uuid         "{uuid}"']
        assert sorted(first[1:]) == ['description  null → "one\\ntwo\\nthree\\n"', 'name         "a" → "b"']
        assert sorted(second[1:]) == sorted([
            "description         14 → 12 bytes:", "@ line 2", "- two", "+ 2", "- properties.list[1]  2",
            '+ properties.new      {"a":true}', '- properties.kind     "x"'])
        assert "@ line 2\n- two\n+ 2" in "\n".join(second)
        assert '"\\u001b[2Jevil"' in "\n".join(insert)
        assert watch.notices[0] == f"walcast watch: subscribed to ws://{shared_relay.host}/arvados/v1/events.ws"
        assert watch.notices[1].startswith("walcast watch: ended; to go on exactly here: --after ")
        assert len(watch.notices) == 2


def test_times_are_those_of_the_commits(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    with Watch(shared_relay.url(), f"record/{uuid}", "--utc", "--count", "1", TZ="Asia/Tokyo").wait_notice(SUBSCRIBED) as watch:
        before = int(time.time())
        update_record(shared_relay.database.connection, uuid, name="b")
        assert watch.exit_code() == 0
        wanted = {time.strftime("%H:%M:%S update", time.gmtime(before + late)) for late in range(10)}
        assert any(line[-len(f"HH:MM:SS update   record/{uuid}"):][:15] in wanted for line in watch.lines), watch.lines


def test_json_is_the_messages(shared_relay: Relay) -> None:
    """Every message about the topics, as the schema has it, whole rows as the table has them."""
    connection = shared_relay.database.connection
    one, other = new_record(connection, name="a"), new_record(connection, "j7d0g", name="p")
    with Watch(f"record/{one}", f"record/{other}", f"record/{one}", shared_relay.url(), "--json", "--count", "3",
               "--color=always").wait_notice(SUBSCRIBED) as watch:
        update_record(connection, one, name="b")
        update_record(connection, other, name="q")
        delete_record(connection, other)
        assert watch.exit_code() == 0
        got = watch.messages()
        assert sorted((message["op"], message["id"]) for message in got[:4]) == sorted(
            (op, f"record/{uuid}") for op in ("snapshot", "live") for uuid in (one, other))
        assert [(message["type"], message["id"]) for message in got[4:]] == [
            ("update", f"record/{one}"), ("update", f"record/{other}"), ("delete", f"record/{other}")]
        assert got[4]["record"] == read_record(connection, one)
        assert len(watch.notices) == 1


def test_unchanged(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    """A large value that is not in the log, and that the relay does not know after its restart."""
    relay = make_relay(database, "slot").start()
    uuid = new_record(database.connection, name="a", description="x" * 20_000)
    database.connection.execute("alter table collections alter column description set storage external")
    update_record(database.connection, uuid, description="y" * 20_000)
    with Watch(f"record/{uuid}", relay.url(), "--json", "--once") as watch:
        assert watch.exit_code() == 0
        token = watch.messages()[-1]["token"]
    relay.stop()
    update_record(database.connection, uuid, name="b")
    relay.start()
    with Watch(f"record/{uuid}", relay.url(), "--after", token, "--count", "1") as watch:
        assert watch.exit_code() == 0
        [block] = watch.blocks()
        text = "\n".join(block)
        assert "description" in text and "unchanged, and too large to be in the log" in text
        assert '"b"' in text and "yyy" not in text


def test_events(shared_relay: Relay) -> None:
    uuid = new_uuid("dz642")
    wanted = ["--kind", "container", "--object", uuid, "--utc"]
    with Watch("events", shared_relay.url(), *wanted, "--count", "1").wait_notice(SUBSCRIBED) as lines, \
            Watch("events", shared_relay.url(), *wanted, "--json").wait_notice(SUBSCRIBED) as raw:
        shared_relay.database.log(object_uuid=new_uuid("dz642"))
        logged = shared_relay.database.log(event_type="update", object_uuid=uuid, properties=json.dumps(
            {"old_attributes": {"state": "Queued"}, "new_attributes": {"state": "Running"}}))
        raw.wait_lines(2)
        assert lines.exit_code() == 0
        assert lines.lines == [f"2026-01-02 03:04:05 update   container         {uuid}  state Queued → Running  "
                               "owner zzzzz-tpzed-000000000000000"]
        assert [message["op"] for message in raw.messages()] == ["live", "change"]
        assert raw.messages()[1]["record"]["id"] == logged


@pytest.mark.parametrize(("arguments", "environment", "colored"), [
    ([], {}, True), ([], {"NO_COLOR": "1"}, False), (["--color=always"], {"NO_COLOR": "1"}, True), (["--color=never"], {}, False)])
def test_color_on_a_terminal(shared_relay: Relay, arguments: list[str], environment: dict[str, str], colored: bool) -> None:
    uuid = new_record(shared_relay.database.connection)
    text = on_a_terminal(shared_relay.url(), f"record/{uuid}", "--select", "uuid", "--once", *arguments, **environment)
    assert ("\x1b[36mstate\x1b[0m" in text) == colored, text
    assert ("\x1b" in text) == colored, text


def test_whoever_reads_may_go(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    with Watch(f"record/{uuid}", shared_relay.url(), "--json", reader="head -2").wait_notice(SUBSCRIBED) as watch:
        watch.wait_lines(2)
        names = iter(range(1000))
        until("the end", lambda: update_record(shared_relay.database.connection, uuid, name=str(next(names)))
              or watch.process.poll() is not None)
        assert watch.exit_code() == 0
        assert len(watch.notices) == 1, watch.notices


# Where it begins and ends


def test_once_and_after(shared_relay: Relay) -> None:
    """A token taken from one run is where the next begins; with --once it ends when there is nothing more."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    topic = [f"record/{uuid}", shared_relay.url(), "--json", "--once"]
    with Watch(*topic) as watch:
        assert watch.exit_code() == 0
        assert watch.told() == ["a"]
        token = watch.messages()[-1]["token"]
    for name in ("b", "c"):
        update_record(connection, uuid, name=name)
    for _ in range(2):
        with Watch(*topic, "--after", token) as watch:
            assert watch.exit_code() == 0
            assert watch.told() == ["b", "c"]
    with Watch(*topic, "--after", token, "--latest", "--select", "name") as watch:
        assert watch.exit_code() == 0
        assert [message["op"] for message in watch.messages()] == ["reset", "snapshot", "live"]
    with Watch(f"record/{uuid}", shared_relay.url(), "--once", "--after", "none-of-yours") as watch:
        assert watch.exit_code() == 0
        assert watch.blocks()[0] == [f"reset    record/{uuid}  auth: the token is of another user, or of another server"]
        assert watch.blocks()[1][0] == f"state    record/{uuid}"


def test_interrupted_is_where_it_goes_on(shared_relay: Relay) -> None:
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    with Watch(f"record/{uuid}", shared_relay.url()).wait_notice(SUBSCRIBED) as watch:
        watch.signal(signal.SIGTERM)
        assert watch.exit_code() == 0
        token = watch.notices[-1].rpartition(" ")[2]
    update_record(connection, uuid, name="b")
    with Watch(f"record/{uuid}", shared_relay.url(), "--json", "--once", "--after", token) as watch:
        assert watch.exit_code() == 0
        assert watch.told() == ["b"]


# Rights


def test_silenced_and_restored(shared_relay: Relay) -> None:
    institute = Institute(shared_relay.database)
    user, project = institute.user(), foreign_project(institute)
    collection = institute.collection(project)
    link = LinkBetween(institute, user, project)
    topic = f"record/{collection}"

    def readable() -> bool:
        with Watch(topic, shared_relay.url(), "--once", token=institute.database.token(user).v2) as probe:
            return probe.exit_code() == 0

    until("the grant to be read", readable)
    with Watch(topic, shared_relay.url(), "--select", "name", token=institute.database.token(user).v2).wait_notice(SUBSCRIBED) as watch:
        institute.change(collection, name="before")
        link.revoke()
        until("silence", lambda: any("silenced" in line for line in watch.lines))
        institute.change(collection, name="hidden")
        link.grant()
        until("the state", lambda: sum(line.split(" ", 1)[1].startswith("state") for line in watch.lines if line[0] != " ") == 2)
        institute.change(collection, name="after")
        until("the change", lambda: '"hidden" → "after"' in "\n".join(watch.lines))
        assert [block[0].split()[0] for block in watch.blocks()] == ["state", "update", "silenced", "restored", "state", "update"]
        assert watch.blocks()[2] == [f"silenced {topic}  permission: it may not be read any more"]
        assert watch.blocks()[4][1:] == ['name  "hidden"']
    institute.close()


# What it refuses, and what refuses it


@pytest.mark.parametrize(("topic", "words"), [
    ("record/zzzzz-4zz18-nothingofthis00", "(not_found)"), ("record/zzzzz-xxxxx-nothingofthis00", "(unknown_topic)"),
    ("record/", "(unknown_topic)")])
def test_what_there_is_not(shared_relay: Relay, topic: str, words: str) -> None:
    with Watch(topic, shared_relay.url()) as watch:
        watch.fails(words)
        assert watch.notices[0].startswith(f"walcast watch: {topic}: ")


def test_one_of_many_is_refused(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection, name="a")
    with Watch("record/zzzzz-4zz18-nothingofthis00", f"record/{uuid}", shared_relay.url(), "--json", "--once") as watch:
        assert watch.exit_code() == 1
        assert watch.told() == ["a"] and any(message["op"] == "error" for message in watch.messages())
        assert any("record/zzzzz-4zz18-nothingofthis00: " in line and "(not_found)" in line for line in watch.notices)


def test_a_bad_column_and_a_bad_token(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    with Watch(f"record/{uuid}", shared_relay.url(), "--select", "name,nonsense") as watch:
        watch.fails("(bad_request)")
    with Watch(f"record/{uuid}", shared_relay.url(), token="v2/zzzzz-gj3su-000000000000000/nonsense") as watch:
        watch.fails("the server refuses the token: ")


def test_without_a_slot(make_relay: RelayMaker, database: ArvadosDatabase) -> None:
    relay = make_relay(database, "listener").start()
    with Watch(f"record/{new_record(database.connection)}", relay.url()) as watch:
        watch.fails("(unavailable)")


@pytest.mark.parametrize(("arguments", "words"), [
    (["record/a", "--since", "5m"], "--since is not for topics"), (["record/a", "--last-log-id", "5"], "--last-log-id is not for"),
    (["record/a", "--kind", "container"], "--kind is for the topic events"), (["events", "--select", "a"], "--select is for record/"),
    (["--after", "x"], "--after is for topics"), (["--once"], "--once is for topics"), (["--latest"], "--latest is for topics"),
    (["record/a", "ws://h/", "ws://i/"], "there is a URL already"), (["record/" + "a" * 100], "too long for a topic"),
    (["record/a", "--once", "--count", "1"], "--count cannot be beside --once"), (["events", "--filters", "{}"], "--filters"),
    (["record/a", "nonsense"], "is no URL")])
def test_options_that_cannot_be(arguments: list[str], words: str) -> None:
    with Watch(*arguments) as watch:
        watch.fails(words)
