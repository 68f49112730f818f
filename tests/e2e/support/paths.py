"""Where the programs and files under test are, and where the tests may write."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
RELAY = Path(os.environ.get("WALCAST_BIN", ROOT / "build/server/walcast")).resolve()
POSTGRES_BIN = Path(os.environ.get("WALCAST_PG_BIN", "/usr/lib/postgresql/15/bin"))
MIGRATIONS = ROOT / "migrations"
SCHEMA = ROOT / "schema/arvados.sql"
VECTORS = ROOT / "tests/vectors/v0-vectors.json"
E2E = ROOT / "tests/e2e"
OUTPUT = ROOT / "build/e2e" / os.environ.get("PYTEST_XDIST_WORKER", "")  # each of several workers writes apart


def postgres_user_prefix() -> list[str]:
    """What goes before a PostgreSQL command: PostgreSQL refuses to run as root, and dies with its parent."""
    if os.geteuid() == 0:
        drop = ["--reuid=postgres", "--regid=postgres", "--clear-groups"]
    else:
        drop = []
    return ["setpriv", *drop, "--pdeathsig=INT", "--"]


def postgres_directory(name: str) -> Path:
    """An empty directory that PostgreSQL's user can reach: under build/, or in /tmp if the checkout is private."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    path = OUTPUT / f"{name}-{os.getpid()}"
    reachable = subprocess.run([*postgres_user_prefix(), "test", "-x", str(OUTPUT)], check=False).returncode == 0
    if not reachable:
        path = Path(tempfile.mkdtemp(prefix="walcast-e2e-"))
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    return path
