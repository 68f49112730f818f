"""Who sees events: administrators' tokens and SystemRootToken; and no token ends up in the log."""

import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import quote

import pytest

from support.arvados import CLUSTER, SECRETS, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.client import Client
from support.http import request
from support.relay import Relay

#: Makes rows and returns the query of the URL.
Case = Callable[[ArvadosDatabase], str]


def admin_v1(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin()).v1


def admin_v2(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin()).v2


def admin_v2_encoded(db: ArvadosDatabase) -> str:
    return "api_token=" + quote(db.token(db.admin()).v2, safe="")


def admin_v2_extra_segment(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin()).v2 + "/zzzzz-dz642-nosuchcontainer"


def admin_v2_running_container(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    container = db.container(state="Running", auth_uuid=token.uuid, runtime_token=token.v2)
    return f"api_token={token.v2}/{container}"


def admin_v2_salted(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    salted = hmac.new(token.v1.encode(), CLUSTER.encode(), hashlib.sha1).hexdigest()
    SECRETS.add(salted)
    return f"api_token=v2/{token.uuid}/{salted}"


def admin_openid_connect(db: ArvadosDatabase) -> str:
    access_token = "oidcaccesstoken" + hashlib.sha256(str(time.time()).encode()).hexdigest()
    SECRETS.add(access_token)
    db.token(db.admin(), api_token=hmac.new(SYSTEM_ROOT_TOKEN.encode(), access_token.encode(), hashlib.sha256).hexdigest())
    return "api_token=" + access_token


def admin_expires_later(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(), expires_at="now() + interval '1 hour'", refreshes_at="now() + '1 hour'").v2


def admin_inactive(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(is_active=False)).v2


def system_root(_: ArvadosDatabase) -> str:
    return "api_token=" + SYSTEM_ROOT_TOKEN


def among_other_parameters(db: ArvadosDatabase) -> str:
    return f"a=b&{admin_v2(db)}&api_tokens=x&=&%&c"


GOOD: list[Case] = [admin_v1, admin_v2, admin_v2_encoded, admin_v2_extra_segment, admin_v2_running_container, admin_v2_salted,
                    admin_openid_connect, admin_expires_later, admin_inactive, system_root, among_other_parameters]


def expired(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(), expires_at="now() - interval '1 s'").v2


def expired_v1(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(), expires_at="now() - interval '1 s'").v1


def to_be_refreshed(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(), refreshes_at="now() - interval '1 s'").v2


def no_administrator(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.user()).v2


def no_administrator_v1(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.user()).v1


def redirected(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin(redirect_to_user_uuid=db.admin())).v2


def wrong_secret(db: ArvadosDatabase) -> str:
    return f"api_token=v2/{db.token(db.admin()).uuid}/{'x' * 50}"


def secret_of_another(db: ArvadosDatabase) -> str:
    return f"api_token=v2/{db.token(db.user()).uuid}/{db.token(db.admin()).v1}"


def secret_cut_short(db: ArvadosDatabase) -> str:
    return admin_v2(db)[:-1]


def finished_container(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    return f"api_token={token.v2}/{db.container(state='Complete', auth_uuid=token.uuid)}"


def container_of_another_token(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    return f"api_token={token.v2}/{db.container(auth_uuid=db.token(db.admin()).uuid)}"


def other_cluster(db: ArvadosDatabase) -> str:
    return "api_token=" + db.token(db.admin()).v2.replace("v2/zzzzz-", "v2/aaaaa-")


def other_case(db: ArvadosDatabase) -> str:
    return "API_TOKEN=" + db.token(db.admin()).v2


def upper_case_secret(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    return f"api_token=v2/{token.uuid}/{token.v1.upper()}"


def like_pattern(db: ArvadosDatabase) -> str:
    return f"api_token={admin_v1(db)[10:30]}%25"


def nul_after_the_token(db: ArvadosDatabase) -> str:
    return admin_v1(db) + "%00"


def nul_in_the_uuid(db: ArvadosDatabase) -> str:
    token = db.token(db.admin())
    return f"api_token=v2/{token.uuid}%00/{token.v1}"


def constant(value: str, name: str) -> Case:
    def case(_: ArvadosDatabase) -> str:
        return value

    case.__name__ = name
    return case


BAD: list[Case] = [
    expired, expired_v1, to_be_refreshed, no_administrator, no_administrator_v1, redirected, wrong_secret, secret_of_another,
    secret_cut_short, finished_container, container_of_another_token, other_cluster, other_case, upper_case_secret,
    like_pattern, nul_after_the_token, nul_in_the_uuid,
    constant("", "no_query"), constant("api_token=", "empty"), constant("api_token", "no_value"),
    constant("api_token=v2", "v2_alone"), constant("api_token=v2//", "v2_of_nothing"),
    constant("api_token=v2/zzzzz-gj3su-000000000000000/", "v2_without_secret"),
    constant("api_token=%27+or+1%3D1--", "quote"), constant("api_token=%22%5C%24%24%3B", "more_quotes"),
    constant("api_token=%00", "nul"), constant("api_token=%ff%fe%80", "no_utf8"), constant("api_token=%zz%", "bad_escapes"),
    constant("api_token=" + "x" * 5000, "5000_letters"),
]


def play(relay: Relay, query: str) -> tuple[Client, int]:
    """Connects, subscribes, writes an event, waits until a witness has it; returns the client and the event's id."""
    client = relay.client(query=query)
    client.subscribe()
    with relay.client() as witness:
        witness.subscribe([["event_type", "in", ["e2e-token"]]])
        event = relay.database.log(event_type="e2e-token")
        witness.expect_ids([event])
    return client, event


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.__name__)
def test_sees_events(shared_relay: Relay, shared_database: ArvadosDatabase, case: Case) -> None:
    client, event = play(shared_relay, case(shared_database))
    with client:
        client.expect_ids([event])


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.__name__)
@pytest.mark.only_source("slot")
def test_sees_nothing(shared_relay: Relay, shared_database: ArvadosDatabase, case: Case) -> None:
    """The same replies as for everybody, then silence; replay included."""
    client, event = play(shared_relay, case(shared_database))
    with client:
        client.expect_silence(0.15)
        client.subscribe(last_log_id=event - 1)
        client.expect_silence(0.25)


def test_expires_while_connected(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Events until the moment it expires, silence after it, and the connection stays."""
    token = shared_database.token(shared_database.admin(), expires_at="now() + interval '2.5 s'")
    expires = time.monotonic() + 2.5
    with shared_relay.client(token.v2) as client:
        client.subscribe()
        client.expect_ids([shared_database.log(), shared_database.log()], timeout=1.5)
        time.sleep(max(0.0, expires - time.monotonic()) + 0.3)
        event = shared_database.log()
        client.expect_silence(0.5)
        client.subscribe(last_log_id=event - 1)
        client.expect_silence(0.5)


@pytest.mark.only_source("slot")
def test_a_token_of_a_megabyte(shared_relay: Relay, shared_database: ArvadosDatabase) -> None:
    """Refused with an HTTP status, or a connection that sees nothing; the relay goes on either way."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    try:
        status = request(shared_relay.port, "/websocket?api_token=" + "x" * (1 << 20), headers=headers).status
        assert status == 101 or 400 <= status < 500, status
    except ConnectionError:
        pass  # closed while we were still sending
    client, event = play(shared_relay, admin_v2(shared_database))
    with client:
        client.expect_ids([event])


def test_no_token_in_the_log(shared_relay: Relay) -> None:
    """At level debug, after all of the above; every other relay of these tests is searched when it ends."""
    assert shared_relay.cluster["SystemLogs"]["LogLevel"] == "debug"
    assert shared_relay.log_lines(), "an empty log would prove nothing"
    Relay.assert_no_secret(shared_relay.log_text(), "the log")
