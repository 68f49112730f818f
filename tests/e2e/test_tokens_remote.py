"""Tokens that the database does not know: another cluster's, and OpenID Connect's. The API is asked, with the token itself."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import RelayMaker
from support.arvados import CLUSTER, SECRETS, ArvadosDatabase, new_uuid
from support.certificate import Certificate
from support.relay import Relay, migrate_up
from support.stub_api import ApiToken, StubApi
from support.wait import free_port, until

pytestmark = pytest.mark.only_source("slot")

REFRESH = 3.0
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def api(certificate: Certificate) -> Iterator[StubApi]:
    stub = StubApi(certificate)
    yield stub
    stub.close()


def configure(relay: Relay, api: StubApi, certificate: Certificate) -> Relay:
    relay.cluster["Services"]["Controller"] = {
        # Refuses connections: the next one is asked.
        "InternalURLs": {f"http://127.0.0.1:{free_port()}": {}},
        "ExternalURL": api.url,
    }
    relay.cluster["Login"] = {"OpenIDConnect": {"Enable": True}, "RemoteTokenRefresh": f"{REFRESH:g}s"}
    relay.environment["SSL_CERT_FILE"] = certificate.ca
    return relay


@pytest.fixture(scope="module")
def remote_relay(shared_database: ArvadosDatabase, source: str, directory: Path, api: StubApi,
                 certificate: Certificate) -> Iterator[Relay]:
    relay = configure(Relay(directory, shared_database, source), api, certificate)
    migrate_up(relay)
    relay.start()
    yield relay
    relay.close()


def foreign_token(api: StubApi, **more: object) -> tuple[str, ApiToken]:
    """A v2 token of another cluster that the API knows."""
    number = next(_numbers)
    token = f"v2/yyyyy-gj3su-{number:015d}/foreignsecret{number:037d}"
    SECRETS.add(token.rpartition("/")[2])
    known = ApiToken(uuid=token.split("/")[1], user_uuid=f"yyyyy-tpzed-{number:015d}", **more)  # type: ignore[arg-type]
    api.tokens[token] = known
    return token, known


def witnessed(relay: Relay, database: ArvadosDatabase) -> int:
    """Writes an event and waits until a client of the system user has it."""
    with relay.client() as witness:
        witness.subscribe([["event_type", "in", ["e2e-remote"]]])
        event = database.log(event_type="e2e-remote")
        witness.expect_ids([event])
    return event


def test_another_clusters_token(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    """Asked once for all clients that come with it."""
    token, _ = foreign_token(api)
    clients = [remote_relay.client(token) for _ in range(5)]
    for client in clients:
        client.subscribe()
    event = witnessed(remote_relay, shared_database)
    for client in clients:
        with client:
            client.expect_ids([event])
    assert api.asked.count(token) == 1
    assert remote_relay.metric("walcast_remote_requests_total", result="answered") >= 2


def test_in_the_header(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    token, _ = foreign_token(api)
    with remote_relay.client(None, headers={"Authorization": f"Bearer {token}"}) as client:
        client.subscribe()
        client.expect_ids([witnessed(remote_relay, shared_database)])


def test_openid_connect(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    token = f"oidcaccess{next(_numbers):040d}"
    SECRETS.add(token)
    api.tokens[token] = ApiToken(uuid=new_uuid("gj3su"), user_uuid=new_uuid("tpzed"))
    with remote_relay.client(token) as client:
        client.subscribe()
        client.expect_ids([witnessed(remote_relay, shared_database)])


def test_the_row_that_controller_writes_counts(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    """Its end comes from the stream, at once."""
    user = shared_database.admin()
    token, known = foreign_token(api)
    written: list[None] = []

    def write() -> None:
        if not written:
            written.append(None)
            with shared_database.connect() as own:
                own.execute("""insert into api_client_authorizations (uuid, api_token, user_id, scopes, created_at, updated_at)
                               values (%s, %s, (select id from users where uuid = %s), '["all"]', now(), now())""",
                            (known.uuid, token.rpartition("/")[2], user))
                own.commit()

    known.on_ask = write
    with remote_relay.client(token) as client:
        client.subscribe()
        client.expect_ids([witnessed(remote_relay, shared_database)])
        known.status = 401
        shared_database.connection.execute("delete from api_client_authorizations where uuid = %s", (known.uuid,))
        witnessed(remote_relay, shared_database)
        client.expect_silence(0.3)


@pytest.mark.parametrize("status", [401, 403])
def test_refused(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi, status: int) -> None:
    token, _ = foreign_token(api, status=status)
    with remote_relay.client(token) as client:
        client.subscribe()
        event = witnessed(remote_relay, shared_database)
        client.expect_silence(0.3)
        client.subscribe(last_log_id=event - 1)
        client.expect_silence(0.3)
    assert api.asked.count(token) == 1, "a refusal is remembered"


def test_no_administrator(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    """Nor is somebody who may not ask who he is, having a token for other things."""
    token, _ = foreign_token(api, is_admin=False)
    limited, _ = foreign_token(api, user_status=403)
    with remote_relay.client(token) as one, remote_relay.client(limited) as other:
        one.subscribe()
        other.subscribe()
        witnessed(remote_relay, shared_database)
        one.expect_silence(0.3)
        other.expect_silence(0.1)


@pytest.mark.parametrize("trouble", [{"status": 500}, {"status": 503}, {"user_status": 502}, {"body": "<html>"}, {"delay": 2.5}],
                         ids=["500", "503", "502", "no JSON", "slow"])
def test_not_known_yet(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi, trouble: dict[str, object]) -> None:
    """Until the API has an answer nothing is sent. Then nothing is missing. (After two seconds a request is answered all the same.)"""
    token, known = foreign_token(api, **trouble)
    with remote_relay.client(token) as client:
        client.subscribe()
        event = witnessed(remote_relay, shared_database)
        client.expect_silence(0.5)
        known.status, known.user_status, known.body = 200, 200, None
        client.expect_ids([event], timeout=20)
        client.expect_ids([witnessed(remote_relay, shared_database)])


def test_asked_again_before_the_answer_ends(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    """While nobody answers, events wait for a client whose token was good; refused, it gets no more."""
    token, known = foreign_token(api)
    with remote_relay.client(token) as client:
        client.subscribe()
        client.expect_ids([witnessed(remote_relay, shared_database)])
        until("the token to be asked about again", lambda: api.asked.count(token) > 1, REFRESH + 5)
        client.expect_ids([witnessed(remote_relay, shared_database)])
        known.status = 500
        time.sleep(REFRESH + 0.5)
        held = [witnessed(remote_relay, shared_database), witnessed(remote_relay, shared_database)]
        client.expect_silence(0.5)
        known.status = 200
        client.expect_ids(held, timeout=40)
        known.status = 401
        time.sleep(REFRESH + 1.5)
        witnessed(remote_relay, shared_database)
        client.expect_silence(0.5)


def test_what_is_plainly_local_is_asked_of_nobody(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    expired = shared_database.token(shared_database.admin(), expires_at="now() - interval '1 s'")
    for token in (f"v2/{CLUSTER}-gj3su-{'0' * 15}/{'x' * 40}", expired.v1, expired.v2, f"v2/{expired.uuid}/wrong"):
        with remote_relay.client(token) as client:
            client.subscribe()
            witnessed(remote_relay, shared_database)
            client.expect_silence(0.1)
        assert token not in api.asked


@pytest.mark.parametrize("token", ["v2/yyyyy-gj3su-000000000000000/a%0d%0aX-Evil:%201", "v2/yyyyy-gj3su-000000000000000/a%00b",
                                   "v2/yyyyy-gj3su-000000000000000/%22%27%20", "v2/yyyyy-gj3su-000000000000000/%ff%fe",
                                   "v2/yyyyy-tpzed-000000000000000/secret", "v2/YYYYY-gj3su-000000000000000/secret",
                                   "v2/yyyyy-gj3su-000000000000000/" + "x" * 4000])
def test_hostile(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi, token: str) -> None:
    """Never passed on; the relay lives."""
    before = len(api.asked)
    with remote_relay.client(query=f"api_token={token}") as client:
        client.subscribe()
        witnessed(remote_relay, shared_database)
        client.expect_silence(0.1)
    assert len(api.asked) == before


def test_an_answer_about_another_token(remote_relay: Relay, shared_database: ArvadosDatabase, api: StubApi) -> None:
    token, known = foreign_token(api)
    known.uuid = "xxxxx-gj3su-000000000000001"
    with remote_relay.client(token) as client:
        client.subscribe()
        witnessed(remote_relay, shared_database)
        client.expect_silence(0.3)


def test_certificate(make_relay: RelayMaker, database: ArvadosDatabase, source: str, api: StubApi, certificate: Certificate) -> None:
    """One that nobody vouches for is believed only with TLS.Insecure."""
    relay = configure(make_relay(database, source), api, certificate)
    del relay.environment["SSL_CERT_FILE"]
    relay.start()
    token, _ = foreign_token(api)
    with relay.client(token) as client:
        client.subscribe()
        until("a handshake to fail", lambda: relay.metric("walcast_remote_requests_total", result="failed") >= 2)
        witnessed(relay, database)
        client.expect_silence(0.2)
    assert token not in api.asked
    relay.stop()
    relay.cluster["TLS"] = {"Insecure": True}
    relay.start()
    with relay.client(token) as client:
        client.subscribe()
        client.expect_ids([witnessed(relay, database)])
