#!/usr/bin/env bash
# run the unit tests, and those of threads, under ThreadSanitizer
#
# usage: ./dev tsan
#
# Builds them in build-tsan/.
source "$(dirname -- "$0")/lib.sh"
source dev.d/sanitize.sh

programs=(tests/unit/unit_tests)
if [[ -f tests/thread/meson.build ]]; then
    programs+=(tests/thread/thread_tests)
fi
sanitize build-tsan thread "${programs[@]}"
