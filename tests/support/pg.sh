#!/usr/bin/env bash
# A private PostgreSQL cluster in a directory of its own, for the demo and the tests. It never touches another one.
#
#   pg.sh start DIR PORT     make the cluster if need be and start it; harmless when it runs already
#   pg.sh stop DIR           fast shutdown; harmless when it is not running
#   pg.sh status DIR         one line; exit code 0 running, 3 not running
#   pg.sh psql DIR [ARG...]  psql as the superuser, without ~/.psqlrc, stopping at the first error
#   pg.sh remove DIR         stop it and delete all of it
#
# After start, DIR/env holds shell assignments: PGHOST (the socket directory), PGPORT, PGUSER (always postgres), and
# WALCAST_PG_DATA, WALCAST_PG_LOG. The server also listens on 127.0.0.1:PORT. Every local connection is trusted,
# replication included; wal_level is logical, time zone UTC, encoding UTF-8.
#
#   WALCAST_PG_BIN       directory of initdb, pg_ctl and psql, for another version than Debian's PostgreSQL 15
#   WALCAST_PG_SETTINGS  more lines for postgresql.conf; they win over ours and are read at every start
#
# PostgreSQL refuses to run as root: then it runs as the user postgres. Where that user cannot reach DIR (a checkout
# below /root), or DIR is too long for a socket's path, the files lie in /var/tmp/walcast-<hash of DIR> instead.
set -euo pipefail

