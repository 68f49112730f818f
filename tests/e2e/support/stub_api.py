"""As much of Arvados' API server, over TLS, as arvados-python-client needs to find the event server."""

import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from support.certificate import Certificate

#: The API's discovery document, from the source package of the client; run.sh puts it there.
DISCOVERY = Path(sys.prefix) / "arvados-v1-discovery.json"


class StubApi:
    """Serves the discovery document, with `websocketUrl`, and an empty list of logs. `requests` are the paths asked for."""

    def __init__(self, certificate: Certificate, websocket_url: str) -> None:
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802: http.server's name
                outer.requests.append(self.path.partition("?")[0])
                body = json.dumps(outer._answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Requests have tokens in them."""

        self._websocket_url = websocket_url
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
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

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
