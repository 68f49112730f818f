#!/bin/sh
# Runs the end-to-end tests; further arguments go to pytest. The virtual environment is venv.sh's.
#
#   WALCAST_BIN     the relay              (default: build/server/walcast)
#   WALCAST_PG_BIN  PostgreSQL's programs  (default: /usr/lib/postgresql/15/bin)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$("$here/venv.sh")
cd "$here"
exec "$venv/bin/python" -m pytest -o "cache_dir=$root/build/e2e/pytest_cache" "$@"
