#!/usr/bin/env bash
# a whole walcast to look at: PostgreSQL, the relay on 127.0.0.1:8005, changes that go on
#
# usage: ./dev demo [--port PORT] [--fresh]   until Ctrl-C, which ends all of it
#        ./dev demo --detach [...]            the same, and come back; it goes on in the background
#        ./dev demo --status                  what runs; exit status 0: the demo does, 3: it does not
#        ./dev demo --stop                    end what runs in the background
#        ./dev demo --psql [ARG...]           psql in its database, as the owner of Arvados' tables
#
#   --port PORT   where the relay listens instead of 8005
#   --fresh       begin with a new database; otherwise the one of last time goes on
#
# Installs and builds what is missing. Everything lies in build/demo: a private PostgreSQL with the Arvados tables and
# an imaginary institute (deploy/demo/README.md says who and what is there), the configuration, the logs.
source "$(dirname -- "$0")/lib.sh"

place=build/demo
pg=tests/support/pg.sh
relay=build/server/walcast
port=8005
mode=foreground
fresh=no

main() {
    while (($# > 0)); do
        case $1 in
            --detach) mode=detach ;;
            --fresh) fresh=yes ;;
            --port)
                port=${2:-}
                [[ $port =~ ^[1-9][0-9]{0,4}$ ]] && ((port <= 65535)) || bad_usage "--port needs a port, not '$port'"
                shift
                ;;
            --stop) stop_all && return ;;
            --status) show_status && return ;;
            --psql) shift && exec $pg psql $place/pg -U arvados -d arvados "$@" ;;
            *) bad_usage "there is no $1" ;;
        esac
        shift
    done
    if alive relay && answers "$(<$place/port)"; then
        port=$(<$place/port)
        echo "The demo runs already; ./dev demo --stop ends it."
        show_what_to_try
        return
    fi
    if ! alive relay && port_taken "$port"; then
        fail "port $port of 127.0.0.1 is in use by another program; stop it, or: ./dev demo --port $((port + 1))"
    fi
    install_packages build
    configure build
    compile build server/walcast
    mkdir -p $place
    start_alone
    show_what_to_try
    if [[ $mode == foreground ]]; then
        stay
    else
        trap - EXIT
        echo "It runs in the background; ./dev demo --stop ends it."
    fi
}

# Nobody else starts it meanwhile. The lock's descriptor is closed in what is started, which would hold it for ever.
start_alone() {
    exec 9>$place/lock
    flock --nonblock 9 || fail "another ./dev demo is just starting"
    trap 'stop_all quietly' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    start_all 9>&-
    exec 9>&-
}

start_all() {
    stop_all quietly # what is left of one that was killed
    if [[ $fresh == yes ]]; then
        $pg remove $place/pg
    fi
    start_database
    write_config
    ARVADOS_CONFIG=$place/config.yml $relay migrate up >$place/migrate.log 2>&1 || {
        tail -n 5 $place/migrate.log >&2
        fail "the migrations failed; a new database may help: ./dev demo --fresh"
    }
    start_process relay $relay -config $place/config.yml
    for ((i = 0; i < 300; ++i)); do
        alive relay || break
        answers "$port" && break
        sleep 0.1
    done
    answers "$port" || {
        tail -n 5 $place/relay.log >&2
        fail "the relay does not answer; see $place/relay.log"
    }
    echo "$port" >$place/port
    start_process generator $pg psql $place/pg -U arvados -d arvados -q -c "call demo.generate(2)"
}

# Each step is done if it was not: an interrupted start goes on here. The role owns the database and, so that the
# migrations can make the relay's role, is a superuser.
start_database() {
    export WALCAST_PG_SETTINGS="max_slot_wal_keep_size = '1GB'"
    $pg start $place/pg "$(free_port 54380)"
    [[ $(as_superuser -c "select 1 from pg_roles where rolname = 'arvados'") ]] ||
        as_superuser -c "create role arvados login superuser"
    [[ $(as_superuser -c "select 1 from pg_database where datname = 'arvados'") ]] ||
        as_superuser -c "create database arvados owner arvados"
    [[ $(as_owner -c "select to_regclass('public.logs')") ]] || as_owner --single-transaction -f schema/arvados.sql
    as_owner -f deploy/demo/data.sql
    as_owner -f deploy/demo/generator.sql
}

