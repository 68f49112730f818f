"""A private PostgreSQL cluster on a free port."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import psycopg

from support.paths import POSTGRES_BIN, postgres_directory, postgres_user_prefix
from support.wait import free_port, until

SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",
    "fsync": "off",
    "max_connections": "200",
    "wal_level": "logical",
    "max_replication_slots": "40",
    "max_wal_senders": "40",
    "max_slot_wal_keep_size": "'2GB'",
    "shared_buffers": "'64MB'",
    "log_line_prefix": "'%m [%p] %a '",
}


class Postgres:
    """Starts, stops, restarts and kills one cluster; makes databases in it.

    The superuser is `postgres`; everybody on the loopback address is trusted. A new cluster is a copy of `template`, a
    stopped one, or made by initdb. With `standby_slot` it is a standby of `template`, which runs and has that slot, and
    keeps the failover slots of it.
    """

    def __init__(self, name: str, template: "Postgres | None" = None, standby_slot: str | None = None) -> None:
        self.port = free_port()
        self.directory: Path = postgres_directory(name)
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        if template is None:
            self._run(str(POSTGRES_BIN / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                      "--locale=C", "-N")
            self.set(**SETTINGS)
        elif standby_slot is not None:
            self._copy_running(template)
            self.set(primary_conninfo=f"'host=127.0.0.1 port={template.port} user=postgres dbname=postgres'",
                     primary_slot_name=f"'{standby_slot}'", hot_standby_feedback="on", sync_replication_slots="on",
                     synchronized_standby_slots="''")
            self._run("touch", str(self.data / "standby.signal"))
        else:
            self._run("cp", "-a", str(template.data), str(self.data))
        self.set(port=str(self.port))

    def _copy_running(self, primary: "Postgres") -> None:
        """A base backup, by hand, as not every distribution of PostgreSQL has pg_basebackup."""
        with primary.connect("postgres") as connection:
            connection.execute("select pg_backup_start('standby', fast => true)")
            self._run("cp", "-a", str(primary.data), str(self.data))
            label = connection.execute("select labelfile from pg_backup_stop(false)").fetchone()
        assert label is not None
        self._run("sh", "-c", 'rm -rf "$0/postmaster.pid" "$0/pg_replslot" && mkdir -m 700 "$0/pg_replslot"'
                  ' && printf "%s" "$1" >"$0/backup_label"', str(self.data), label[0])

    def promote(self) -> None:
        """A standby becomes a primary, on a timeline of its own."""
        self.execute("select pg_promote()")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([*postgres_user_prefix(), program, *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, f"{program} failed:\n{done.stdout}"

    def set(self, **settings: str) -> None:
        """Adds to postgresql.conf; the last value of a name counts, from the next start on."""
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def begin_at_epoch(self, epoch: int) -> None:
        """The stopped cluster has transaction ids of that epoch: beyond 32 bits if it is not 0."""
        self._run(str(POSTGRES_BIN / "pg_resetwal"), f"--epoch={epoch}", "-D", str(self.data))

    def start(self) -> None:
        # A killed postmaster's children may hold the shared memory for a moment: then it does not start, and tries again.
        until("PostgreSQL to start (see " + str(self.log) + ")", self._start_once, timeout=20, every=0.1)

    def _start_once(self) -> bool:
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [*postgres_user_prefix(), str(POSTGRES_BIN / "postgres"), "-D", str(self.data)],
                stdout=log, stderr=log, start_new_session=True)
        process = self._process
        return until("PostgreSQL to answer or to end", lambda: "ended" if process.poll() is not None else
                     "answers" if self._answers() else None, timeout=20) == "answers"

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Fast shutdown; SIGQUIT is immediate shutdown, which recovers at the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL for the postmaster and every backend, as when the machine's memory runs out."""
        assert self._process is not None
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        self._process.kill()
        for child in children:
            try:
                os.kill(int(child), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self._process.wait(timeout=10)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def begin_standby(self) -> None:
        """The stopped cluster starts as a standby of nobody, ready to be promoted."""
        self._run("touch", str(self.data / "standby.signal"))

    def keep_copy(self) -> None:
        """A backup of the stopped cluster."""
        self._run("cp", "-a", str(self.data), str(self.data) + ".copy")

    def restore_copy(self) -> None:
        """The stopped cluster becomes what it was at keep_copy()."""
        self._run("rm", "-rf", str(self.data))
        self._run("cp", "-a", str(self.data) + ".copy", str(self.data))

    def version(self) -> int:
        """15, say."""
        return int((self.data / "PG_VERSION").read_text(encoding="ascii"))

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    def connect(self, database: str, user: str = "postgres", **more: object) -> psycopg.Connection:
        """A connection in autocommit mode; `with connection.transaction():` makes a transaction."""
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, user=user, autocommit=True,
                               application_name="e2e", **more)  # type: ignore[arg-type]

    def execute(self, sql: str, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(sql)  # type: ignore[call-overload]

    def load(self, database: str, file: Path) -> None:
        """Runs the statements of a file. Not with psql, which not every distribution of PostgreSQL has."""
        self.execute(file.read_text(encoding="utf-8"), database)

    def drop(self, database: str) -> None:
        """Drops a database, and the replication slots in it."""
        with self.connect("postgres") as connection:
            def free() -> bool:
                connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots "
                                   "where database = %s and active", [database])
                connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                                   "where database = %s and not active", [database])
                return not connection.execute("select 1 from pg_replication_slots where database = %s",
                                              [database]).fetchone()

            until(f"the slots of {database} to be free", free)
            connection.execute(f'drop database "{database}" with (force)')  # type: ignore[call-overload]
