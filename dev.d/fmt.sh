#!/usr/bin/env bash
# put every C++ file into the house format (clang-format 16), in place
#
# usage: ./dev fmt [FILE...]
#
# Without FILE: all of db, server and tests. ./dev lint only looks.
source "$(dirname -- "$0")/lib.sh"

install_packages test
if (($# > 0)); then
    clang-format-16 -i -- "$@"
else
    sources | xargs -d '\n' -n 20 -P "$(nproc)" clang-format-16 -i --
fi
