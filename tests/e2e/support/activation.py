"""Socket activation, with the test in systemd's place: it holds the listening socket that relays accept on."""

import socket

#: Gives file $1 to the program as descriptor 3, and says so as sd_listen_fds(3) has it. The process stays the same.
_HAND_OVER = ('if [ "$1" != 3 ]; then exec 3<&"$1"; given=$1; exec {given}<&-; fi; shift; '
              'export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"')


class HeldSocket:
    """A socket that listens on the loopback address for as long as the test likes. `port` 0 is a free one."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.port = int(self.socket.getsockname()[1])

    def __enter__(self) -> "HeldSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def handing_over(descriptor: int) -> list[str]:
    """What goes before a command, which Popen has to give `pass_fds=(descriptor,)`."""
    return ["bash", "-c", _HAND_OVER, "bash", str(descriptor)]