as_superuser() {
    $pg psql $place/pg -q -At "$@"
}

as_owner() {
    PGOPTIONS='-c client_min_messages=warning' $pg psql $place/pg -U arvados -d arvados -q -At "$@"
}

write_config() {
    local PGHOST PGPORT
    # shellcheck disable=SC1091
    source $place/pg/env
    sed -e "s|@PGHOST@|$PGHOST|; s|@PGPORT@|$PGPORT|; s|127\.0\.0\.1:8005|127.0.0.1:$port|" \
        deploy/demo/config.yml >$place/config.yml
}

# start_process NAME COMMAND...: in a session of its own, so that Ctrl-C reaches only us, who end things in order.
# The time at which it started tells it from a later process of the same number.
start_process() {
    local name=$1
    shift
    setsid "$@" >$place/"$name".log 2>&1 </dev/null &
    echo "$! $(started_at $!)" >$place/"$name".pid
}

started_at() {
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

alive() {
    local pid started
    read -r pid started 2>/dev/null <$place/"$1".pid && [[ -n $started && $(started_at "$pid") == "$started" ]]
}

end_process() {
    local pid
    if alive "$1"; then
        read -r pid _ <$place/"$1".pid
        kill -TERM "$pid"
        for ((i = 0; i < 150; ++i)); do
            alive "$1" || break
            sleep 0.1
        done
        ! alive "$1" || kill -KILL "$pid"
    fi
    rm -f -- $place/"$1".pid
}

stop_all() {
    local ran=no
    if [[ -d $place ]]; then
        if alive relay || $pg status $place/pg >/dev/null 2>&1; then
            ran=yes
        fi
        end_process generator
        end_process relay
        [[ ! -d $place/pg ]] || $pg stop $place/pg
    fi
    [[ -n ${1:-} ]] || { [[ $ran == yes ]] && echo "The demo is stopped; its database stays for next time." || echo "The demo does not run."; }
}

management_token() {
    sed -n 's/^ *ManagementToken: *//p' deploy/demo/config.yml
}

answers() {
    curl -fsS -o /dev/null -m 5 -H "Authorization: Bearer $(management_token)" "http://127.0.0.1:$1/_health/ping" 2>/dev/null
}

show_status() {
    if alive relay && answers "$(<$place/port)"; then
        echo "The demo runs on 127.0.0.1:$(<$place/port)."
        $pg status $place/pg
        alive generator && echo "The generator makes changes." || echo "The generator has ended; see $place/generator.log."
        return
    fi
    echo "The demo does not run."
    exit 3
}

# Commands that can be pasted where ./dev was called.
show_what_to_try() {
    local here=./ url=''
    [[ ${OLDPWD:-} == "$root" ]] || here=$root/
    [[ $port == 8005 ]] || url=" ws://127.0.0.1:$port/websocket"
    cat <<TRY

walcast listens on 127.0.0.1:$port, and about two things a second happen. Three to try, in another terminal:

  1. Watch them arrive, as an administrator:
     ARVADOS_API_TOKEN=v2/zzzzz-gj3su-admin0000000000/walcastdemoadmin ${here}build/server/walcast watch$url

  2. Change a collection, and see that arrive:
     ${here}dev demo --psql -c "select demo.change('collections', 'zzzzz-4zz18-hg00096reads000', jsonb_build_object('description', 'looked at ' || now()))"

  3. Ask the relay how it is:
     curl -s -H "Authorization: Bearer $(management_token)" http://127.0.0.1:$port/status.json

TRY
}

stay() {
    local status=0
    echo "Ctrl-C ends all of it."
    while alive relay; do
        wait -n || status=$?
        alive generator || echo "dev demo: the generator has ended; see $place/generator.log" >&2
    done
    tail -n 5 $place/relay.log >&2
    fail "the relay has ended with $status; see $place/relay.log"
}

main "$@"
