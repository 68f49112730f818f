#!/usr/bin/env bash
# fuzz what reads bytes from outside: pgoutput, HTTP, WebSocket, client messages, properties, configuration
#
# usage: ./dev fuzz [TARGET]... [--seconds N] [--jobs N]
#        ./dev fuzz TARGET FILE...            run a target on these inputs alone, such as one that was found
#        ./dev fuzz --minimize [TARGET]...    write what was found that is new into the saved corpus, as little as covers it
#
#   --seconds N   for each target, after the saved corpus; 20 unless given
#   --optimized   builds them apart, in build-fuzz/, twice as fast: for long runs
#   --jobs N      so many targets at a time; as many as there are processors unless given
#
# TARGET is a name of tests/fuzz/NAME_fuzz.cpp; all of them without. Builds them in build-asan/, with ASan and UBSan.
# Each begins with the corpus in tests/fuzz/corpus/TARGET and with what it found in earlier runs, build-fuzz/corpus/TARGET. An
# input that breaks something is left in build-fuzz/found, with its report in build-fuzz/TARGET.log.
source "$(dirname -- "$0")/lib.sh"
source dev.d/sanitize.sh

seconds=20
jobs=$(nproc)
dir=build-asan
optimization=0
minimize=no
targets=()
files=()

main() {
    local target
    read_arguments "$@"
    local -a programs=("${targets[@]/#/tests/fuzz/}")
    OPTIMIZATION=$optimization sanitized_build "$dir" address,undefined "${programs[@]/%/_fuzz}"
    mkdir -p build-fuzz/found
    if ((${#files[@]} > 0)); then
        exec "$dir/tests/fuzz/${targets[0]}_fuzz" "${files[@]}"
    elif [[ $minimize == yes ]]; then
        for target in "${targets[@]}"; do
            minimize_corpus "$target"
        done
    else
        fuzz_all
    fi
}

read_arguments() {
    while (($# > 0)); do
        case $1 in
            --seconds | --jobs)
                [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || bad_usage "$1 needs a number, not '${2:-}'"
                [[ $1 == --jobs ]] && jobs=$2 || seconds=$2
                shift
                ;;
            --minimize) minimize=yes ;;
            --optimized) dir=build-fuzz optimization=1 ;;
            -*) bad_usage "there is no $1" ;;
            *)
                if [[ -f tests/fuzz/$1_fuzz.cpp ]]; then
                    targets+=("$1")
                elif ((${#targets[@]} == 1)) && [[ -f $1 || -f $OLDPWD/$1 ]]; then
                    files+=("$(realpath -- "$([[ -f $1 ]] && echo "$1" || echo "$OLDPWD/$1")")")
                else
                    bad_usage "there is no target $1"
                fi
                ;;
        esac
        shift
    done
    if ((${#targets[@]} == 0)); then
        mapfile -t targets < <(find tests/fuzz -name '*_fuzz.cpp' -printf '%f\n' | sed 's/_fuzz\.cpp$//' | sort)
    fi
}

# What all runs have in common: 4 KB hold whatever matters, 2 GB are too much, a minute too long.
fuzzer() {
    local target=$1
    shift
    mkdir -p "build-fuzz/corpus/$target"
    "$dir/tests/fuzz/${target}_fuzz" -max_len=4096 -timeout=60 -rss_limit_mb=2048 \
        -artifact_prefix="build-fuzz/found/$target-" "$@"
}

fuzz_one() {
    local target=$1 log=build-fuzz/$1.log
    local -a dictionary=()
    [[ ! -f tests/fuzz/$target.dict ]] || dictionary=("-dict=tests/fuzz/$target.dict")
    if fuzzer "$target" -max_total_time="$seconds" -print_final_stats=1 "${dictionary[@]}" "build-fuzz/corpus/$target" \
        "tests/fuzz/corpus/$target" >"$log" 2>&1 </dev/null; then
        echo "$target: ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
    else
        echo "$target: FAILED"
        grep -E 'does not hold|ERROR: |runtime error|SUMMARY|Test unit written' -- "$log" || tail -n 20 -- "$log"
        return 1
    fi
}

# Each as a process of its own, so many at a time; those that are under way end with us.
fuzz_all() {
    local target running=0 passed=0 failed=0
    trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
    for target in "${targets[@]}"; do
        if ((running == jobs)); then
            wait -n && passed=$((passed + 1)) || failed=$((failed + 1))
            running=$((running - 1))
        fi
        fuzz_one "$target" &
        running=$((running + 1))
    done
    for ((; running > 0; --running)); do
        wait -n && passed=$((passed + 1)) || failed=$((failed + 1))
    done
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

minimize_corpus() {
    local target=$1 file name
    local saved=tests/fuzz/corpus/$target fresh=build-fuzz/minimal/$target
    rm -rf -- "$fresh"
    mkdir -p "$fresh" "$saved"
    fuzzer "$target" -use_counters=0 -set_cover_merge=1 "$fresh" "$saved" "build-fuzz/corpus/$target" >"build-fuzz/$target-merge.log" 2>&1 ||
        fail "$target: see build-fuzz/$target-merge.log"
    find "$saved" -type f -delete
    for file in "$fresh"/*; do
        name=$(sha1sum <"$file" | cut -c 1-16)
        cp -- "$file" "$saved/$name"
    done
    echo "$target: $(find "$saved" -type f | wc -l) files, $(du -bs "$saved" | cut -f 1) bytes"
}

main "$@"
