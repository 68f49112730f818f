#!/usr/bin/env bash
# Checks handover.pml with spin: as it is, and spoiled in every way that README.md names, each of which must be found.
# One line per check; the last line is `N passed, N failed`.
#
# usage: run.sh [--deep] [CHECK]...
#
# All checks without CHECK. With it the steps to what was found are printed as well; they are in build/model/CHECK/story too.
# --deep checks larger models, which takes a minute or two and 1 GB of memory.
set -euo pipefail
model=$(realpath -- "$(dirname -- "$0")/handover.pml")
cd -- "$(dirname -- "$model")/../.."

one=(-DSUBSCRIBES=1)
short=(-DTRANSACTIONS=2)
alone=(-DNO_POLLS)
passed=0
failed=0
deep=no
chosen=()

main() {
    while (($# > 0)); do
        case $1 in
            --deep) deep=yes ;;
            -*) echo "run.sh: there is no $1" >&2 && exit 2 ;;
            *) chosen+=("$1") ;;
        esac
        shift
    done
    holds two-subscribes "${alone[@]}"
    holds subscribe-and-polls "${one[@]}"
    holds two-subscribes-and-polls "${short[@]}"
    spoiled JOIN_BY_LSN lost "${one[@]}" "${short[@]}"
    spoiled XID_FILTER_LATER_ONLY lost "${one[@]}" "${short[@]}"
    spoiled U_AT_ANSWER lost "${one[@]}" "${short[@]}"
    holds one-connection -DU_AT_ANSWER -DONE_CONNECTION "${short[@]}"
    spoiled I_BEFORE_SNAPSHOT early "${one[@]}" "${short[@]}"
    spoiled FLUSH_LSN early "${one[@]}" "${short[@]}"
    spoiled STANDBY_SNAPSHOT lost "${one[@]}" "${short[@]}"
    spoiled TRIMMED_IS_SKIPPED lost "${one[@]}" "${short[@]}"
    spoiled SETTLE_THE_LAST lost "${one[@]}" "${short[@]}"
    spoiled SETTLE_PAST_FRONTIER lost "${one[@]}" "${short[@]}"
    spoiled START_UNSETTLED lost "${one[@]}" "${short[@]}"
    comes_live ends "${one[@]}" "${short[@]}"
    spoiled NUMBERS_ARE_TRIMMED "never live" "${one[@]}" "${short[@]}"
    if [[ $deep == yes ]]; then
        holds two-subscribes-and-polls-of-3 -DTRANSACTIONS=3
        holds subscribe-and-polls-of-4 -DTRANSACTIONS=4 "${one[@]}"
    fi
    ((passed + failed > 0)) || { echo "run.sh: there is no check ${chosen[*]}" >&2 && exit 2; }
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

# holds CHECK MACRO...: in no order of events a client has another state than that of its position, all of the model's code
# was reached, and nobody waits for ever.
holds() {
    local check=$1
    wanted "$check" || return 0
    build "$check" "$([[ $deep == yes ]] && echo -O2 || echo -O1) -DSAFETY" "${@:2}"
    if ! explore "$check" -m100000 -w22; then
        report "$check" FAIL "$(found "$check")"
    elif grep -A1000 '^unreached in' "build/model/$check/log" | grep ', state ' | grep -v '"-end-"'; then
        report "$check" FAIL "the above is never reached"
    else
        report "$check" ok "holds"
    fi
}

# comes_live CHECK MACRO...: nobody asks for ever, if every transaction ends at last and every thread gets its turn.
comes_live() {
    local check=$1
    wanted "$check" || return 0
    build "$check" "-O0 -DNFAIR=3" -DCOMES_LIVE "${@:2}"
    if explore "$check" -a -f -m100000; then
        report "$check" ok "comes live"
    else
        report "$check" FAIL "$(found "$check")"
    fi
}

# spoiled MACRO FAULT MACRO...: with the first macro the fault must be found, by the fewest steps that lead there.
spoiled() {
    local check=$1 fault=$2 what
    wanted "$check" || return 0
    if [[ $fault == "never live" ]]; then
        build "$check" "-O0 -DNFAIR=3" -DCOMES_LIVE "-D$check" "${@:3}"
        explore "$check" -a -f -m100000 || true
    else
        build "$check" "-O0 -DSAFETY -DBFS" "-D$check" "${@:3}"
        explore "$check" || true
    fi
    what=$(found "$check")
    report "$check" "$([[ $what == "$fault" ]] && echo ok || echo FAIL)" "${what:-nothing} is found"
}

wanted() {
    ((${#chosen[@]} == 0)) || [[ " ${chosen[*]} " == *" $1 "* ]]
}

# build CHECK "COMPILER OPTIONS" MACRO...: makes the program that explores.
build() {
    local dir=build/model/$1 options
    read -ra options <<<"$2"
    rm -rf -- "$dir"
    mkdir -p -- "$dir"
    printf '%s\n' "${@:3}" >"$dir/macros"
    (
        cd -- "$dir"
        spin "${@:3}" -a "$model" >spin.log || { cat spin.log >&2 && exit 1; }
        gcc -w -DMEMLIM=3000 "${options[@]}" -o pan pan.c
    )
}

# explore CHECK OPTION...: false if something is wrong with the model.
explore() {
    local dir=build/model/$1
    (cd -- "$dir" && ./pan "${@:2}" >log 2>&1) || true
    grep -q 'errors: 0$' "$dir/log" && ! grep -Eq 'not completed|max search depth too small|out of memory' "$dir/log"
}

# What is wrong, in a word, which stands as a comment behind the assertion; the steps to it are put into `story`.
found() {
    local dir=build/model/$1 macros line
    [[ -f $dir/handover.pml.trail ]] || { grep -q 'errors: 0$' "$dir/log" || tail -n 3 "$dir/log"; return; }
    mapfile -t macros <"$dir/macros"
    (cd -- "$dir" && spin -t -T -k handover.pml.trail "${macros[@]}" "$model" >trail.log 2>&1) || true
    grep -E '^ *(transaction|client|the|a poll)' "$dir/trail.log" >"$dir/story" || true
    line=$(sed -n 's/^spin: .*:\([0-9]*\), Error: assertion violated.*/\1/p' "$dir/trail.log" | head -n 1)
    if [[ -n $line ]]; then
        sed -n "${line}s,.*/\* \([a-z ]*\) \*/.*,\1,p" "$model"
    elif grep -q 'acceptance cycle' "$dir/log"; then
        echo "never live"
    else
        echo "somebody waits for ever"
    fi
}

# report CHECK VERDICT TEXT
report() {
    local states
    states=$(awk '/states, stored/ { sum = $1 } END { print sum + 0 }' "build/model/$1/log")
    [[ $2 == ok ]] && passed=$((passed + 1)) || failed=$((failed + 1))
    printf '%-5s %-30s %s; %d states\n' "$2" "$1" "$3" "$states"
    if [[ -f build/model/$1/story ]] && { [[ $2 != ok ]] || ((${#chosen[@]} > 0)); }; then
        cat -- "build/model/$1/story"
    fi
}

main "$@"
