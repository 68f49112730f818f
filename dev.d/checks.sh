# Checks of single files: each header compiles alone, unless the build has shown that it does; clang-tidy or its analyzer has
# nothing against a source. Sourced by lint.sh.
# ninja does the work, so that they run in parallel and, later, only for what changed: build/checks/build.ninja is
# written anew each time, ninja remembers what passed.
# shellcheck shell=bash

analyzed='-*,clang-analyzer-core.*,clang-analyzer-cplusplus.Move,clang-analyzer-cplusplus.InnerPointer,clang-analyzer-unix.Malloc'

# check_files headers|tidy|analyze: ends with one line `N passed, N failed`.
check_files() {
    local what=$1 log=build/checks/$1.log total failed
    mkdir -p build/checks
    write_rules >build/checks/build.ninja.new
    mv -- build/checks/build.ninja.new build/checks/build.ninja
    total=$(grep -c "^build $what/" build/checks/build.ninja)
    if NINJA_STATUS='[%f/%t %es] ' flock --close -- build/checks/lock \
        ninja -C build/checks -j "$(compilers)" -k 0 "$what" 2>&1 | tee -- "$log"; then
        failed=0
    else
        failed=$(grep -c '^FAILED: ' "$log") || failed=1
    fi
    echo "$((total - failed)) passed, $failed failed"
    ((failed == 0))
}

write_rules() {
    local -a headers=() tidied=()
    local file what
    mapfile -t headers < <(sources | grep '\.hpp$' | not_first_in_its_source)
    mapfile -t tidied < <(sources | grep -v '^tests/' | grep '\.cpp$')
    cat <<NINJA
root = ../..
flags = $(compile_flags)
rule header
    command = g++ \$flags -fsyntax-only -MMD -MF \$out.d -MT \$out -x c++ -include \$in /dev/null && touch \$out
    deps = gcc
    depfile = \$out.d
    description = \$in
rule tidy
    command = clang-tidy-16 --quiet -p \$root/build \$checks --extra-arg=-Wno-error --extra-arg=-Wno-unknown-warning-option \$in && touch \$out
    description = \$in
NINJA
    for file in "${headers[@]}"; do
        echo "build headers/$file.ok: header \$root/$file"
    done
    echo "build headers: phony ${headers[*]/%/.ok}" | sed 's: \([a-z]*/\): headers/\1:g'
    included_by | while read -r file includes; do
        [[ " ${tidied[*]} " == *" $file "* ]] || continue
        echo "build tidy/$file.ok: tidy \$root/$file | \$root/.clang-tidy $includes"
        echo "tidy/$file.ok" >&3
        # The analyzer knows nothing of coroutines and finds faults in Asio's frames; and one in Boost.URL's own sources.
        grep -qE 'co_await|boost/url/src.hpp' -- "$file" && continue
        echo "build analyze/$file.ok: tidy \$root/$file | $includes"
        echo "    checks = --checks=$analyzed --warnings-as-errors=*"
        echo "analyze/$file.ok" >&3
    done 3>build/checks/targets
    for what in tidy analyze; do
        echo "build $what: phony $(grep "^$what/" build/checks/targets | tr '\n' ' ')"
    done
}

# A header that its own source includes before anything else has compiled alone whenever that source has.
not_first_in_its_source() {
    local header source
    while read -r header; do
        source=${header%.hpp}.cpp
        [[ -f $source && $(grep -m 1 '^#include' -- "$source") == "#include \"$header\"" ]] || echo "$header"
    done
}

# The flags that all sources are compiled with, from the compilation database: every -isystem, the warnings.
compile_flags() {
    echo "-std=c++20 -I\$root $(grep -o -e ' -isystem *[^ "]*' -e ' -W[a-z-]*' build/compile_commands.json | sort -u | tr '\n' ' ')"
}

# What ninja learnt when it compiled a source: a line with the source and the project's headers that it includes.
included_by() {
    ninja -C build -t deps | awk '
        /^[^ ].*: #deps/ { end(); source = "" }
        /^    \.\.\// { sub(/^    \.\.\//, ""); if (source == "") source = $0; else files = files " $root/" $0 }
        END { end() }
        function end() { if (source != "") print source files; files = "" }'
}
