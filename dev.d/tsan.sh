#!/usr/bin/env bash
# run tests under ThreadSanitizer: unit, a busy relay with several shards, e2e
#
# usage: ./dev tsan [unit]
#        ./dev tsan relay [--seconds N]   the soak's relay, clients and troubles for so long (30)
#        ./dev tsan e2e [PYTEST ARG...]   the end-to-end tests, each relay with three shards
#
# unit and relay without. Builds them in build-tsan/. Of the relay's processes the reports are in build-tsan/reports, a file
# each; one report is a failure whatever the tests say.
source "$(dirname -- "$0")/lib.sh"
source dev.d/sanitize.sh

# Memory is not looked at: the sanitizer remembers accesses.
busy_relay() {
    (($# > 0)) || set -- --seconds 30
    WALCAST_SOAK_TESTS='was_a_soak or due' sanitize_relay build-tsan thread dev.d/soak.sh "$@"
}

case ${1:-} in
    '')
        status=0
        sanitize build-tsan thread tests/unit/unit_tests || status=1
        busy_relay || status=1
        exit $status
        ;;
    unit) sanitize build-tsan thread tests/unit/unit_tests ;;
    relay) busy_relay "${@:2}" ;;
    e2e) WALCAST_SHARDS=3 sanitize_relay build-tsan thread tests/e2e/run.sh --color=no "${@:2}" ;;
    *) bad_usage "there is no $1" ;;
esac
