# What the verbs share. Sourced; the working directory becomes the root of the checkout.
# shellcheck shell=bash
set -euo pipefail
root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
cd -- "$root"
verb=$(basename -- "$0" .sh)

fail() {
    echo "dev $verb: $*" >&2
    exit 1
}

bad_usage() {
    echo "dev $verb: $*; see ./dev $verb --help" >&2
    exit 2
}

install_packages() {
    deploy/packages.sh "$@"
}

# One compiler for each processor, but not more than the memory holds: one that compiles Beast takes 1 GB.
compilers() {
    local processors gigabytes
    processors=$(nproc)
    gigabytes=$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)
    ((gigabytes >= 1)) || gigabytes=1
    echo $((processors < gigabytes ? processors : gigabytes))
}

# configure DIR [OPTION...]: a meson build directory with exactly these options. Once; again when they change.
configure() {
    local dir=$1 options
    shift
    options=$(printf '%s\n' "$@")
    mkdir -p -- "$dir" 2>/dev/null && [[ -w $dir ]] ||
        fail "$root/$dir cannot be written: it belongs to $(stat -c %U "$dir" 2>/dev/null || stat -c %U .); remove it or be that user"
    [[ -f $dir/build.ninja && $options == "$(cat -- "$dir/dev-options" 2>/dev/null)" ]] && return
    if [[ -f $dir/build.ninja ]]; then
        meson setup --reconfigure "$@" "$dir" >"$dir/setup.log" 2>&1
    else
        meson setup "$@" "$dir" >"$dir/setup.log" 2>&1
    fi || { tail -n 20 -- "$dir/setup.log" >&2; fail "meson could not set up $dir"; }
    printf '%s\n' "$options" >"$dir/dev-options"
}

# compile DIR [NINJA ARG...]: one at a time in a directory; another that was started meanwhile waits.
compile() {
    local dir=$1
    shift
    flock --close -- "$dir/dev-lock" ninja -C "$dir" -j "$(compilers)" "$@"
}

# The C++ files of the project, apart from what builds make.
sources() {
    find db server tests \( -name '*.cpp' -o -name '*.hpp' \) | sort
}

scripts() {
    echo dev
    find .ci dev.d deploy tests -type f \( -name '*.sh' -o -path '.ci/*' \) | sort
}

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# free_port FROM: the first port from FROM on at which nobody listens.
free_port() {
    local port=$1
    while port_taken "$port"; do
        port=$((port + 1))
    done
    echo "$port"
}
