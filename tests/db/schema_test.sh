#!/usr/bin/env bash
# The demo's ground, on a real PostgreSQL: schema/arvados.sql has what Arvados has, the demo data can be loaded twice,
# and the generator makes changes as Arvados does. Its private cluster lives in build/schema_test for the time of the
# test. One line per check; the last line is `N passed, N failed`.
set -euo pipefail
cd "$(dirname "$0")/../.."

cluster=build/schema_test
pg=tests/support/pg.sh
passed=0
failed=0

free_port() {
    local port
    for ((;;)); do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}

sql() {
    $pg psql "$cluster" -d arvados -q -At "$@"
}

# check NAME EXPECTED ACTUAL
check() {
    if [[ $2 == "$3" ]]; then
        passed=$((passed + 1))
        echo "ok    $1"
    else
        failed=$((failed + 1))
        echo "FAIL  $1: expected '$2', got '$3'"
    fi
}

# check_sql NAME EXPECTED QUERY
check_sql() {
    check "$1" "$2" "$(sql -c "$3")"
}

check_schema() {
    check "every column, type, NOT NULL and default of the facts" "" \
        "$(sql -f tests/db/arvados_columns.sql | diff tests/db/arvados_columns.txt - || true)"
    check_sql "five tables have no primary key" \
        "container_ports frozen_groups materialized_permissions trashed_groups uuid_locks" \
        "select string_agg(relname, ' ' order by relname) from pg_class where relkind = 'r'
         and relnamespace = 'public'::regnamespace
         and not exists (select from pg_constraint where conrelid = pg_class.oid and contype = 'p')"
    check_sql "every uuid of a record is unique" "13" \
        "select count(distinct indrelid) from pg_index join pg_attribute on attrelid = indrelid
         and attnum = indkey[0] and attname = 'uuid' where indisunique and indnkeyatts = 1
         and indrelid::regclass::text not in ('frozen_groups', 'uuid_locks')"
    check_sql "permissions are unique per user and target" "permission_user_target" \
        "select indexrelid::regclass from pg_index where indisunique
         and indrelid = 'materialized_permissions'::regclass"
    check_sql "trigrams are available" "t" "select 'walcast' % 'walcasts'"
}

# What the data consists of, apart from times that depend on the moment of loading.
fingerprint() {
    sql -c "select relname, (xpath('/row/n/text()', query_to_xml('select count(*) as n from ' || relname, false, true, '')))[1]
            from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by relname" \
        -c "select md5(string_agg(id || properties, '' order by id)) from logs" \
        -c "select md5(string_agg(t::text, '' order by t::text)) from materialized_permissions as t"
}

check_data() {
    local before
    before=$(fingerprint)
    check_sql "each record of the data was logged" "0" \
        "select count(*) from (select uuid from users union all select uuid from groups union all select uuid from links
         union all select uuid from collections union all select uuid from containers
         union all select uuid from container_requests union all select uuid from workflows
         union all select uuid from api_client_authorizations) as record (uuid)
         where not exists (select from logs where object_uuid = record.uuid and event_type = 'create')"
    check_sql "uuids have 27 characters" "0" \
        "select count(*) from logs where object_uuid !~ '^zzzzz-[0-9a-z]{5}-[0-9a-z]{15}$'"
    check "materialized_permissions is right" "0" "$(sql -f tests/db/permissions.sql)"
    check_sql "no secret in a logs row" "0" \
        "select count(*) from logs where properties ~ 'walcastdemo|api_token|runtime_token|secret_mounts\"'
         or exists (select from api_client_authorizations where strpos(properties, api_token) > 0)"
    sql -f deploy/demo/data.sql
    check "loading the data twice changes nothing" "$before" "$(fingerprint)"
    sql -c "insert into users (uuid, owner_uuid, created_at, updated_at)
            values ('xyzzy-tpzed-000000000000000', 'xyzzy-tpzed-000000000000000', now(), now())"
    check "the data refuses a database of a real cluster" "refused" \
        "$(sql -f deploy/demo/data.sql 2>/dev/null && echo loaded || echo refused)"
    sql -c "delete from users where uuid like 'xyzzy-%'"
}

