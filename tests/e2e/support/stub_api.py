"""As much of Arvados' API server as arvados-python-client needs to find the event server, and as a relay needs to judge tokens."""

import json
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.certificate import Certificate

#: The API's discovery document, from the source package of the client; run.sh puts it there.
DISCOVERY = Path(sys.prefix) / "arvados-v1-discovery.json"

AUTHORIZATION = "/arvados/v1/api_client_authorizations/current"
USER = "/arvados/v1/users/current"


@dataclass
class ApiToken:
    """What the API says about one token: an answer to its bearer, or `status` instead, after `delay` seconds."""

    uuid: str
    user_uuid: str
    is_admin: bool = True
    scopes: list[str] = field(default_factory=lambda: ["all"])
    expires_at: str | None = None
    status: int = 200
    user_status: int = 200
    delay: float = 0
    body: str | None = None  # instead of JSON
    on_ask: Callable[[], None] = lambda: None  # what controller does besides, such as writing the row


class StubApi:
    """Serves the discovery document, with `websocketUrl`, an empty list of logs, and what `tokens` says about tokens.

    `requests` are the paths asked for, `asked` the tokens that were asked about. Without a certificate it is plain HTTP.
    """

    def __init__(self, certificate: Certificate | None, websocket_url: str = "") -> None:
        self.requests: list[str] = []
        self.asked: list[str] = []
        self.tokens: dict[str, ApiToken] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802: http.server's name
                path = self.path.partition("?")[0]
                outer.requests.append(path)
                status, answer = outer._current(path, self.headers.get("Authorization", "")) \
                    if path in (AUTHORIZATION, USER) else (200, json.dumps(outer._answer(self.path)))
                body = answer.encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Requests have tokens in them."""

        self._websocket_url = websocket_url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"{'https' if certificate else 'http'}://{self.host}/"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate.pair)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True, name="stub API").start()

    def _answer(self, path: str) -> Any:
        if path.startswith("/discovery/"):
            base = f"https://{self.host}/"
            return {**json.loads(DISCOVERY.read_text(encoding="utf-8")), "rootUrl": base, "baseUrl": base + "arvados/v1/",
                    "websocketUrl": self._websocket_url}
        return {"kind": "arvados#logList", "items": [], "items_available": 0}

    def _current(self, path: str, header: str) -> tuple[int, str]:
        """As controller answers: 401 to a token that nobody knows, 403 to one whose scopes do not allow the request."""
        scheme, _, secret = header.partition(" ")
        known = self.tokens.get(secret) if scheme == "Bearer" else None
        if path == AUTHORIZATION:
            self.asked.append(secret)
        if known is None:
            return 401, '{"errors":["Not logged in"]}'
        time.sleep(known.delay)
        status = known.status if path == AUTHORIZATION or known.status != 200 else known.user_status
        if status != 200:
            return status, '{"errors":["no"]}'
        known.on_ask()
        if known.body is not None:
            return 200, known.body
        if path == AUTHORIZATION:
            return 200, json.dumps({"kind": "arvados#apiClientAuthorization", "uuid": known.uuid, "owner_uuid": known.user_uuid,
                                    "api_token": secret.rpartition("/")[2], "scopes": known.scopes,
                                    "expires_at": known.expires_at})
        return 200, json.dumps({"kind": "arvados#user", "uuid": known.user_uuid, "is_admin": known.is_admin, "is_active": True})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
