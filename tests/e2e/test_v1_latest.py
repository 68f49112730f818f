"""The newest state of a record over HTTP: ETags, tokens, rights, and what is refused."""

import subprocess
from urllib.parse import quote

import pytest

from conftest import RelayMaker
from support.arvados import ANONYMOUS_TOKEN, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.event_source import EventSource
from support.http import Answer
from support.institute import Institute
from support.latest import BEARER, PATH, Poll, latest, problem, waiting
from support.records import classes, new_record, read_record, update_record
from support.relay import Relay
from support.v1 import v1_client
from support.wait import until

pytestmark = pytest.mark.only_source("slot")

NOBODY = "v2/zzzzz-gj3su-000000000000000/nobodyhasthistoken"


# The state

def test_every_class(shared_relay: Relay) -> None:
    """What is in the database; the ETag is that of the state, and so the same from memory and from a query."""
    connection = shared_relay.database.connection
    for infix in classes():
        if infix == "gj3su":
            continue
        uuid = new_record(connection, infix)
        answer = latest(shared_relay, uuid)
        assert answer.status == 200, answer.body
        assert answer.json() == read_record(connection, uuid)
        assert answer.media_type == "application/json"
        with v1_client(shared_relay) as client:
            client.record(uuid)
            again = latest(shared_relay, uuid)
            assert (again.body, again.headers["ETag"]) == (answer.body, answer.headers["ETag"])


def test_select(shared_relay: Relay) -> None:
    """As JSON or with commas; other columns, another ETag."""
    uuid = new_record(shared_relay.database.connection, name="a")
    answers = [latest(shared_relay, uuid, query) for query in ("select=uuid,name", 'select=["uuid","name"]', "select=%5B%22name%22,%22uuid%22%5D")]
    assert [answer.json() for answer in answers] == [{"uuid": uuid, "name": "a"}] * 3
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert latest(shared_relay, uuid).headers["ETag"] != answers[0].headers["ETag"]


