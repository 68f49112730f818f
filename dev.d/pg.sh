#!/usr/bin/env bash
# a scratch PostgreSQL with the Arvados tables: start, stop, psql, reset
#
# usage: ./dev pg start [PORT]   make it if need be, start it, load schema/arvados.sql into its database arvados
#        ./dev pg psql [ARG...]  psql, as the superuser, in the database arvados
#        ./dev pg status         one line; exit status 0: it runs, 3: it does not
#        ./dev pg stop           stop it; the data stays
#        ./dev pg reset          stop it and delete the data
#
# It lies in build/pg, has wal_level=logical and trusts every local connection. PORT is the first free one from 54320 on
# unless it is given. WALCAST_PG_BIN names the programs of another version than PostgreSQL 15.
source "$(dirname -- "$0")/lib.sh"

place=build/pg
pg=tests/support/pg.sh

start() {
    local port=${1:-}
    install_packages build
    mkdir -p build
    if $pg status $place >/dev/null; then
        port=${port:-$(sed -n 's/^PGPORT=//p' $place/env)}
    fi
    $pg start $place "${port:-$(free_port 54320)}"
    if [[ -z $($pg psql $place -At -c "select 1 from pg_database where datname = 'arvados'" ) ]]; then
        $pg psql $place -q -c "create database arvados"
    fi
    if [[ $($pg psql $place -d arvados -At -c "select to_regclass('public.logs') is null") == t ]]; then
        $pg psql $place -d arvados -q -o /dev/null --single-transaction -f schema/arvados.sql
    fi
    $pg status $place
    echo "psql: ./dev pg psql; libpq's environment: set -a; . $place/env"
}

action=${1:-}
(($# > 0)) && shift
case $action in
    start) (($# <= 1)) || bad_usage "start takes one PORT" && start "$@" ;;
    psql) exec $pg psql $place -d arvados "$@" ;;
    status) exec $pg status $place ;;
    stop) $pg stop $place ;;
    reset) $pg remove $place ;;
    '') bad_usage "start, psql, status, stop or reset?" ;;
    *) bad_usage "there is no $action" ;;
esac
