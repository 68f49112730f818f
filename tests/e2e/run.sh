#!/bin/sh
# Runs the end-to-end tests; further arguments go to pytest. The virtual environment is made once for each content of
# requirements.txt and kept under build/.
#
#   WALCAST_BIN     the relay              (default: build/server/walcast)
#   WALCAST_PG_BIN  PostgreSQL's programs  (default: /usr/lib/postgresql/15/bin)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=/usr/bin/python3
hash=$(sha256sum "$here/requirements.txt" "$here/run.sh" | sha256sum | cut -c1-12)
venv=$root/build/venv/$hash

if [ ! -e "$venv/complete" ]; then
    echo "e2e: making the virtual environment $venv"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    # The API's discovery document is in the client's source package only.
    client=$(grep '^arvados-python-client==' "$here/requirements.txt")
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary arvados-python-client \
        --dest "$venv/sdist" "$client"
    tar -xzf "$venv"/sdist/*.tar.gz -C "$venv" --strip-components=1 --wildcards '*/arvados-v1-discovery.json'
    touch "$venv/complete"
fi

cd "$here"
exec "$venv/bin/python" -m pytest -o "cache_dir=$root/build/e2e/pytest_cache" "$@"