main() {
    local verb=${1:-}
    case $verb in
        start) (($# == 3)) || usage ;;
        stop | status | remove) (($# == 2)) || usage ;;
        psql) (($# >= 2)) || usage ;;
        *) usage ;;
    esac
    dir=$(realpath -m -- "$2")
    find_binaries
    find_place
    shift 2
    "verb_$verb" "$@"
}

usage() {
    echo "usage: pg.sh start DIR PORT | stop DIR | status DIR | psql DIR [ARG...] | remove DIR" >&2
    exit 2
}

fail() {
    echo "pg.sh: $*" >&2
    exit 1
}

find_binaries() {
    local candidate
    for candidate in "${WALCAST_PG_BIN:-/usr/lib/postgresql/15/bin}" "$(pg_config --bindir 2>/dev/null || true)"; do
        bin=$candidate
        [[ -x $bin/initdb && -x $bin/pg_ctl ]] && return
        [[ -n ${WALCAST_PG_BIN:-} ]] && fail "no initdb and pg_ctl in WALCAST_PG_BIN=$WALCAST_PG_BIN"
    done
    fail "PostgreSQL is not installed: install postgresql-15, or set WALCAST_PG_BIN to a directory with initdb"
}

# Runs a command as the user that owns the cluster, from a directory that this user can enter.
as_owner() {
    if ((EUID == 0)); then
        (cd / && runuser -u postgres -- "$@")
    else
        (cd / && "$@")
    fi
}

# Sets place, where the cluster's files are: DIR itself, or a directory below /var/tmp.
# Such a directory carries the file `of` with the name of its DIR, so that nothing else is ever taken or deleted.
find_place() {
    local hash
    placed=no # a copied or moved DIR names another place: then it is not placed yet
    hash=$(printf '%s' "$dir" | sha256sum)
    fallback=/var/tmp/walcast-${hash:0:12}
    if ((EUID == 0)) && ! id postgres >/dev/null 2>&1; then
        fail "root needs a user postgres to run PostgreSQL as: install postgresql-15, or start as an ordinary user"
    fi
    place=$(cat -- "$dir/place" 2>/dev/null || true)
    if [[ $place == "$dir" || $place == "$fallback" ]]; then
        placed=yes
    elif [[ -O $fallback && -f $fallback/of && $(<"$fallback/of") == "$dir" ]]; then
        place=$fallback # DIR was deleted since
    else
        place=$dir
    fi
    set_paths
}

set_paths() {
    data=$place/data
    run=$place/run
    log=$run/server.log
}

choose_place() {
    mkdir -p -- "$dir"
    if [[ $placed == yes ]]; then
        return
    fi
    if [[ $place == "$fallback" ]]; then
        stop_server
        rm -rf -- "${data:?}" "${run:?}"
    fi
    place=$dir
    if ! as_owner test -x "$dir" || ((${#dir} > 80)); then
        place=$fallback
        [[ -d $place ]] || mkdir -m 755 -- "$place"
        [[ -O $place && ! -L $place ]] || fail "$place belongs to somebody else"
        printf '%s\n' "$dir" >"$place/of"
        echo "pg.sh: PostgreSQL cannot use $dir; the cluster lies in $place" >&2
    fi
    set_paths
    printf '%s\n' "$place" >"$dir/place"
}

# Lines of postmaster.pid: pid, data directory, start time, port, socket directory, address, shared memory, state.
pid_line() {
    as_owner sed -n "$1p" "$data/postmaster.pid"
}

running_port() {
    pid_line 4
}

# The data directory is compared because a copy of a running cluster carries the other one's pid.
running() {
    as_owner "$bin/pg_ctl" status -D "$data" >/dev/null 2>&1 && [[ $(pid_line 2) == "$data" ]]
}

port_taken() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

verb_start() {
    local port=$1
    [[ $port =~ ^[0-9]{1,5}$ ]] && ((10#$port >= 1 && 10#$port <= 65535)) || fail "not a port: $port"
    choose_place
    if running; then
        [[ $(running_port) == "$port" ]] || fail "the cluster in $dir runs on port $(running_port) already; stop it first"
        write_env "$port"
        return
    fi
    if port_taken "$port"; then
        fail "port $port is in use by another program; stop it or choose another port"
    fi
    make_cluster
    write_settings "$port"
    if ! as_owner "$bin/pg_ctl" start -w -t 60 -s -D "$data" -l "$log" >/dev/null; then
        echo "pg.sh: PostgreSQL did not start; the end of $log:" >&2
        as_owner tail -n 8 "$log" >&2 || true
        exit 1
    fi
    write_env "$port"
}

make_cluster() {
    local want have
    mkdir -p -- "$data" "$run"
    chmod 700 -- "$data"
    if ((EUID == 0)); then
        chown postgres: -- "$data" "$run"
    fi
    if have=$(as_owner cat "$data/PG_VERSION" 2>/dev/null); then
        want=$("$bin/pg_ctl" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
        [[ $have == "$want" ]] || fail "the cluster in $dir is of PostgreSQL $have, not $want; remove it first"
        return
    fi
    as_owner "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
        --no-instructions >/dev/null
    as_owner sh -c "echo \"include 'walcast.conf'\" >>\"\$1/postgresql.conf\"" sh "$data"
}

# fsync is off because these clusters are thrown away: only a crash of the whole machine could hurt them.
write_settings() {
    as_owner tee "$data/walcast.conf" >/dev/null <<EOF
listen_addresses = '127.0.0.1'
port = $1
unix_socket_directories = '$run'
unix_socket_permissions = 0777
wal_level = logical
max_wal_senders = 20
max_replication_slots = 20
max_connections = 200
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
fsync = off
${WALCAST_PG_SETTINGS:-}
EOF
}

write_env() {
    cat >"$dir/env" <<EOF
PGHOST=$(printf '%q' "$run")
PGPORT=$1
PGUSER=postgres
WALCAST_PG_DATA=$(printf '%q' "$data")
WALCAST_PG_LOG=$(printf '%q' "$log")
EOF
}

stop_server() {
    if running; then
        as_owner "$bin/pg_ctl" stop -w -t 60 -s -m fast -D "$data"
    fi
}

verb_stop() {
    stop_server
}

verb_status() {
    if running; then
        echo "PostgreSQL runs on port $(running_port), process $(pid_line 1)"
    else
        echo "PostgreSQL is not running in $dir"
        exit 3
    fi
}

verb_psql() {
    running || fail "PostgreSQL is not running in $dir"
    PGHOST=$run PGPORT=$(running_port) PGUSER=postgres exec "$bin/psql" -X -v ON_ERROR_STOP=1 "$@"
}

verb_remove() {
    stop_server
    rm -rf -- "${data:?}" "${run:?}"
    rm -f -- "$dir/env" "$dir/place"
    if [[ $place == "$fallback" ]]; then
        rm -rf -- "$fallback"
    fi
    rmdir -- "$dir" 2>/dev/null || true
}

main "$@"
