#!/usr/bin/env bash
# Runs a benchmark: a private PostgreSQL, the Arvados tables, the migrations, a relay, the load generator; then removes
# all of it but the results. Nothing outside build/bench is written, nothing but loopback is used.
set -euo pipefail

usage() {
    cat <<'EOF'
usage: tests/bench/run.sh VERB [OPTION...] [-- ARG...]

  fanout   CPU time of the relay for each event delivered to each of 1,000 v0 sessions, and the delay;
           one event a commit, and 16                                       -> build/bench/fanout.json
  grants   the same for 1,000 users who are no administrators, beside administrators; each may read the
           containers, and has 1,000 targets                                -> build/bench/grants.json
  subscribe  cold subscribes to 10,000 records, 10,000 to one, and 10,000 clients that resume  -> build/bench/subscribe.json
  latency  how much later than pg_recvlogical 1,000 subscribers have 2,000 changes a second    -> build/bench/latency.json
  ingest   rate of the slot source against pg_recvlogical on the same WAL   -> build/bench/ingest.json
  all      all of them

  --quick           a tenth of the work: to see that it runs, not to quote
  --source SOURCE   fanout: slot (default) or listener
  --build DIR       where the programs were built (default: build)
  --relay PROGRAM   the relay to measure (default: DIR/server/walcast), to compare two of them
  --no-pin          fanout: do not give the relay and the load generator a processor each
  ARG...            passed on to the load generator; see DIR/tests/bench/bench_VERB --help

PostgreSQL is Debian's 15; WALCAST_PG_BIN names the programs of another one. tests/bench/README.md says how to read the
results. What the relay logged is in build/bench/relay.log.
EOF
}

fail() {
    echo "run.sh: $*" >&2
    exit 1
}

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
place=$root/build/bench
pg_dir=$place/pg
pg_bin=${WALCAST_PG_BIN:-/usr/lib/postgresql/15/bin}
database=walcast_bench
build=$root/build
relay=
relay_pid=
source=slot
quick=no
pin=yes

main() {
    local verb=${1:-} verbs
    case $verb in
        fanout | grants | subscribe | latency | ingest) verbs=("$verb") ;;
        all) verbs=(fanout grants subscribe latency ingest) ;;
        -h | --help) usage && exit 0 ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
    while (($# > 0)); do
        case $1 in
            --quick) quick=yes ;;
            --source) source=${2:?--source needs slot or listener} && shift ;;
            --build) build=$(realpath -- "${2:?--build needs a folder}") && shift ;;
            --relay) relay=$(realpath -- "${2:?--relay needs a program}") && shift ;;
            --no-pin) pin=no ;;
            -h | --help) usage && exit 0 ;;
            --) shift && break ;;
            *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    relay=${relay:-$build/server/walcast}
    [[ $source == slot || $source == listener ]] || fail "--source is slot or listener, not $source"
    (($(nproc) >= 2)) && command -v taskset >/dev/null || pin=no
    for verb in "${verbs[@]}"; do
        require "$relay"
        require "$build/tests/bench/bench_${verb/grants/fanout}"
    done

    ulimit -n "$(ulimit -Hn)"
    mkdir -p -- "$place"
    : >"$place/relay.log"
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    prepare_database
    write_config
    "$relay" migrate up >>"$place/relay.log" 2>&1 || fail "the migrations failed; see $place/relay.log"
    for verb in "${verbs[@]}"; do
        "run_$verb" "$@"
    done
}

require() {
    [[ -x $1 ]] || fail "$1 is not built: ninja -C $build"
}

clean_up() {
    stop_relay
    "$root/tests/support/pg.sh" remove "$pg_dir" || true
    rm -f -- "$place/config.yml" "$place/tokens"
}

# The first port from $1 on that nobody listens on.
free_port() {
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
    echo "$port"
}

# Checkpoints and autovacuum are kept out of the measurement; the WAL of a scenario stays in memory.
prepare_database() {
    export WALCAST_PG_SETTINGS="
max_wal_size = 8GB
checkpoint_timeout = 1h
autovacuum = off
shared_buffers = 256MB"
    "$root/tests/support/pg.sh" remove "$pg_dir"
    "$root/tests/support/pg.sh" start "$pg_dir" "$(free_port 55432)"
    # shellcheck disable=SC1091
    source "$pg_dir/env"
    export PGHOST PGPORT PGUSER
    connection="host=$PGHOST port=$PGPORT user=$PGUSER dbname=$database"
    psql_do postgres -c "create database $database"
    psql_do "$database" -f "$root/schema/arvados.sql"
}

psql_do() {
    "$root/tests/support/pg.sh" psql "$pg_dir" -q -o /dev/null -d "$@"
}

random_token() {
    od -An -N20 -tx1 /dev/urandom | tr -d ' \n'
}

write_config() {
    relay_port=$(free_port 18005)
    WALCAST_BENCH_TOKEN=$(random_token)
    WALCAST_BENCH_MANAGEMENT_TOKEN=$(random_token)
    export WALCAST_BENCH_TOKEN WALCAST_BENCH_MANAGEMENT_TOKEN ARVADOS_CONFIG=$place/config.yml
    (umask 077 && cat >"$ARVADOS_CONFIG") <<EOF
Clusters:
  zzzzz:
    ManagementToken: $WALCAST_BENCH_MANAGEMENT_TOKEN
    SystemRootToken: $WALCAST_BENCH_TOKEN
    PostgreSQL:
      Connection:
        host: $PGHOST
        port: "$PGPORT"
        user: $PGUSER
        dbname: $database
    Services:
      Websocket:
        InternalURLs:
          "http://127.0.0.1:$relay_port": {}
        ExternalURL: ws://127.0.0.1:$relay_port/websocket
    SystemLogs:
      LogLevel: info
      Format: text
    Walcast:
      Source: $source
      MaxSessionsPerUser: 0
EOF
}

