#!/usr/bin/env bash
# look at the sources without running them: format, scripts, headers, clang-tidy
#
# usage: ./dev lint [CHECK]...
#
#   format    clang-format 16 would change nothing (./dev fmt changes it)
#   scripts   bash parses every script, and shellcheck has nothing against one
#   headers   every header compiles alone
#   tidy      clang-tidy 16 finds none of the faults that .clang-tidy lists
#   analyze   nor does its analyzer, which follows values through functions and takes as long again
#
# All five without CHECK. headers, tidy and analyze remember what passed, and look again at what changed.
source "$(dirname -- "$0")/lib.sh"
source dev.d/checks.sh

check_format() {
    if sources | xargs -d '\n' -n 20 -P "$(nproc)" clang-format-16 --dry-run --Werror --; then
        echo "1 passed, 0 failed"
    else
        echo "0 passed, 1 failed"
        return 1
    fi
}

check_scripts() {
    local script failed=0 total=0
    while read -r script; do
        total=$((total + 1))
        bash -n -- "$script" && shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR -- "$script" || failed=$((failed + 1))
    done < <(scripts)
    echo "$((total - failed)) passed, $failed failed"
    ((failed == 0))
}

checks=("$@")
((${#checks[@]} > 0)) || checks=(format scripts headers tidy analyze)
for check in "${checks[@]}"; do
    [[ $check =~ ^(format|scripts|headers|tidy|analyze)$ ]] || bad_usage "there is no check $check"
done
install_packages build test
status=0
for check in "${checks[@]}"; do
    echo "lint: $check"
    case $check in
        format) check_format || status=1 ;;
        scripts) check_scripts || status=1 ;;
        headers)
            configure build
            check_files headers || status=1
            ;;
        tidy | analyze)
            configure build
            compile build >build/checks-build.log 2>&1 || { tail -n 30 build/checks-build.log && status=1; }
            check_files "$check" || status=1
            ;;
    esac
done
exit $status
