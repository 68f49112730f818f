#!/usr/bin/env bash
# run tests under AddressSanitizer and UndefinedBehaviorSanitizer: unit, db, e2e
#
# usage: ./dev asan [unit|db]...
#        ./dev asan e2e [PYTEST ARG...]   the end-to-end tests, with a relay that is built so: test_http.py -k metrics
#
# unit and db without. Builds them in build-asan/. Leaks are errors too. Of the relay's processes the reports are in
# build-asan/reports, a file each; one report is a failure whatever the tests say.
source "$(dirname -- "$0")/lib.sh"
source dev.d/sanitize.sh

if [[ ${1:-} == e2e ]]; then
    sanitize_relay build-asan address,undefined tests/e2e/run.sh --color=no "${@:2}"
    exit
fi
programs=()
for suite in "${@:-unit db}"; do
    case $suite in
        'unit db') programs=(tests/unit/unit_tests tests/db/db_tests) ;;
        unit | db) programs+=("tests/$suite/${suite}_tests") ;;
        *) bad_usage "there is no $suite here" ;;
    esac
done
sanitize build-asan address,undefined "${programs[@]}"
