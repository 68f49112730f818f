# A build directory with a sanitizer, and test programs in it. Sourced by asan.sh and tsan.sh.
# shellcheck shell=bash

# sanitize DIR SANITIZERS PROGRAM...: builds the test programs and runs them one after the other, all of them even if
# one fails. Warnings are judged in build/; sanitizers confuse g++ into false ones.
sanitize() {
    local dir=$1 sanitizers=$2 program status=0
    shift 2
    install_packages build
    configure "$dir" "-Db_sanitize=$sanitizers" -Db_lundef=false -Doptimization=1 -Ddebug=true \
        "-Dcpp_args=-fno-sanitize-recover=all -fno-omit-frame-pointer -g1 -w"
    compile "$dir" "$@"
    for program in "$@"; do
        echo "$dir/$program"
        "$dir/$program" --no-colors || status=1
    done
    return $status
}

# A report ends the program with this status; everything is a report that is undefined, raced, or leaked.
export ASAN_OPTIONS=exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1
export UBSAN_OPTIONS=print_stacktrace=1:exitcode=99
export TSAN_OPTIONS=exitcode=99:halt_on_error=1:second_deadlock_stack=1
