#!/usr/bin/env bash
# use a relay for a long time, and see that its memory, descriptors and threads do not grow
#
# usage: ./dev soak [--minutes N | --seconds N] [--source slot|listener]
#
# 20 minutes, unless told otherwise. Clients come and go, some of them by a crash, some with last_log_id; writers write all
# the time; now and then the database's connections are cut, the configuration is read again. What the relay holds is
# measured each second; after a warm-up, the last third must not be above the first. A run of less than five minutes allows for
# what the relay remembers of each event, which is not yet at its bound. The figures are printed.
source "$(dirname -- "$0")/lib.sh"

export WALCAST_SOAK_SECONDS=1200 WALCAST_SOAK_SOURCE=slot
while (($# > 0)); do
    case $1 in
        --minutes | --seconds)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || bad_usage "$1 needs a number, not '${2:-}'"
            WALCAST_SOAK_SECONDS=$(($2 * $([[ $1 == --minutes ]] && echo 60 || echo 1)))
            ;;
        --source)
            [[ ${2:-} =~ ^(slot|listener)$ ]] || bad_usage "--source is slot or listener, not '${2:-}'"
            WALCAST_SOAK_SOURCE=$2
            ;;
        *) bad_usage "there is no $1" ;;
    esac
    shift 2
done
if [[ -z ${WALCAST_BIN:-} ]]; then
    install_packages build test
    configure build
    compile build server/walcast
fi
exec tests/e2e/run.sh -c ../soak/pytest.ini --rootdir ../soak --capture=no --color=no ${WALCAST_SOAK_TESTS:+-k "$WALCAST_SOAK_TESTS"} ../soak
