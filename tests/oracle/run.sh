#!/bin/sh
# Runs the oracle (./dev oracle describes it); or, with `test`, the tests of its own parts: further arguments go to pytest.
#
#   WALCAST_BIN     the relay              (default: build/server/walcast)
#   WALCAST_PG_BIN  PostgreSQL's programs  (default: /usr/lib/postgresql/15/bin; --pg MAJOR takes those of another version)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$("$root/tests/e2e/venv.sh")
if [ "${1:-}" = test ]; then
    shift
    cd "$here"
    exec "$venv/bin/python" -m pytest -o "cache_dir=$root/build/oracle/pytest_cache" "$@"
fi
major=
for argument in "$@"; do
    [ "$major" != next ] || major=$argument
    [ "$argument" != --pg ] || major=next
done
if [ -n "$major" ]; then
    WALCAST_PG_BIN=$("$root/tests/support/postgres_versions.sh" "$major")
    export WALCAST_PG_BIN
fi
PYTHONPATH=$root/tests/e2e:$root/tests:$root/tests/support exec "$venv/bin/python" -m oracle "$@"
