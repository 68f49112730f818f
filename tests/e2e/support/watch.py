"""`walcast watch` as a process."""

import json
import os
import pty
import signal
import subprocess
import threading
from typing import Any

from support.arvados import SYSTEM_ROOT_TOKEN
from support.paths import RELAY
from support.relay import Relay
from support.v1_schema import problem_of
from support.wait import until


class Watch:
    """One `walcast watch URL …`; what it prints is collected as it comes. Ends with the `with` block.

    With a `reader` its output goes through that command of the shell, whose exit code is then the exit code.
    """

    def __init__(self, *arguments: str, token: str | None = SYSTEM_ROOT_TOKEN, reader: str | None = None,
                 **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items()
                if name not in ("ARVADOS_API_TOKEN", "WALCAST_URL", "NO_COLOR", "SSL_CERT_FILE")}
        if token is not None:
            kept["ARVADOS_API_TOKEN"] = token
        pipe = ["bash", "-c", f'"$@" | {reader}', "-"] if reader else []
        self.process = subprocess.Popen([*pipe, "setpriv", "--pdeathsig=KILL", "--", str(RELAY), "watch", *arguments],
                                        env={**kept, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, encoding="utf-8")
        self.lines: list[str] = []
        self.notices: list[str] = []
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.notices))]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, into: list[str]) -> None:
        for line in stream:
            into.append(line.removesuffix("\n"))

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader in self._readers:
            reader.join()
        Relay.assert_no_secret("\n".join(self.lines + self.notices), "what `walcast watch` prints")

    def wait_notice(self, text: str, times: int = 1, timeout: float = 10) -> "Watch":
        """Until that many lines on standard error contain the text."""
        def probe() -> bool:
            count = sum(text in line for line in self.notices)
            assert count >= times or self.process.poll() is None, f"it ended, saying {self.notices}"
            return count >= times

        try:
            until(f"{text!r} on standard error", probe, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is {self.notices}") from None
        return self

    def wait_lines(self, count: int, timeout: float = 10) -> list[str]:
        try:
            until(f"{count} lines", lambda: len(self.lines) >= count, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {self.lines}, and {self.notices}") from None
        return list(self.lines)

    def ids(self) -> list[int]:
        """Of the events, with --json."""
        return [json.loads(line)["id"] for line in self.lines]

    def messages(self) -> list[dict[str, Any]]:
        """Of topics, with --json; each is as the schema has it."""
        made = [json.loads(line) for line in self.lines]
        for message in made:
            problem = problem_of(message)
            assert problem is None, problem
        return made

    def told(self, column: str = "name") -> list[Any]:
        """A column's values in the states and changes, None where there is no record; with --json."""
        return [(message["record"] or {}).get(column) for message in self.messages() if "record" in message]

    def blocks(self) -> list[list[str]]:
        """Of topics, without --json: each head, without its time, and what is below it."""
        made: list[list[str]] = []
        for line in list(self.lines):
            if line.startswith("  "):
                made[-1].append(line.strip())
            else:
                made.append([line.split(" ", 1)[1]])
        return made

    def signal(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    def exit_code(self, timeout: float = 10) -> int:
        """Waits for the end of the process and of its output."""
        code = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return code

    def fails(self, wanted: str, timeout: float = 15) -> None:
        """It ends with 1 and says why, in one line with these words."""
        assert self.exit_code(timeout) == 1
        assert len(self.notices) == 1, self.notices
        assert wanted in self.notices[0], self.notices
        assert not self.lines, self.lines


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """What a watch that ends by itself has printed on a terminal, as an administrator."""
    terminal, its_other_end = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    done = subprocess.run([str(RELAY), "watch", *arguments],
                          env={**kept, "TERM": "xterm", "ARVADOS_API_TOKEN": SYSTEM_ROOT_TOKEN, **environment},
                          stdout=its_other_end, stderr=subprocess.PIPE, timeout=20, check=False)
    text = os.read(terminal, 4096).decode()
    os.close(its_other_end)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    return text
