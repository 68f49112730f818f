#!/usr/bin/env bash
# check a model of the hand-over from a snapshot to the stream, in every order that things can happen in
#
# usage: ./dev model [--deep] [CHECK]...
#
#   --deep    larger models as well, for a minute or two and 1 GB of memory
#
# spin explores the model as it is, which must hold, and with each of the mistakes that tests/model/README.md lists, which
# must be found. `./dev model JOIN_BY_LSN` also prints, step by step, how that mistake loses a transaction.
source "$(dirname -- "$0")/lib.sh"

install_packages build test
exec tests/model/run.sh "$@"