def test_etags(shared_relay: Relay) -> None:
    """One state, one ETag, as long as it is; again when the state is the same again."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    answer = latest(shared_relay, uuid)
    etag = answer.headers["ETag"]
    assert etag.startswith('"') and etag.endswith('"') and len(etag) > 20
    for header in (etag, f"W/{etag}", f'"other", {etag}', f'"x" ,W/{etag} , "y"', "*"):
        same = latest(shared_relay, uuid, If_None_Match=header)
        assert (same.status, same.body, same.headers["ETag"]) == (304, "", etag), header
        assert "Content-Type" not in same.headers
    for header in ('"other"', etag.strip('"'), '""', ",,,", etag[:-2]):
        assert latest(shared_relay, uuid, If_None_Match=header).status == 200, header
    update_record(connection, uuid, name="b")
    until("the change", lambda: latest(shared_relay, uuid, If_None_Match=etag).status == 200)
    update_record(connection, uuid, name="a")
    until("the change back", lambda: latest(shared_relay, uuid, If_None_Match=etag).status == 304)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_after_a_restart(database: ArvadosDatabase, make_relay: RelayMaker, how: str) -> None:
    """ETags and tokens are as good as before, whichever relay made them."""
    relay = make_relay(database, "slot").start()
    uuid, other = new_record(database.connection, "xvhdp", name="a"), new_record(database.connection, name="a")
    before, changed = latest(relay, uuid), latest(relay, other)
    (relay.kill if how == "SIGKILL" else relay.stop)()
    update_record(database.connection, other, name="b")
    relay.start()
    assert latest(relay, uuid, If_None_Match=before.headers["ETag"]).status == 304
    assert latest(relay, uuid, f"after={before.headers['Walcast-Token']}").status == 304
    until("the change", lambda: latest(relay, other, If_None_Match=changed.headers["ETag"]).status == 200)
    answer = latest(relay, other, f"after={changed.headers['Walcast-Token']}")
    assert (answer.status, answer.json()["name"]) == (200, "b")


def test_the_token(shared_relay: Relay) -> None:
    """Goes on, here and on a WebSocket and in a stream, with the same columns."""
    connection = shared_relay.database.connection
    uuid = new_record(connection, name="a")
    answer = latest(shared_relay, uuid)
    token = answer.headers["Walcast-Token"]
    same = latest(shared_relay, uuid, f"after={token}")
    assert (same.status, same.headers["ETag"]) == (304, answer.headers["ETag"])
    update_record(connection, uuid, name="b")
    with v1_client(shared_relay) as client:
        assert client.subscribe(f"record/{uuid}", after=token).expect("change")["record"]["name"] == "b"
    with EventSource(shared_relay, f"record/{uuid}", after=token) as source:
        assert source.expect("change")["record"]["name"] == "b"
    answer = latest(shared_relay, uuid, f"after={token}")
    assert (answer.status, answer.json()["name"]) == (200, "b")
    for odd in ("nonsense", "%00", "x" * 5000, token[:-1], token + "A"):
        assert latest(shared_relay, uuid, f"after={odd}").status == 200, odd  # where it is cannot be known, so it gets the state


def test_head(shared_relay: Relay) -> None:
    uuid = new_record(shared_relay.database.connection)
    full, head = latest(shared_relay, uuid), latest(shared_relay, uuid, method="HEAD")
    assert (head.status, head.body) == (200, "")
    for header in ("ETag", "Content-Length", "Content-Type"):
        assert head.headers[header] == full.headers[header]
    assert latest(shared_relay, uuid, method="HEAD", If_None_Match=full.headers["ETag"]).status == 304
    assert latest(shared_relay, "zzzzz-4zz18-000000000000000", method="HEAD").status == 404


# Who may

def test_what_may_not_be_read(shared_relay: Relay) -> None:
    """Is as if it did not exist, to the letter; what may be read comes when the grant is there, and goes with it."""
    institute = Institute(shared_relay.database)
    user, owner = institute.user(), institute.user()
    uuid = institute.collection(owner)
    token = institute.database.token(user).v2

    def ask(of: str) -> Answer:
        return shared_relay.http(f"{PATH}{of}?api_token={token}")

    hidden, absent = ask(uuid), ask("zzzzz-4zz18-000000000000000")
    assert problem(hidden) == problem(absent) == (404, "not_found")
    assert hidden.body == absent.body
    assert set(hidden.headers) == set(absent.headers)
    grant = institute.grant(user, uuid)
    until("the grant to count", lambda: ask(uuid).status == 200)
    etag = ask(uuid).headers["ETag"]
    poll = Poll(lambda: shared_relay.http(f"{PATH}{uuid}?api_token={token}&wait=30", headers={"If-None-Match": etag}))
    waiting(shared_relay)
    institute.destroy(grant)
    assert problem(poll.result()) == (404, "not_found")
    assert poll.result().body == absent.body
    assert ask(uuid).status == 404
    institute.close()


@pytest.mark.parametrize("token", [NOBODY, "nonsense", "", "%00", "v2/x"])
def test_bad_tokens(shared_relay: Relay, token: str) -> None:
    uuid = new_record(shared_relay.database.connection)
    answer = shared_relay.http(f"{PATH}{uuid}?api_token={token}")
    assert problem(answer) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert token == "" or token not in answer.body


def test_tokens(shared_relay: Relay) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin()).v2
    for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": f"OAuth2 {token}"}):
        assert shared_relay.http(f"{PATH}{uuid}", headers=headers).status == 200
    assert shared_relay.http(f"{PATH}{uuid}?api_token={quote(token)}").status == 200
    assert shared_relay.http(f"{PATH}{uuid}?api_token={ANONYMOUS_TOKEN}").status == 404
    scoped = database.token(database.admin(), scopes='["GET /arvados/v1/collections/"]').v2
    assert shared_relay.http(f"{PATH}{uuid}?api_token={scoped}").status == 200
    answer = shared_relay.http(f"{PATH}{new_record(database.connection, 'xvhdp')}?api_token={scoped}")
    assert problem(answer) == (403, "not_allowed")


def test_a_token_that_expires_while_it_waits(shared_relay: Relay) -> None:
    database = shared_relay.database
    uuid = new_record(database.connection)
    token = database.token(database.admin(), expires_at="now() + interval '2 s'").v2
    etag = latest(shared_relay, uuid).headers["ETag"]
    answer = Poll(lambda: shared_relay.http(f"{PATH}{uuid}?api_token={token}&wait=9", headers={"If-None-Match": etag})).result()
    assert problem(answer) == (401, "unauthorized")


# What is refused

@pytest.mark.parametrize(("target", "status", "code"), [
    ("", 404, "unknown_topic"), ("nonsense", 404, "unknown_topic"), ("zzzzz-aaaaa-000000000000000", 404, "unknown_topic"),
    ("zzzzz-4zz18-000000000000000", 404, "not_found"), ("zzzzz-4zz18-000000000000000/", 404, "unknown_topic"),
    ("zzzzz-4zz18-00000000000000%00", 404, "unknown_topic"), ("%ff", 404, "unknown_topic"), ("%", 404, "unknown_topic"),
    ("%22,%22op%22:%22auth%22", 404, "unknown_topic"), ("x" * 9000, 404, "unknown_topic"),
    ("zzzzz-4zz18-000000000000000?wait=-1", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?wait=soon", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?wait=99999999999999", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?wait=%00", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=[", 400, "bad_request"), ("zzzzz-4zz18-000000000000000?select=no_such", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=%ff", 400, "bad_request"), ("zzzzz-gj3su-000000000000000?select=api_token", 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=" + ",".join(["name"] * 201), 400, "bad_request"),
    ("zzzzz-4zz18-000000000000000?select=" + "[" * 9000, 400, "bad_request"),
])
def test_bad_requests(shared_relay: Relay, target: str, status: int, code: str) -> None:
    answer = shared_relay.http(PATH + target, headers=BEARER)
    assert problem(answer) == (status, code), answer.body
    assert answer.media_type == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods(shared_relay: Relay, method: str) -> None:
    answer = latest(shared_relay, "zzzzz-4zz18-000000000000000", method=method)
    assert problem(answer) == (405, "bad_request")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_cross_origin(shared_relay: Relay) -> None:
    """A page may ask, with its token and an ETag, and may read what the answer says of itself."""
    uuid = new_record(shared_relay.database.connection)
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET",
             "Access-Control-Request-Headers": "authorization,if-none-match"}
    before = shared_relay.http(PATH + uuid, "OPTIONS", asked)
    assert (before.status, before.body) == (200, "")
    assert before.headers["Access-Control-Allow-Origin"] == "*"
    assert before.headers["Access-Control-Max-Age"] == "86486400"
    assert {"GET", "HEAD"} <= set(before.headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Authorization", "If-None-Match"} <= set(before.headers["Access-Control-Allow-Headers"].split(", "))
    answer = latest(shared_relay, uuid, Origin="https://example.org")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert {"ETag", "Walcast-Token"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert answer.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.only_source("listener")
def test_without_a_slot(shared_relay: Relay) -> None:
    answer = latest(shared_relay, new_record(shared_relay.database.connection))
    assert problem(answer) == (503, "unavailable")


def test_curl(shared_relay: Relay, tmp_path: object) -> None:
    """As a newcomer runs it: the state, then only if it is another one."""
    uuid = new_record(shared_relay.database.connection, name="a")
    url = f"http://{shared_relay.host}{PATH}{uuid}?select=name"
    saved = f"{tmp_path}/etag"
    curl = ["curl", "-s", "--etag-save", saved, "-H", f"Authorization: Bearer {SYSTEM_ROOT_TOKEN}"]
    assert subprocess.run([*curl, url], capture_output=True, text=True, timeout=20, check=True).stdout == '{"name":"a"}'
    again = [*curl, "--etag-compare", saved, "-w", "%{http_code}", f"{url}&wait=1"]
    assert subprocess.run(again, capture_output=True, text=True, timeout=20, check=True).stdout == "304"
