# A build directory with a sanitizer, and test programs in it. Sourced by asan.sh and tsan.sh.
# shellcheck shell=bash

# sanitized_build DIR SANITIZERS PROGRAM...: builds the programs, with clang and, unless OPTIMIZATION is set, without any: g++
# takes three times as long with AddressSanitizer. Warnings are judged in build/. What has AddressSanitizer can also be
# fuzzed, so that one directory is enough for both.
sanitized_build() {
    local dir=$1 sanitizers=$2 flags='-fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -w'
    local -a options=()
    shift 2
    if [[ $sanitizers == address,undefined ]]; then
        flags+=" -fsanitize=fuzzer-no-link -fsanitize-ignorelist=$PWD/dev.d/undefined.ignore"
        options=(-Dfuzz=true)
    fi
    install_packages build test
    [[ ! -f $dir/build.ninja ]] || grep -q 'clang++-16' "$dir/build.ninja" || rm -rf -- "$dir" # it was made by g++
    CXX='ccache clang++-16' configure "$dir" "-Db_sanitize=$sanitizers" -Db_lundef=false -Ddebug=true \
        "-Doptimization=${OPTIMIZATION:-0}" "${options[@]}" "-Dcpp_args=$flags"
    compile "$dir" "$@"
}

# sanitize DIR SANITIZERS PROGRAM...: builds the test programs and runs them at the same time, all of them even if one fails.
sanitize() {
    local dir=$1 program status=0
    local -A process=()
    sanitized_build "$@"
    for program in "${@:3}"; do
        "$dir/$program" --no-colors >"$dir/$program.log" 2>&1 &
        process[$program]=$!
    done
    for program in "${@:3}"; do
        wait "${process[$program]}" || status=1
        echo "$dir/$program"
        cat -- "$dir/$program.log"
    done
    return $status
}

# sanitize_relay DIR SANITIZERS COMMAND...: builds the relay, and runs the command with it, a run of the end-to-end tests or
# of the soak. Each process of the relay leaves its report, if there is one, in a file of its own: then it has failed, whatever
# the tests say.
sanitize_relay() {
    local dir=$1 sanitizers=$2 status=0 report
    local reports=$PWD/$dir/reports
    shift 2
    sanitized_build "$dir" "$sanitizers" server/walcast
    rm -rf -- "$reports"
    mkdir -p -- "$reports"
    ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$reports/report TSAN_OPTIONS=$TSAN_OPTIONS:log_path=$reports/report \
        UBSAN_OPTIONS=$UBSAN_OPTIONS:log_path=$reports/report \
        WALCAST_BIN=$PWD/$dir/server/walcast WALCAST_SANITIZED=1 "$@" || status=1
    for report in "$reports"/*; do
        [[ -s $report ]] || continue
        head -n 60 -- "$report"
        status=1
    done
    if [[ -n $(find "$reports" -type f) ]]; then
        echo "0 passed, $(find "$reports" -type f | wc -l) failed"
    else
        echo "no report of the sanitizer"
    fi
    return $status
}

# A report ends the program with this status; everything is a report that is undefined, raced, or leaked.
export LSAN_OPTIONS=suppressions=$PWD/dev.d/leaks.ignore:print_suppressions=0
export ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1:exitcode=99
export TSAN_OPTIONS=exitcode=99:halt_on_error=1:second_deadlock_stack=1
