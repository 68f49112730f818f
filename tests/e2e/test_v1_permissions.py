"""Protocol v1 and the right to read: taken away and given back at the commit that does it, and nothing told about what is hidden."""

from collections.abc import Callable, Iterator

import pytest

from support.client import Message
from support.institute import Institute
from support.records import new_record
from support.relay import Relay
from support.v1 import Subscription, V1Client, v1_client
from support.wait import until
from support.ways import LinkBetween, foreign_project, shared_project

pytestmark = pytest.mark.only_source("slot")


class Reader:
    """A user with a session, and the collections that it follows."""

    def __init__(self, relay: Relay, institute: Institute) -> None:
        self.institute = institute
        self.user = institute.user()
        self.client: V1Client = v1_client(relay, institute.database.token(self.user).v2)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def follow(self, uuid: str) -> Subscription:
        """When the relay has read the grant."""
        def live() -> Subscription | None:
            one = self.client.subscribe(f"record/{uuid}")
            message = one.next()
            if message["op"] == "error":
                assert message["code"] == "not_found", message
                return None
            one.expect("live")
            return one

        return until(f"{uuid} to be readable", live)

    def expect_renamed(self, one: Subscription, *names: str) -> None:
        """Renames, and these names come, and nothing else."""
        for name in names:
            self.institute.change(one.topic.removeprefix("record/"), name=name)
        one.expect_changes("name", list(names))


@pytest.fixture
def reader(shared_relay: Relay, institute: Institute) -> Iterator[Reader]:
    with Reader(shared_relay, institute) as reader:
        yield reader


def restored(one: Subscription) -> Message:
    one.expect("restored")
    record = one.expect_snapshot()
    assert isinstance(record, dict)
    return record


def test_a_link_that_goes_and_comes(reader: Reader, institute: Institute) -> None:
    """Nothing that is committed in between is told; the state afterwards is."""
    project = foreign_project(institute)
    collection = institute.collection(project)
    link = LinkBetween(institute, reader.user, project)
    one = reader.follow(collection)
    for number in range(3):
        reader.expect_renamed(one, f"a{number}", f"b{number}")
        link.revoke()
        institute.change(collection, name=f"hidden {number}")
        one.expect("silenced", reason="permission")
        one.expect_silence(0.1)
        link.grant()
        assert restored(one)["name"] == f"hidden {number}"


def test_at_once(reader: Reader, institute: Institute) -> None:
    """What was granted, and committed, before a subscribe counts for it, however little time has passed."""
    for _ in range(15):
        project = foreign_project(institute)
        collection = institute.collection(project, name="at once")
        institute.grant(reader.user, project)
        record = reader.client.record(collection).record
        assert record is not None and record["name"] == "at once"


def test_in_the_same_transaction(reader: Reader, institute: Institute) -> None:
    """The right at the commit counts: a change of the record that is committed with a revocation is not told."""
    project = foreign_project(institute)
    collection = institute.collection(project)
    link = LinkBetween(institute, reader.user, project)
    one = reader.follow(collection)
    with institute.transaction():
        institute.change(collection, name="too late")
        link.revoke()
    one.expect("silenced", reason="permission")
    with institute.transaction():
        institute.change(collection, name="in time")
        link.grant()
    assert restored(one)["name"] == "in time"
    with institute.transaction():
        link.revoke()
        institute.change(collection, name="as if nothing had been")
        link.grant()
    one.expect_changes("name", ["as if nothing had been"])


def test_moved_away(reader: Reader, institute: Institute) -> None:
    """By a change of the record itself: who may not read the new one is not told where it went."""
    here, there = shared_project(institute, reader.user), foreign_project(institute)
    collection = institute.collection(here)
    one = reader.follow(collection)
    institute.change(collection, owner_uuid=there)
    one.expect("silenced", reason="permission")
    institute.change(collection, owner_uuid=here)
    assert restored(one)["owner_uuid"] == here


def test_hidden_and_absent_alike(reader: Reader, institute: Institute) -> None:
    """The same answer, but for the id, with a snapshot or without, with a token or without; and no message afterwards."""
    hidden = institute.collection(foreign_project(institute))
    absent = hidden[:-4] + "zzzz"
    for more in ({}, {"snapshot": False}, {"select": ["uuid"]}, {"latest": True}):
        answers = [reader.client.refused("not_found", f"record/{uuid}", **more) for uuid in (hidden, absent)]
        assert [{key: value for key, value in answer.items() if key != "id"} for answer in answers][0] == \
            {key: value for key, value in answers[1].items() if key != "id"}
    institute.change(hidden, name="told to nobody")
    institute.event(reader.user)
    assert reader.client.pump(0.3) is None


@pytest.mark.parametrize("infix", ["gj3su", "oss07", "57u5n", "fngyi"])
def test_rows_of_others(shared_relay: Relay, reader: Reader, institute: Institute, infix: str) -> None:
    """Tokens, credentials, logs and keys of somebody else."""
    other = institute.user()
    connection = shared_relay.database.connection
    uuid = shared_relay.database.token(other).uuid if infix == "gj3su" else new_record(connection, infix, owner_uuid=other)
    reader.client.refused("not_found", f"record/{uuid}")


