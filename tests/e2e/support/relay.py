"""A running relay: its configuration file, its process, its log, its HTTP side."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

from support.activation import handing_over
from support.arvados import MANAGEMENT_TOKEN, SECRETS, SYSTEM_ROOT_TOKEN, ArvadosDatabase
from support.client import Client
from support.config import relay_config
from support.http import Answer, request
from support.metrics import Metrics
from support.paths import MIGRATIONS, RELAY
from support.wait import free_port, listening, until

#: The relay was built with a sanitizer, which looks for leaks when a process ends by itself.
SANITIZED = "WALCAST_SANITIZED" in os.environ


class Relay:
    """One `walcast -config FILE` on a free port, started and stopped as often as a test likes.

    `config` may be changed before `start()` or `reload()`. `source` is `slot`, `listener` or `auto`.
    """

    def __init__(self, directory: Path, database: ArvadosDatabase, source: str, *, user: str = "postgres",
                 tls: tuple[str, str] | None = None, tls_ca: str | None = None) -> None:
        self.port = free_port()
        self.database = database
        self.source = source
        self.tls_ca = tls_ca
        self.config: dict[str, Any] = relay_config(self.port, database.name, database.postgres.port, source=source,
                                                   slot=f"walcast_{database.name}", user=user, tls=tls)
        self._config_file = directory / f"config-{self.port}.yml"
        self._log_file = directory / f"relay-{self.port}.log"
        self.environment: dict[str, str] = {}  # beside that of the tests
        self.wrapper: list[str] = []  # a command that runs the program, prlimit for instance
        self.process: subprocess.Popen[bytes] | None = None
        self.hand_over: int | None = None  # a descriptor that the process is started with, as systemd does it

    @property
    def cluster(self) -> dict[str, Any]:
        return self.config["Clusters"]["zzzzz"]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    # The process

    def write_config(self) -> Path:
        self._config_file.write_text(json.dumps(self.config, indent=1), encoding="utf-8")
        return self._config_file

    def start(self, wait: bool = True) -> "Relay":
        """Starts the process; with `wait` it is back when an event goes through from the database to a client."""
        assert self.process is None, "the relay runs already"
        state = self._config_file.with_suffix(".state")  # as systemd's StateDirectory
        state.mkdir(exist_ok=True)
        given = () if self.hand_over is None else (self.hand_over,)
        before = [] if self.hand_over is None else handing_over(self.hand_over)
        with open(self._log_file, "ab") as log:
            self.process = subprocess.Popen([*before, "setpriv", "--pdeathsig=KILL", "--", *self.wrapper, str(RELAY), "-config",
                                             str(self.write_config())],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=given,
                                            env={**os.environ, "STATE_DIRECTORY": str(state), **self.environment})
        if wait:
            self.wait_listening()
            self.wait_live()
        return self

    def wait_listening(self, timeout: float = 10) -> None:
        def probe() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"the relay ended with {self.process.returncode}:\n{self.log_tail()}"
            return listening(self.port)

        until(f"the relay to listen on {self.host}; its log ends:\n{self.log_tail()}", probe, timeout)

    def wait_live(self, timeout: float = 20) -> None:
        """Writes rows of the type `e2e-live` until one of them arrives, and waits until none is on its way any more."""
        with self.client() as client:
            client.subscribe([["event_type", "in", ["e2e-live"]]], timeout=timeout)
            written: list[int] = []

            def probe() -> int | None:
                written.append(self.database.log(event_type="e2e-live"))
                arrived = client.events(timeout=0.25, limit=1)
                return arrived[0]["id"] if arrived else None

            try:
                last = until("an event to go through the relay", probe, timeout)
                while last != written[-1]:
                    last = client.event()["id"]
            except AssertionError as error:
                raise AssertionError(f"{error}; its log ends:\n{self.log_tail()}") from None

    def reload(self) -> None:
        self.write_config()
        self.signal(signal.SIGHUP)

    def signal(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def stop(self, timeout: float = 10) -> int:
        """SIGTERM; returns the exit status (negative: the signal that ended it)."""
        self.stop_without_waiting()
        return self.wait_exit(timeout)

    def stop_without_waiting(self) -> None:
        self.signal(signal.SIGTERM)

    def wait_exit(self, timeout: float) -> int:
        assert self.process is not None
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the relay did not end within {timeout:g} s; its log ends:\n{self.log_tail()}") from None
        finally:
            if self.process.poll() is not None:
                self.process = None

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def port_is_open(self) -> bool:
        return listening(self.port)

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def close(self) -> None:
        """The end of the test: the relay must still be there if nobody ended it, and must have kept the secrets."""
        died = self.process is not None and self.process.poll() is not None
        tail = self.log_tail() if died else ""
        if self.running() and SANITIZED:
            assert self.stop(timeout=30) == 0, f"it found something at the end:\n{self.log_tail()}"
        elif self.running():
            self.kill()
        assert not died, f"the relay ended by itself; its log ends:\n{tail}"
        self.assert_no_secret(self.log_text(), "the relay's log")

    # What it says

    def log_text(self) -> str:
        return self._log_file.read_text(encoding="utf-8", errors="replace") if self._log_file.exists() else ""

    def log_tail(self) -> str:
        return self.log_text()[-3000:]

    def log_lines(self) -> list[dict[str, Any]]:
        """The structured lines; fails on a line that is no JSON object."""
        return [json.loads(line) for line in self.log_text().splitlines() if line]

    @staticmethod
    def assert_no_secret(text: str, where: str) -> None:
        for secret in SECRETS:
            for form in {secret, quote(secret, safe="")}:
                at = text.find(form)
                assert at < 0, f"the secret {secret[:12]}… is in {where}: …{text[max(0, at - 200):at]}[secret]"

    def http(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        return request(self.port, path, method, headers, self.tls_ca)

    def status(self) -> dict[str, Any]:
        return dict(self.http("/status.json", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"}).json())

    def metric(self, name: str, **labels: str) -> float:
        answer = self.http("/metrics", headers={"Authorization": f"Bearer {MANAGEMENT_TOKEN}"})
        return Metrics(answer.body).value(name, **labels)

    # What it uses

    def memory(self) -> int:
        """Resident bytes."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def cpu_seconds(self) -> float:
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def descriptors(self) -> set[int]:
        assert self.process is not None
        return {int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd")}

    # Its clients

    def url(self, query: str | None = None) -> str:
        scheme = "wss" if self.tls_ca else "ws"
        return f"{scheme}://{self.host}/websocket" + (f"?{query}" if query else "")

    def client(self, token: str | None = SYSTEM_ROOT_TOKEN, query: str | None = None,
               headers: dict[str, str] | None = None) -> Client:
        """A v0 connection; `token` goes into the query as it is, as Arvados' clients do; `query` replaces it all."""
        if query is None and token is not None:
            query = f"api_token={token}"
        return Client(self.url(query), self.tls_ca, headers)


def walcast(*arguments: str, config: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs a verb of the command line to its end."""
    return subprocess.run([str(RELAY), *arguments], env={**os.environ, "ARVADOS_CONFIG": str(config),
                                                              "WALCAST_MIGRATIONS": str(MIGRATIONS)},
                          text=True, capture_output=True, timeout=timeout, check=False)


def migrate_up(relay: Relay) -> None:
    done = walcast("migrate", "up", config=relay.write_config())
    assert done.returncode == 0, f"walcast migrate up ended with {done.returncode}:\n{done.stdout}{done.stderr}"
