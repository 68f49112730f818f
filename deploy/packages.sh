#!/usr/bin/env bash
# Installs the Debian 12 packages that walcast needs, and only if some are missing.
#
#   packages.sh build          to compile walcast and run the demo
#   packages.sh build test     to run the tests as well
#   packages.sh --list SET...  prints what is missing, one package a line, and installs nothing
#
# Uses apt-get as root, or through sudo. Installing postgresql-15 normally makes and starts a cluster "main" on port
# 5432; here it does not, and clusters that exist are left alone.
set -euo pipefail

build_packages=(
    g++ meson ninja-build pkg-config ccache git
    libboost1.81-dev libpqxx-dev libpq-dev rapidjson-dev libfmt-dev prometheus-cpp-dev doctest-dev libyaml-cpp-dev
    libcli11-dev libsystemd-dev liburing-dev libssl-dev
    postgresql-15 openssl curl ca-certificates
)
test_packages=(clang-16 clang-tidy-16 clang-format-16 libclang-rt-16-dev llvm-16 python3-venv shellcheck spin valgrind libfaketime)

createcluster=/etc/postgresql-common/createcluster.conf

fail() {
    echo "packages.sh: $*" >&2
    exit 1
}

main() {
    local list=no set package
    local -a wanted=() missing=()
    if [[ ${1:-} == --list ]]; then
        list=yes
        shift
    fi
    (($# > 0)) || { echo "usage: packages.sh [--list] build|test..." >&2; exit 2; }
    for set in "$@"; do
        case $set in
            build) wanted+=("${build_packages[@]}") ;;
            test) wanted+=("${test_packages[@]}") ;;
            *) fail "no such set of packages: $set (there are build and test)" ;;
        esac
    done
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        fail "this is not a Debian system; install by hand what these packages of Debian 12 contain: ${wanted[*]}"
    fi
    for package in "${wanted[@]}"; do
        installed "$package" || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return
    fi
    if [[ $list == yes ]]; then
        printf '%s\n' "${missing[@]}"
        return
    fi
    become_root
    echo "packages.sh: installing ${missing[*]}"
    "${root[@]}" apt-get update -qq || fail "apt-get update failed; is the network there?"
    if [[ " ${missing[*]} " == *" postgresql-15 "* ]]; then
        without_main_cluster apt_install "${missing[@]}"
    else
        apt_install "${missing[@]}"
    fi
}

installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Sets root to what a command needs in front of it.
become_root() {
    if ((EUID == 0)); then
        root=()
    elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
        root=(sudo)
    else
        fail "packages are missing and neither root nor sudo is at hand; as root run: apt-get install ${missing[*]}"
    fi
}

apt_install() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" ||
        fail "apt-get could not install: $*"
}

# Runs a command while installing a PostgreSQL server makes no cluster, and puts the setting back afterwards.
# postgresql-common reads it; alone, that package makes and starts nothing.
without_main_cluster() {
    installed postgresql-common || apt_install postgresql-common
    saved=$(mktemp)
    cp -- "$createcluster" "$saved"
    trap restore_createcluster EXIT
    {
        sed '/^[[:space:]]*create_main_cluster\>/d' "$saved"
        echo "create_main_cluster = false"
    } | "${root[@]}" tee "$createcluster" >/dev/null
    "$@"
    restore_createcluster
    trap - EXIT
}

# tee keeps owner and mode of the file, so dpkg sees its own configuration file as it left it.
restore_createcluster() {
    "${root[@]}" tee "$createcluster" <"$saved" >/dev/null
    rm -f -- "$saved"
}

main "$@"
