"""Every user is sent exactly what may be read at each event's commit: each way to get a permission and to lose it."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import psycopg
import pytest

from support.arvados import ANONYMOUS_TOKEN, CLUSTER
from support.client import Client
from support.institute import EVENT_TYPE, FILTER, Institute
from support.relay import Relay
from support.ways import WAYS, Way, foreign_project, shared_project

#: Without a slot, permissions are read again at least this often (seconds), with the time for it.
LISTENER_BOUND = 6.0


class Reader:
    """A user, a session of it, and the institute that it belongs to."""

    def __init__(self, relay: Relay, institute: Institute, scopes: str = '["all"]') -> None:
        self.institute = institute
        self.user = institute.user()
        self.client: Client = relay.client(institute.database.token(self.user, scopes=scopes).v2)
        self.client.subscribe(FILTER)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def expect(self, ids: list[int]) -> None:
        """Exactly these, and nothing more until an event that it certainly may read."""
        self.client.expect_ids([*ids, self.institute.event(self.user)])


@pytest.fixture
def reader(shared_relay: Relay, institute: Institute) -> Iterator[Reader]:
    with Reader(shared_relay, institute) as reader:
        yield reader


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_just_before_and_just_after(reader: Reader, institute: Institute, make: Callable[[Institute, str], Way]) -> None:
    """Each event its own commit, one straight after the other."""
    way = make(institute, reader.user)
    due = [way.event()]
    for _ in range(3):
        due.append(way.event())
        way.revoke()
        way.event()
        way.event()
        way.grant()
        due.append(way.event())
    reader.expect(due)


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_in_the_same_transaction(reader: Reader, institute: Institute, make: Callable[[Institute, str], Way]) -> None:
    """The state at the commit counts, for the events before the change too."""
    way = make(institute, reader.user)
    due = [way.event()]
    for _ in range(2):
        with institute.transaction():
            way.event()
            way.revoke()
            way.event()
        way.event()
        with institute.transaction():
            due.append(way.event())
            way.grant()
            due.append(way.event())
        with institute.transaction():
            due.append(way.event())
            way.revoke()
            institute.connection.execute("select demo.refresh_permissions()")
            way.grant()
            due.append(way.event())
    reader.expect(due)


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("make", WAYS, ids=lambda make: make.__name__)
def test_who_connects_later(shared_relay: Relay, institute: Institute, make: Callable[[Institute, str], Way]) -> None:
    """What is loaded when a user comes is what somebody has who was there all the time."""
    user = institute.user()
    token = institute.database.token(user).v2
    way = make(institute, user)
    for readable in (True, False, True):
        with shared_relay.client(token) as client:
            client.subscribe(FILTER)
            written, last = way.event(), institute.event(user)
            client.expect_ids([written, last] if readable else [last])
        (way.revoke if readable else way.grant)()


@pytest.mark.only_source("slot")
@pytest.mark.parametrize("to_a_savepoint", [False, True])
def test_what_is_rolled_back_changes_nothing(reader: Reader, institute: Institute, to_a_savepoint: bool) -> None:
    project = foreign_project(institute)
    hidden, shown = institute.collection(project), institute.collection(shared_project(institute, reader.user))
    with institute.transaction() as connection, connection.transaction() if to_a_savepoint else nullcontext():
        institute.grant(reader.user, project)
        institute.change(shown, owner_uuid=project)
        connection.execute("select demo.refresh_permissions()")
        raise psycopg.Rollback
    institute.event(hidden)
    reader.expect([institute.event(shown)])


@pytest.mark.only_source("slot")
def test_sessions_of_one_user_see_the_same(shared_relay: Relay, institute: Institute) -> None:
    """Also after the first one has left, and the last one, and another has come."""
    user = institute.user()
    token = institute.database.token(user).v2
    way = WAYS[0](institute, user)
    first, second = shared_relay.client(token), shared_relay.client(token)
    with second:
        with first:
            first.subscribe(FILTER)
            second.subscribe(FILTER)
            due = [way.event()]
            way.revoke()
            way.event()
            due.append(institute.event(user))
            first.expect_ids(due)
            second.expect_ids(due)
        way.grant()
        second.expect_ids([way.event()])
    way.revoke()
    with shared_relay.client(token) as third:
        third.subscribe(FILTER)
        way.event()
        third.expect_ids([institute.event(user)])


# What an attacker would post

@pytest.mark.only_source("slot")
def test_posted_rows_about_the_objects_of_others(reader: Reader, institute: Institute, shared_relay: Relay) -> None:
    """Who may read the object gets them, whoever posted them, and nobody else; whatever owner the row claims."""
    other = institute.user()
    hidden, shown = institute.collection(foreign_project(institute)), institute.collection(reader.user)
    with shared_relay.client() as administrator:
        administrator.subscribe(FILTER)
        due, all_of_them = [], []
        for event_type in (EVENT_TYPE, "delete"):
            for about, owner in ((hidden, reader.user), (hidden, other), (shown, other), (shown, reader.user), (hidden, None)):
                written = institute.event(about, object_owner_uuid=owner, owner_uuid=reader.user, event_type=event_type)
                all_of_them.append(written)
                if (owner == reader.user) if event_type == "delete" else (about == shown):
                    due.append(written)
        reader.expect(due)
        administrator.expect_ids(all_of_them)


BOGUS = ["", "x", f"{CLUSTER}-4zz18-absent000000000", f"{CLUSTER}-dz642-absent000000000", f"{CLUSTER}-tpzed-absent000000000",
         f"{CLUSTER}-00000-absent000000000", f"{CLUSTER}-57u5n-absent000000000", "aaaaa-4zz18-absent000000000", "-" * 27, "ü" * 27,
         "z" * 255, f"{CLUSTER}-4zz18-' or true --", "00000000000000000000000000000999+57", "00000000000000000000000000000999",
         "00000000000000000000000000000999+", "+" * 40, "%", "\\", "\"}]"]


@pytest.mark.only_source("slot")
def test_posted_rows_about_nothing(reader: Reader, institute: Institute, shared_relay: Relay) -> None:
    """Administrators are sent them, others are not; nobody is disconnected, and those about an object without uuid go to nobody."""
    with shared_relay.client() as administrator:
        administrator.subscribe(FILTER)
        written = []
        for bogus in BOGUS:
            written.append(institute.event(bogus))
            written.append(institute.event(institute.user(), event_type="delete", object_owner_uuid=bogus))
        written.append(institute.event(institute.user(), event_type="delete", object_owner_uuid=None))
        institute.event(None)
        reader.expect([])
        administrator.expect_ids(written)


@pytest.mark.only_source("slot")
def test_a_uuid_but_for_one_letter(reader: Reader, institute: Institute) -> None:
    shown = institute.collection(reader.user)
    for other in (shown.upper(), shown[:-1], shown + "0", " " + shown, shown + "\n", shown.replace("4zz18", "xvhdp"),
                  shown.replace(CLUSTER, "aaaaa")):
        institute.event(other)
    reader.expect([institute.event(shown)])


# Scopes

@pytest.mark.only_source("slot")
@pytest.mark.parametrize(("scopes", "allowed"), [
    ('["GET /"]', {"collection", "project", "deletion"}),
    ('["GET /arvados/v1/collections/"]', {"collection"}),
    ('["GET /arvados/v1/collections"]', set()),
    ('["GET /arvados/v1/groups/", "GET /arvados/v1/users/current"]', {"project", "deletion"}),
    ('["POST /arvados/v1/collections/"]', set()),
    ('["GET /arvados/v1/collections/{collection}"]', {"collection"}),
    ('["GET /arvados/v1/groups/{project}"]', {"project", "deletion"}),
    ('["GET /arvados/v1/collections/{project}"]', set()),
    ('["HEAD /arvados/v1/collections/"]', set()),
    ('[]', set()),
])
def test_a_token_for_some_paths(shared_relay: Relay, institute: Institute, scopes: str, allowed: set[str]) -> None:
    user = institute.user()
    project = institute.project(user)
    collection, gone = institute.collection(project), institute.collection(project)
    scopes = scopes.replace("{project}", project).replace("{collection}", collection)
    with shared_relay.client(institute.database.token(user, scopes=scopes).v2) as client, \
            shared_relay.client(institute.database.token(user).v2) as witness:
        client.subscribe(FILTER)
        witness.subscribe(FILTER)
        events = {"collection": institute.event(collection), "project": institute.event(project),
                  "deletion": institute.event(gone, event_type="delete", object_owner_uuid=project)}
        witness.expect_ids(list(events.values()))
        client.expect_ids([written for name, written in events.items() if name in allowed])
        client.expect_silence(0.1)


# Without a slot

@pytest.mark.only_source("listener")
def test_without_a_slot_within_the_bound(shared_relay: Relay, institute: Institute) -> None:
    """All ways at once: after the bound nothing of what was revoked comes, and all of what was granted."""
    readers = [Reader(shared_relay, institute) for _ in WAYS]
    ways = [make(institute, reader.user) for make, reader in zip(WAYS, readers, strict=True)]
    try:
        for readable in (True, False, True):
            time.sleep(LISTENER_BOUND)
            for reader in readers:
                reader.client.events(timeout=0.01)  # what came meanwhile, one way or the other
            for make, reader, way in zip(WAYS, readers, ways, strict=True):
                written = way.event()
                last = institute.event(reader.user)
                got: list[int] = []  # events of the other ways, too, if anybody may read them
                while not got or got[-1] != last:
                    got += [event["id"] for event in reader.client.events(timeout=10, limit=1)]
                assert (written in got) == readable, f"{make.__name__}: {written} in {got}"
                (way.revoke if readable else way.grant)()
    finally:
        for reader in readers:
            reader.client.close()


@pytest.mark.only_source("listener")
def test_a_restart_with_much_to_remember(relay: Relay) -> None:
    """Anonymous clients, whom nobody has to be looked up for, are there before it has read again what it had sent. It is
    not judged event by event, with everybody's permissions read for each: other users are sent what is new at once."""
    institute = Institute(relay.database)
    try:
        user = institute.user()
        link = institute.grant(user, institute.project(user))
        token = institute.database.token(user).v2
        with relay.client() as administrator:
            administrator.subscribe(FILTER)
            with institute.connection.transaction():
                sent = [institute.event(link) for _ in range(3000)]
            administrator.expect_ids(sent)
        relay.kill()
        with relay.database.connect() as blocker, blocker.transaction():
            blocker.execute("lock table logs")  # so that it cannot read them yet
            relay.start(wait=False)
            relay.wait_listening()
            anonymous, client = relay.client(ANONYMOUS_TOKEN), relay.client(token)
            anonymous.subscribe(FILTER)  # answered when it is followed, or has waited for two seconds
        with anonymous, client:
            began = time.monotonic()
            client.subscribe(FILTER, last_log_id=sent[-1], timeout=60)
            client.expect_ids([institute.event(link)], timeout=60)
            assert time.monotonic() - began < 5
    finally:
        institute.close()