# With a processor each, relay and load generator do not push each other's data out of the caches, and the figures of
# two runs compare.
pinned() {
    local processor=$1
    shift
    if [[ $pin == yes ]]; then
        exec taskset -c "$processor" "$@"
    else
        exec "$@"
    fi
}

start_relay() {
    pinned 0 "$relay" >>"$place/relay.log" 2>&1 &
    relay_pid=$!
    for ((i = 0; i < 300; ++i)); do
        kill -0 "$relay_pid" 2>/dev/null || fail "the relay ended at once; see $place/relay.log"
        (exec 3<>"/dev/tcp/127.0.0.1/$relay_port") 2>/dev/null && return
        sleep 0.1
    done
    fail "the relay does not listen; see $place/relay.log"
}

stop_relay() {
    if [[ -n $relay_pid ]]; then
        kill -TERM "$relay_pid" 2>/dev/null || true
        wait "$relay_pid" || true
        relay_pid=
    fi
}

run_fanout() {
    local size=()
    [[ $quick == yes ]] && size=(--rounds 30 --warm-up 5)
    start_relay
    (pinned 1 "$build/tests/bench/bench_fanout" --port "$relay_port" --pg "$connection" --server-pid "$relay_pid" \
        --output "$place/fanout.json" "${size[@]}" "$@")
    stop_relay
}

# A thousand users, who may all read the thousand containers that the events are about, through requests in projects that
# are shared with them, and who have hundreds of other targets, most of them their own.
make_users() {
    psql_do "$database" <<'EOF'
insert into users (uuid, owner_uuid, created_at, updated_at, is_active)
select 'zzzzz-tpzed-' || lpad(n::text, 15, '0'), 'zzzzz-tpzed-000000000000000', now(), now(), true
from generate_series(1, 1000) n;
insert into api_client_authorizations (uuid, api_token, user_id, api_client_id, scopes, created_at, updated_at)
select 'zzzzz-gj3su-' || lpad(n::text, 15, '0'), md5('bench' || n), u.id, 0, '["all"]', now(), now()
from generate_series(1, 1000) n join users u on u.uuid = 'zzzzz-tpzed-' || lpad(n::text, 15, '0');
insert into container_requests (uuid, owner_uuid, container_uuid, name, state, created_at, updated_at)
select 'zzzzz-xvhdp-' || lpad(n::text, 15, '0'), 'zzzzz-j7d0g-' || lpad((n % 100)::text, 15, '0'),
    'zzzzz-dz642-' || lpad(n::text, 15, '0'), 'request', 'Committed', now(), now()
from generate_series(0, 999) n;
insert into materialized_permissions
select 'zzzzz-tpzed-' || lpad(n::text, 15, '0'), 'zzzzz-tpzed-' || lpad(n::text, 15, '0'), 3, true
from generate_series(1, 1000) n;
insert into materialized_permissions
select 'zzzzz-tpzed-' || lpad(n::text, 15, '0'),
    'zzzzz-j7d0g-' || lpad((case when t < 100 then t else n * 1000 + t end)::text, 15, '0'), 1, true
from generate_series(1, 1000) n, generate_series(0, 998) t;
analyze;
EOF
    (umask 077 && for ((n = 1; n <= 1000; ++n)); do
        printf 'v2/zzzzz-gj3su-%015d/%s\n' "$n" "$(printf 'bench%d' "$n" | md5sum | cut -d ' ' -f 1)"
    done >"$place/tokens")
}

run_grants() {
    local size=(--turns 8 --rounds 200)
    [[ $quick == yes ]] && size=(--rounds 30 --warm-up 5)
    make_users
    start_relay
    (pinned 1 "$build/tests/bench/bench_fanout" --port "$relay_port" --pg "$connection" --server-pid "$relay_pid" \
        --tokens "$place/tokens" --output "$place/grants.json" "${size[@]}" "$@")
    stop_relay
}

run_subscribe() {
    local size=()
    [[ $source == slot ]] || fail "without a slot nobody subscribes to records"
    [[ $quick == yes ]] && size=(--records 1000 --sessions 10 --clients 1000 --changed 100 --repetitions 1)
    start_relay
    (pinned 1 "$build/tests/bench/bench_subscribe" --port "$relay_port" --pg "$connection" --server-pid "$relay_pid" \
        --output "$place/subscribe.json" "${size[@]}" "$@")
    stop_relay
}

# The writers, pg_recvlogical and the senders need processors, too: nobody is given one.
run_latency() {
    local size=()
    [[ $source == slot ]] || fail "without a slot nobody subscribes to records"
    [[ $quick == yes ]] && size=(--seconds 2 --warm-up-seconds 1)
    pin=no start_relay
    "$build/tests/bench/bench_latency" --port "$relay_port" --pg "$connection" --pg-bin "$pg_bin" \
        --folder "$place" "${size[@]}" "$@"
    stop_relay
}

run_ingest() {
    local size=()
    [[ $source == slot ]] || fail "ingest measures the slot source"
    [[ $quick == yes ]] && size=(--single 20000 --rows 30000 --unwanted 30000 --idle-sessions 100 --repetitions 1)
    "$build/tests/bench/bench_ingest" --port "$relay_port" --pg "$connection" --pg-bin "$pg_bin" \
        --log "$place/relay.log" --output "$place/ingest.json" "${size[@]}" "$@" -- "$relay"
}

main "$@"
