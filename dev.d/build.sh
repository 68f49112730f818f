#!/usr/bin/env bash
# compile everything into build/
#
# usage: ./dev build [NINJA ARG...]
#
# Installs the packages that compiling needs, if some are missing, and uses ccache. The program is build/server/walcast.
# ARG... goes to ninja: a target, or -v.
source "$(dirname -- "$0")/lib.sh"

install_packages build
configure build
compile build "$@"
