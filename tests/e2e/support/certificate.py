"""A certificate authority and a server certificate for 127.0.0.1 and localhost."""

from pathlib import Path

import trustme


class Certificate:
    """Paths of PEM files: `ca` for clients, `chain` and `key` for servers."""

    def __init__(self, directory: Path) -> None:
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost")
        self.ca = str(directory / "ca.pem")
        self.chain = str(directory / "server.pem")
        self.key = str(directory / "server.key")
        authority.cert_pem.write_to_path(self.ca)
        server.private_key_pem.write_to_path(self.key)
        for part, append in zip(server.cert_chain_pems, (False, True, True), strict=False):
            part.write_to_path(self.chain, append=append)

    @property
    def pair(self) -> tuple[str, str]:
        return self.chain, self.key
