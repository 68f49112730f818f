#!/usr/bin/env bash
# run the unit and db tests under AddressSanitizer and UndefinedBehaviorSanitizer
#
# usage: ./dev asan [unit|db]...
#
# Builds them in build-asan/. Leaks are errors too.
source "$(dirname -- "$0")/lib.sh"
source dev.d/sanitize.sh

programs=()
for suite in "${@:-unit db}"; do
    case $suite in
        'unit db') programs=(tests/unit/unit_tests tests/db/db_tests) ;;
        unit | db) programs+=("tests/$suite/${suite}_tests") ;;
        *) bad_usage "there is no $suite here" ;;
    esac
done
sanitize build-asan address,undefined "${programs[@]}"
