#!/usr/bin/env bash
# One suite of ./dev test, which describes them, counts what they print, and ends the ones that hang.
source "$(dirname -- "$0")/lib.sh"

# doctest_program TARGET: builds and becomes it.
doctest_program() {
    compile build "$1"
    exec "build/$1" --no-colors
}

link_stages() {
    local stage passed=0 failed=0
    while read -r stage; do
        if compile build "$stage"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
        fi
    done < <(ninja -C build -t targets all | sed -n 's/^\(tests\/link\/link_[a-z]*\): .*/\1/p')
    echo "$passed passed, $failed failed"
    tests/link/includes.sh
    ((failed == 0))
}

# Of the end-to-end tests those in which the relay meets the most code in the least time.
asan_slice='((test_vectors or test_http or test_bad) and slot or test_many_clients or test_terminated or test_sighup) and not hostile'
# They wait more than they work. Tests of one file share a relay.
workers=(-n 3 --dist loadfile)

suite=$1
case $suite in
    format | scripts | headers | tidy) exec dev.d/lint.sh "$suite" ;;
    build)
        compile build -k 0
        echo "1 passed, 0 failed"
        ;;
    link) link_stages ;;
    unit) doctest_program tests/unit/unit_tests ;;
    bench) doctest_program tests/bench/bench_parts_test ;;
    db) doctest_program tests/db/db_tests ;;
    schema) exec tests/db/schema_test.sh ;;
    autobahn) exec dev.d/autobahn.sh ;;
    e2e)
        compile build server/walcast
        exec tests/e2e/run.sh --color=no "${workers[@]}"
        ;;
    oracle)
        compile build server/walcast tests/db/arvados_statements
        tests/oracle/run.sh test --color=no -n 2
        exec tests/oracle/run.sh events --seconds 60
        ;;
    oracle-grants)
        compile build server/walcast
        exec tests/oracle/run.sh grants --seconds 60
        ;;
    oracle-records)
        compile build server/walcast
        # Without the slot that is dropped: what was revoked between two slots may show for a moment still (tests/oracle/README.md).
        exec tests/oracle/run.sh records --seconds 120 --faults=-slot-drop
        ;;
    model) exec tests/model/run.sh ;;
    pgmatrix) exec dev.d/pgmatrix.sh slice ;;
    asan) exec dev.d/asan.sh ;;
    asan-e2e) exec dev.d/asan.sh e2e "${workers[@]}" -k "$asan_slice" ;;
    tsan) exec dev.d/tsan.sh ;;
    fuzz) exec dev.d/fuzz.sh --seconds 10 ;;
    soak) exec dev.d/soak.sh --seconds 45 ;;
esac