check_generator() {
    local heard last session
    heard=$(mktemp -p build schema_test_heard.XXXXXX)
    last=$(sql -c "select max(id) from logs")
    exec {session}> >(sql >"$heard") # psql prints what it was notified of after each statement
    local listener=$!
    echo "listen logs;" >&"$session"
    until [[ $(sql -c "select count(*) from pg_stat_activity where query = 'listen logs;' and state = 'idle'") == 1 ]]; do
        sleep 0.1
    done
    sql -f deploy/demo/generator.sql
    sql -c "call demo.generate(40, '10 seconds')"
    echo "select 'end';" >&"$session"
    exec {session}>&-
    wait "$listener"

    check "every new logs row was notified, once, in the end" "" \
        "$(diff <(sed -n 's/.*payload "\([0-9]*\)".*/\1/p' "$heard" | sort -n) \
            <(sql -c "select id from logs where id > $last order by id") || true)"
    rm -f -- "$heard"
    check_sql "changes at about the rate asked for" "t" \
        "select count(distinct xmin::text) between 80 and 600 from logs where id > $last"
    check_sql "containers went Queued, Locked, Running, Complete" "t" \
        "select count(*) > 0 from containers as c where state = 'Complete' and (
             select string_agg(distinct n || (l.properties::jsonb -> 'new_attributes' ->> 'state'), ' ')
             from logs as l
             join (values (1, 'Queued'), (2, 'Locked'), (3, 'Running'), (4, 'Complete')) as s (n, state)
               on s.state = l.properties::jsonb -> 'new_attributes' ->> 'state'
             where object_uuid = c.uuid) = '1Queued 2Locked 3Running 4Complete'"
    check_sql "a complete container's requests are final, with output and log" "0" \
        "select count(*) from container_requests as r join containers as c on c.uuid = container_uuid
         where c.state = 'Complete' and r.properties ->> 'demo' = 'generated' and (r.state <> 'Final'
             or not exists (select from logs where object_uuid = output_uuid and event_type = 'create')
             or not exists (select from logs where object_uuid = log_uuid and event_type = 'create'))"
    check_sql "every kind of event was there" "create delete file_download update" \
        "select string_agg(distinct event_type, ' ') from logs where id > $last"
    check_sql "links came and went" "create delete" \
        "select string_agg(distinct event_type, ' ') from logs where id > $last and object_uuid like '%-o0j2j-%'"
    check_sql "properties have the keys of the hooks" "new_attributes new_etag old_attributes old_etag" \
        "select string_agg(distinct key, ' ') from logs, json_object_keys(properties::json) as key
         where event_type in ('create', 'update', 'delete')"
    check_sql "what is missing before or after is null" "0" \
        "select count(*) from logs, lateral (select properties::jsonb as p) as x
         where (event_type = 'create' and (p -> 'old_etag', p -> 'old_attributes') <> ('null', 'null'))
            or (event_type = 'delete' and (p -> 'new_etag', p -> 'new_attributes') <> ('null', 'null'))
            or (event_type = 'update' and 'null' in (p -> 'old_etag', p -> 'new_etag'))"
    check_sql "times are RFC 3339 with nine decimals" "0" \
        "select count(*) from logs, jsonb_each_text(properties::jsonb -> 'new_attributes') where id > $last
         and jsonb_typeof(properties::jsonb -> 'new_attributes') = 'object' and key ~ '_at$'
         and value !~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$'"
    check_sql "an update's event_at is the record's modified_at" "0" \
        "select count(*) from logs where id > $last and event_type = 'update'
         and event_at <> (properties::jsonb -> 'new_attributes' ->> case when object_uuid like '%-gj3su-%'
             then 'updated_at' else 'modified_at' end)::timestamp"
    check_sql "records are as their last logs row says" "0" \
        "select count(*) from collections as c join lateral (select properties::jsonb -> 'new_attributes' as a from logs
         where object_uuid = c.uuid order by id desc limit 1) as last on true
         where id in (select (properties::jsonb -> 'new_attributes' ->> 'id')::bigint from logs
                      where id > $last and object_uuid like '%-4zz18-%')
         and (a ->> 'portable_data_hash', a ->> 'owner_uuid', a ->> 'is_trashed')
             <> (portable_data_hash, owner_uuid, is_trashed::text)"
    check_sql "a manifest hashes to its portable data hash" "0" \
        "select count(*) from collections
         where portable_data_hash <> md5(manifest_text) || '+' || length(manifest_text)"
    check "materialized_permissions is still right" "0" "$(sql -f tests/db/permissions.sql)"
    check_sql "no secret in a logs row, still" "0" \
        "select count(*) from logs where properties ~ 'walcastdemo|api_token|runtime_token|secret_mounts\"'
         or exists (select from api_client_authorizations where strpos(properties, api_token) > 0)"
}

# The verbs of pg.sh that the other tests lean on.
check_cluster() {
    local port=$1
    check "starting twice is harmless" "0" "$($pg start "$cluster" "$port" >/dev/null 2>&1; echo $?)"
    check "a port in use is one line" "pg.sh: port $port is in use by another program; stop it or choose another port" \
        "$($pg start "$cluster.other" "$port" 2>&1 || true)"
    $pg remove "$cluster.other"
    check "status of what is not there" "3" "$($pg status "$cluster.other" >/dev/null; echo $?)"
    check_sql "logical replication is possible" "logical UTC" \
        "select current_setting('wal_level') || ' ' || current_setting('timezone')"
    check "TCP and the environment file lead to the same server" "$port" \
        "$(set -a; . "$cluster/env"; PGHOST=127.0.0.1 psql -X -At -d arvados -c 'show port')"
    check "stop, twice" "0 0 3" \
        "$($pg stop "$cluster"; printf '%s ' $?; $pg stop "$cluster"; printf '%s ' $?; $pg status "$cluster" >/dev/null; printf '%s' $?)"
}

main() {
    local port
    port=$(free_port)
    $pg remove "$cluster"
    trap '$pg remove "$cluster"' EXIT
    $pg start "$cluster" "$port"
    $pg psql "$cluster" -q -c "create database arvados"
    sql -f schema/arvados.sql
    check_schema
    sql -f deploy/demo/data.sql
    check_data
    check_generator
    check_cluster "$port"
    echo "$passed passed, $failed failed"
    ((failed == 0))
}

main "$@"
