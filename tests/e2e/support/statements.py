"""What the relay asks the database, counted in the log of PostgreSQL."""

from support.postgres import Postgres


class Statements:
    """Counts the relay's reads of a table, as PostgreSQL logs them."""

    def __init__(self, postgres: Postgres, table: str) -> None:
        self._log, self._table = postgres.log, table
        self._begin = self._log.stat().st_size

    def count(self) -> int:
        with open(self._log, encoding="utf-8", errors="replace") as log:
            log.seek(self._begin)
            return sum(f"from {self._table}" in line.lower().replace('"', "").replace("public.", "") and " walcast" in line
                       and ("statement:" in line or "execute" in line) for line in log)
