#!/usr/bin/env bash
# Runs the Autobahn test suite against an echo server that is made of the relay's network classes.
#
# usage: tests/autobahn/run.sh [CASE]...      such as 6.* or 9.1.1; all but compression without CASE
#
# The suite is written for Python 2.7, which is looked for in $WALCAST_PYTHON2, in $PATH and among pyenv's; where there is none,
# it says so and ends with status 0. It is installed into a virtual environment under build/autobahn, once for each
# content of requirements.txt. The reports, as pages too, are in build/autobahn/reports.
#
# 12.* and 13.* are permessage-deflate, which the server does not negotiate.
set -euo pipefail
here=$(dirname -- "$(realpath -- "${BASH_SOURCE[0]}")")
root=$(realpath -- "$here/../..")
place=$root/build/autobahn
echo_server=${WALCAST_ECHO:-$root/build/tests/autobahn/autobahn_echo}
echo_pid=

fail() {
    echo "autobahn: $*" >&2
    exit 1
}

find_python2() {
    local python
    for python in "${WALCAST_PYTHON2:-}" python2.7 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/2.7.*/bin/python2.7; do
        if [[ -n $python ]] && "$python" -c 'import sys, pip; sys.exit(sys.version_info[:2] != (2, 7))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    return 1
}

# make_venv PYTHON: the last virtualenv that runs under 2.7 needs no other package to be there.
make_venv() {
    local hash
    hash=$(sha256sum "$here/requirements.txt" "$here/run.sh" | sha256sum | cut -c1-12)
    venv=$place/venv-$hash
    [[ ! -e $venv/complete ]] || return 0
    echo "autobahn: making the virtual environment"
    rm -rf -- "$place"/venv-*
    "$1" -m pip install --quiet --disable-pip-version-check --upgrade --target "$venv/tools" virtualenv==20.15.1
    PYTHONPATH=$venv/tools "$1" -m virtualenv --quiet --no-download "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
    touch -- "$venv/complete"
}

stop_echo() {
    if [[ -n $echo_pid ]]; then
        kill -TERM "$echo_pid" 2>/dev/null || true
        wait "$echo_pid" || true
    fi
}

[[ -x $echo_server ]] || fail "$echo_server is not built"
if ! python=$(find_python2); then
    echo "autobahn: skipped: there is no Python 2.7 with pip here, which the Autobahn test suite needs"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
mkdir -p -- "$place"
make_venv "$python" 2> >(grep -v DEPRECATION >&2)

trap stop_echo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
"$echo_server" >"$place/port" &
echo_pid=$!
for ((i = 0; i < 100; ++i)); do
    [[ ! -s $place/port ]] || break
    sleep 0.05
done
[[ -s $place/port ]] || fail "the echo server does not listen"

rm -rf -- "$place/reports"
cases=$(printf ', "%s"' "${@:-*}")
cat >"$place/spec.json" <<EOF
{"outdir": "$place/reports",
 "servers": [{"agent": "walcast", "url": "ws://127.0.0.1:$(<"$place/port")", "options": {"version": 18}}],
 "cases": [${cases:2}], "exclude-cases": ["12.*", "13.*"], "exclude-agent-cases": {}}
EOF
"$venv/bin/wstest" --mode fuzzingclient --spec "$place/spec.json" >"$place/wstest.log" 2>&1 ||
    { tail -n 20 -- "$place/wstest.log"; fail "the suite did not run to its end"; }
kill -0 "$echo_pid" 2>/dev/null || fail "the echo server ended by itself"
/usr/bin/python3 "$here/report.py" "$place/reports/index.json"
