#!/bin/sh
# Makes the virtual environment of the Python tests, once for each content of requirements.txt, and prints its directory,
# which lies under build/.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=/usr/bin/python3
hash=$(cat "$here/requirements.txt" "$here/venv.sh" | sha256sum | cut -c1-12)
venv=$root/build/venv/$hash

if [ ! -e "$venv/complete" ]; then
    echo "making the virtual environment $venv" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
    # The API's discovery document is in the client's source package only.
    client=$(grep '^arvados-python-client==' "$here/requirements.txt")
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --no-binary arvados-python-client \
        --dest "$venv/sdist" "$client" >&2
    tar -xzf "$venv"/sdist/*.tar.gz -C "$venv" --strip-components=1 --wildcards '*/arvados-v1-discovery.json'
    touch "$venv/complete"
fi
echo "$venv"
