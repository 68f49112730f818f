#!/usr/bin/env bash
# run the Autobahn test suite against the WebSocket layer
#
# usage: ./dev autobahn [CASE]...
#
# CASE... are names as the suite has them, such as 6.* or 9.1.1; all of them but compression without. Needs a Python 2.7,
# pyenv's for instance; without one it says so and is content. The reports are pages in build/autobahn/reports.
source "$(dirname -- "$0")/lib.sh"

install_packages build
configure build
compile build tests/autobahn/autobahn_echo
exec tests/autobahn/run.sh "$@"
