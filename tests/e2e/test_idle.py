"""Idle frames, and what time alone does."""

from conftest import RelayMaker
from support.arvados import ArvadosDatabase


def test_idle_frames_at_send_timeout(database: ArvadosDatabase, make_relay: RelayMaker, source: str) -> None:
    """`{}` each SendTimeout while nothing else is sent, without counting in msgID."""
    relay = make_relay(database, source)
    relay.cluster["API"]["SendTimeout"] = "500ms"
    relay.start()
    with relay.client() as client:
        client.subscribe()
        for _ in range(3):
            frame = client.websocket.recv(timeout=2)
            assert frame == "{}", frame
        ids = [database.log(), database.log()]
        assert [(event["id"], event["msgID"]) for event in client.events(timeout=1, limit=2)] == [(ids[0], 1), (ids[1], 2)]


def test_no_idle_frame_before_its_time(database: ArvadosDatabase, make_relay: RelayMaker, source: str) -> None:
    """Arvados' own client tests take any frame within two seconds for an event."""
    relay = make_relay(database, source).start()
    with relay.client() as client:
        client.subscribe()
        try:
            frame = client.websocket.recv(timeout=2.5)
        except TimeoutError:
            return
    raise AssertionError(f"a frame nobody asked for: {frame!r}")