def trash_it(of: Institute, collection: str, project: str) -> Callable[[bool], None]:
    return lambda away: of.change(collection, trash_at=away, is_trashed=away)


def trash_its_project(of: Institute, collection: str, project: str) -> Callable[[bool], None]:
    return lambda away: of.change(project, trash_at=away, is_trashed=away)


@pytest.mark.parametrize("put", [trash_it, trash_its_project])
def test_trash(reader: Reader, institute: Institute, put: Callable[[Institute, str, str], Callable[[bool], None]]) -> None:
    """Trash is no deletion: who may read a collection with include_trash goes on to."""
    project = shared_project(institute, reader.user)
    collection = institute.collection(project)
    one = reader.follow(collection)
    trash = put(institute, collection, project)
    for away in (True, False):
        trash(away)
        if put is trash_it:
            assert one.expect("change")["record"]["is_trashed"] is away
        reader.expect_renamed(one, f"trashed: {away}")


def test_trash_of_a_class_that_is_not_to_be_had_from_it(reader: Reader, institute: Institute) -> None:
    project = shared_project(institute, reader.user)
    workflow = institute.create("workflows", owner_uuid=project)
    one = reader.follow(workflow)
    institute.change(project, trash_at=True)
    institute.change(workflow, name="in the trash")
    one.expect("silenced", reason="permission")
    institute.change(project, trash_at=False)
    assert restored(one)["name"] == "in the trash"


def test_deleted(reader: Reader, institute: Institute) -> None:
    """Who may read the owner is told; the subscription stays, and what comes back is told."""
    project = shared_project(institute, reader.user)
    collection = institute.collection(project)
    one = reader.follow(collection)
    institute.destroy(collection)
    one.expect("change", type="delete", record=None)
    connection = institute.database.connection
    connection.execute("insert into collections (uuid, owner_uuid, name, created_at, updated_at, current_version_uuid)"
                       " values (%s, %s, 'back', now(), now(), %s)", [collection, project, collection])
    message = one.next()
    while message["op"] in ("restored", "silenced"):
        message = one.next()
    assert (message["op"], message["record"]["name"]) in (("change", "back"), ("snapshot", "back")), message


def test_deleted_and_back_with_somebody_else(reader: Reader, institute: Institute) -> None:
    """Who saw the deletion does not see what comes back, if it belongs to others; until it is granted that."""
    project, foreign = shared_project(institute, reader.user), foreign_project(institute)
    collection = institute.collection(project)
    one = reader.follow(collection)
    institute.destroy(collection)
    one.expect("change", type="delete", record=None)
    connection = institute.database.connection
    connection.execute("insert into collections (uuid, owner_uuid, name, created_at, updated_at, current_version_uuid)"
                       " values (%s, %s, 'hidden', now(), now(), %s)", [collection, foreign, collection])
    one.expect("silenced", reason="permission")
    institute.change(collection, name="still hidden")
    institute.grant(reader.user, foreign)
    assert restored(one)["name"] == "still hidden"


def test_an_administrator_that_is_none_any_more(shared_relay: Relay, institute: Institute) -> None:
    user = institute.database.admin()
    own, foreign = institute.collection(user), institute.collection(foreign_project(institute))
    with v1_client(shared_relay, institute.database.token(user).v2) as client:
        one, other = client.record(own), client.record(foreign)
        institute.database.connection.execute("update users set is_admin = false where uuid = %s", [user])
        institute.change(foreign, name="hidden")
        institute.change(own, name="shown")
        while other.state.stage != "silenced":
            message = other.next()
            assert message.get("record") is None or message["record"]["name"] != "hidden", message
        while one.state.stage != "live" or one.record is None or one.record["name"] != "shown":
            one.next()


def test_requests_and_their_container(reader: Reader, institute: Institute) -> None:
    """A container may be read by who may read a request for it."""
    project = shared_project(institute, reader.user)
    container = new_record(institute.database.connection, "dz642")
    reader.client.refused("not_found", f"record/{container}")
    request = institute.create("container_requests", owner_uuid=project, container_uuid=container, state="Committed")
    one = reader.follow(container)
    institute.database.connection.execute("update containers set priority = 5 where uuid = %s", [container])
    one.expect_changes("priority", [5])
    institute.destroy(request)
    one.expect("silenced", reason="permission")


def test_many_readers_of_one_record(shared_relay: Relay, institute: Institute) -> None:
    """Each by its own right: one loses it, the others go on."""
    project = foreign_project(institute)
    collection = institute.collection(project)
    readers = [Reader(shared_relay, institute) for _ in range(8)]
    links = [LinkBetween(institute, reader.user, project) for reader in readers]
    followed = [reader.follow(collection) for reader in readers]
    try:
        for number, link in enumerate(links):
            link.revoke()
            institute.change(collection, name=f"{number}")
            for place, one in enumerate(followed):
                if place > number:
                    one.expect_changes("name", [f"{number}"])
                elif place == number:
                    one.expect("silenced", reason="permission")
    finally:
        for reader in readers:
            reader.client.close()
