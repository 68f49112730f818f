#!/usr/bin/env bash
# run the tests, all of them or the suites named; the last line is `N passed, N failed`
#
# usage: ./dev test [SUITE]...
#
#   format   clang-format would change nothing              scripts  shellcheck has nothing against a script
#   build    everything compiles, without a warning         link     each stage needs its upstream alone
#   unit     everything that needs no PostgreSQL            bench    the parts of the load generators
#   db       C++ against a real PostgreSQL                  headers  every header compiles alone
#   schema   the demo's tables, data and generator          e2e      the relay, with real clients and databases
#   autobahn the Autobahn test suite, if there is Python 2.7 oracle   a minute of faults, see ./dev oracle
#   asan     unit and db under ASan and UBSan               oracle-grants  a minute of permissions that change
#   oracle-records  two minutes of protocol v1 and faults   soak     45 s of use, in which nothing grows
#   asan-e2e a choice of e2e under ASan and UBSan           fuzz     10 s with each fuzzer
#   model    the hand-over to the stream, in every order
#
# All of them without SUITE. (model, headers, asan and then fuzz work beside e2e and what follows, which wait more than they work,
# and give way to them; oracle-records beside oracle.) Only if they are named, as they take long:
#
#   pgmatrix a slice of e2e on the newest PostgreSQL        tidy     clang-tidy finds no fault
#   tsan     unit and a busy relay under ThreadSanitizer
#
# A suite that fails does not keep the others from running; one that crashes, hangs or cannot run counts as one that failed.
# What it wrote is in build/test/SUITE.log.
source "$(dirname -- "$0")/lib.sh"

all=(format scripts build link unit bench db schema autobahn e2e oracle oracle-grants oracle-records soak model headers asan asan-e2e fuzz)
named_only=(pgmatrix tidy tsan)
# seconds; a suite that hangs is ended
declare -A limit=([build]=1800 [e2e]=1200 [asan]=1800 [tidy]=1800 [asan-e2e]=1800 [tsan]=1800 [fuzz]=1800)
# What works while others wait, one after the other
declare -A beside=([e2e]="model headers asan fuzz" [oracle]="oracle-records")
declare -A pid=() start=()
passed=0
failed=0

main() {
    local suite other before
    local -a suites=("$@")
    ((${#suites[@]} > 0)) || suites=("${all[@]}")
    for suite in "${suites[@]}"; do
        [[ " ${all[*]} ${named_only[*]} " == *" $suite "* ]] || bad_usage "there is no suite $suite"
    done
    install_packages build test
    configure build
    mkdir -p build/test
    trap stop_suites EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    for suite in "${suites[@]}"; do
        [[ -n ${pid[$suite]:-} ]] || start_suite "$suite"
        before=none
        for other in ${beside[$suite]:-}; do
            if [[ " ${suites[*]} " == *" $other "* && -z ${pid[$other]:-} ]]; then
                start_suite "$other" "$before"
                before=${pid[$other]}
            fi
        done
        finish_suite "$suite"
    done
    echo "all of it took $SECONDS s"
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

# start_suite SUITE [BEFORE]: runs it in the background, with its output in a file. With BEFORE it gives way to the others, and
# begins when that process has ended; "none" if it need not wait.
start_suite() {
    local suite=$1 before=${2:-}
    local -a command=(timeout --kill-after=20 "${limit[$suite]:-900}" dev.d/suite.sh "$suite")
    [[ -z $before ]] || command=(nice -n 19 "${command[@]}")
    printf '%-13s runs\n' "$suite"
    start[$suite]=$SECONDS
    (
        while [[ -n $before && $before != none ]] && kill -0 "$before" 2>/dev/null; do
            sleep 1
        done
        exec "${command[@]}"
    ) </dev/null >"build/test/$suite.log" 2>&1 &
    pid[$suite]=$!
}

# Waits for it, says how it went, and adds what it counted.
finish_suite() {
    local suite=$1 log=build/test/$1.log status=0 good bad skipped
    show_progress "$suite" "$log"
    wait "${pid[$suite]}" || status=$?
    unset "pid[$suite]"
    read -r good bad skipped < <(count "$log")
    if ((status != 0 && bad == 0)) || ((good + bad + skipped == 0)); then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    printf '%-13s %s: %d passed, %d failed, %s%d s\n' "$suite" "$( ((bad == 0)) && echo ok || echo FAILED)" \
        "$good" "$bad" "$( ((skipped == 0)) || echo "$skipped skipped, ")" $((SECONDS - start[$suite]))
    if ((bad > 0)); then
        echo "---- the end of $log (exit status $status)"
        tail -n 40 -- "$log"
        echo "----"
    fi
}

# Until the suite ends: twice a minute the last line of its output.
show_progress() {
    local suite=$1 log=$2 next=$((SECONDS + 30))
    while kill -0 "${pid[$suite]}" 2>/dev/null; do
        if ((SECONDS >= next)); then
            printf '%-13s %d s: %.90s\n' "$suite" $((SECONDS - start[$suite])) "$(tail -c 400 -- "$log" | grep . | tail -n 1)"
            next=$((next + 30))
        fi
        sleep 0.2
    done
}

# The numbers that passed, failed and were skipped: of doctest, of pytest, and of our scripts' `N passed, N failed`.
count() {
    awk '
        { gsub(/\033\[[0-9;]*m/, "") }
        /^\[doctest\] test cases:/ || /^=+ .* in [0-9.]+s/ || /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ {
            for (i = 2; i <= NF; ++i) {
                word = $i
                sub(/,$/, "", word)
                if (word == "passed") good += $(i - 1)
                if (word ~ /^(failed|errors?)$/) bad += $(i - 1)
                if (word == "skipped") skipped += $(i - 1)
            }
        }
        END { print good + 0, bad + 0, skipped + 0 }' "$1"
}

# timeout passes the signal on to all that a suite started.
stop_suites() {
    local suite
    for suite in "${!pid[@]}"; do
        kill -TERM "${pid[$suite]}" 2>/dev/null || true
        wait "${pid[$suite]}" || true
    done
}

main "$@"
