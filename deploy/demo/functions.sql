-- What the demo data and the generator share: how Arvados makes uuids, saves records, logs and keeps permissions.
-- Everything lies in the schema `demo`; nothing here depends on walcast. Loading it again replaces it.

set client_min_messages = warning;
create schema if not exists demo;

-- The columns of Arvados hold UTC without a time zone.
create or replace function demo.clock() returns timestamp
language sql volatile as $$ select clock_timestamp() at time zone 'UTC' $$;

-- demo.uuid('4zz18', 'hg00096') is zzzzz-4zz18-hg0009600000000; without a name it is random.
create or replace function demo.uuid(p_class text, p_name text default null) returns text
language sql volatile as $$
    select 'zzzzz-' || p_class || '-' || coalesce(rpad(p_name, 15, '0'), (
        select string_agg(substr('0123456789abcdefghijklmnopqrstuvwxyz', 1 + floor(random() * 36)::int, 1), '')
        from generate_series(1, 15)
    ))
$$;

create or replace function demo.system_user() returns text
language sql immutable as $$ select 'zzzzz-tpzed-000000000000000' $$;

-- A hexadecimal number in base 36, as an etag is written.
create or replace function demo.base36(p_hex text) returns text
language plpgsql immutable strict as $$
declare
    n numeric := 0;
    result text := '';
begin
    for i in 1 .. length(p_hex) loop
        n := n * 16 + strpos('0123456789abcdef', substr(p_hex, i, 1)) - 1;
    end loop;
    while n > 0 loop
        result := substr('0123456789abcdefghijklmnopqrstuvwxyz', mod(n, 36)::int + 1, 1) || result;
        n := div(n, 36);
    end loop;
    return result;
end $$;

-- A row as the `*_attributes` of a logs row: all columns in the table's order except the secret ones, times in
-- RFC 3339 with nine decimals, JSON in text columns nested.
create or replace function demo.attributes(p_table regclass, p_row jsonb) returns text
language sql stable strict as $$
    select '{' || string_agg(
        to_json(attname)::text || ':' || case
            when p_row -> attname = 'null' then 'null'
            when atttypid = 'timestamp'::regtype
                then to_char((p_row ->> attname)::timestamp, '"\""YYYY-MM-DD"T"HH24:MI:SS.US"000Z\""')
            when atttypid = 'text'::regtype and attname in ('command', 'environment', 'filters', 'mounts',
                'output_glob', 'prefs', 'runtime_constraints', 'scheduling_parameters', 'scopes')
                then p_row ->> attname
            else (p_row -> attname)::text
        end, ',' order by attnum) || '}'
    from pg_attribute
    where attrelid = p_table and attnum > 0 and not attisdropped
      and attname not in ('api_token', 'secret', 'secret_mounts', 'runtime_token')
$$;

-- Writes one logs row and notifies, as Arvados does after each save of such a row.
create or replace function demo.log(p_event_type text, p_object_uuid text, p_object_owner_uuid text, p_actor text,
    p_event_at timestamp, p_summary text, p_properties text, p_created_at timestamp default demo.clock())
returns bigint language plpgsql as $$
declare
    log_id bigint;
begin
    insert into logs (uuid, owner_uuid, modified_by_user_uuid, object_uuid, object_owner_uuid, event_type, event_at,
        summary, properties, created_at, updated_at, modified_at)
    values (demo.uuid('57u5n'), p_actor, p_actor, p_object_uuid, p_object_owner_uuid, p_event_type, p_event_at,
        p_summary, p_properties, p_created_at, p_created_at, p_created_at)
    returning id into log_id;
    perform pg_notify('logs', log_id::text);
    return log_id;
end $$;

-- The logs row of a change of one record: p_old is null for a create, p_new for a delete.
create or replace function demo.log_change(p_table regclass, p_old jsonb, p_new jsonb, p_actor text)
returns void language plpgsql as $$
declare
    row_now jsonb := coalesce(p_new, p_old);
    event_type text := case when p_old is null then 'create' when p_new is null then 'delete' else 'update' end;
    event_at timestamp := case event_type
        when 'create' then p_new ->> 'created_at'
        when 'update' then coalesce(p_new ->> 'modified_at', p_new ->> 'updated_at')
        else demo.clock()::text
    end;
    old_attributes text := demo.attributes(p_table, p_old);
    new_attributes text := demo.attributes(p_table, p_new);
    owner_uuid text := coalesce(row_now ->> 'owner_uuid', ( -- tokens have no owner_uuid, only a user
        select users.uuid from users where users.id = (row_now ->> 'user_id')::bigint));
begin
    perform demo.log(event_type, row_now ->> 'uuid', owner_uuid, p_actor, event_at,
        event_type || ' of ' || (row_now ->> 'uuid'),
        format('{"old_etag":%s,"old_attributes":%s,"new_etag":%s,"new_attributes":%s}',
            coalesce('"' || demo.base36(md5(old_attributes)) || '"', 'null'), coalesce(old_attributes, 'null'),
            coalesce('"' || demo.base36(md5(new_attributes)) || '"', 'null'), coalesce(new_attributes, 'null')),
        -- a record of the past was logged when it was made
        case event_type when 'create' then event_at else demo.clock() end);
end $$;

-- The columns of a table that are keys of p_row, as a list for SQL.
create or replace function demo.columns(p_table regclass, p_row jsonb) returns text
language sql stable as $$
    select string_agg(quote_ident(attname), ', ' order by attnum)
    from pg_attribute
    where attrelid = p_table and attnum > 0 and not attisdropped and p_row ? attname::text
$$;

-- Saves a new record with its logs row, and gives its uuid; nothing happens if the uuid is there already.
-- Keys that are not columns are ignored.
create or replace function demo.create(p_table regclass, p_row jsonb, p_actor text default demo.system_user())
returns text language plpgsql as $$
declare
    created timestamp := coalesce((p_row ->> 'created_at')::timestamp, demo.clock());
    row_in jsonb := jsonb_build_object('created_at', created, 'updated_at', created, 'modified_at', created,
        'modified_by_user_uuid', p_actor, 'owner_uuid', demo.system_user()) || p_row;
    cols text := demo.columns(p_table, row_in);
    found_already boolean;
    row_out jsonb;
begin
    execute format('select exists (select from %s where uuid = $1)', p_table) into found_already using p_row ->> 'uuid';
    if not found_already then
        execute format('insert into %1$s as t (%2$s) select %2$s from jsonb_populate_record(null::%1$s, $1)'
            ' returning to_jsonb(t)', p_table, cols) into row_out using row_in;
        perform demo.log_change(p_table, null, row_out, p_actor);
    end if;
    return p_row ->> 'uuid';
end $$;

-- Updates the columns named in p_set, with the logs row. False if there is no such record.
create or replace function demo.change(p_table regclass, p_uuid text, p_set jsonb,
    p_actor text default demo.system_user())
returns boolean language plpgsql as $$
declare
    at timestamp := demo.clock();
    row_in jsonb := jsonb_build_object('updated_at', at, 'modified_at', at, 'modified_by_user_uuid', p_actor) || p_set;
    cols text := demo.columns(p_table, row_in);
    row_old jsonb;
    row_new jsonb;
begin
    execute format('select to_jsonb(t) from %s as t where uuid = $1 for update', p_table) into row_old using p_uuid;
    if row_old is null then
        return false;
    end if;
    execute format('update %1$s as t set (%2$s) = (select %2$s from jsonb_populate_record(null::%1$s, $1))'
        ' where uuid = $2 returning to_jsonb(t)', p_table, cols) into row_new using row_in, p_uuid;
    perform demo.log_change(p_table, row_old, row_new, p_actor);
    return true;
end $$;

-- Deletes a record, with the logs row. False if there is no such record.
create or replace function demo.destroy(p_table regclass, p_uuid text, p_actor text default demo.system_user())
returns boolean language plpgsql as $$
declare
    row_old jsonb;
begin
    execute format('delete from %s as t where uuid = $1 returning to_jsonb(t)', p_table) into row_old using p_uuid;
    if row_old is not null then
        perform demo.log_change(p_table, row_old, null, p_actor);
    end if;
    return row_old is not null;
end $$;

-- What materialized_permissions has to hold. A path's level is the lowest on it, the highest path counts, and paths
-- go on only from groups.
create or replace function demo.permissions()
returns table (user_uuid text, target_uuid text, perm_level integer, traverse_owned boolean)
language sql stable as $$
    with recursive edge as materialized (
        select tail_uuid::text as tail, head_uuid::text as head, val,
               substr(head_uuid, 7, 5) = 'j7d0g' or (substr(head_uuid, 7, 5) = 'tpzed' and val = 3) as opens
        from permission_graph_edges
    ),
    reach as (
        select users.uuid::text as user_uuid, edge.head, edge.val, edge.opens
        from users
        join edge on edge.tail = users.uuid
        union
        select reach.user_uuid, edge.head, least(reach.val, edge.val), edge.opens
        from reach
        join edge on edge.tail = reach.head
        where substr(reach.head, 7, 5) = 'j7d0g'
    )
    select user_uuid, head, max(val), bool_or(opens)
    from reach
    group by user_uuid, head
    having max(val) >= 1
$$;

-- Brings materialized_permissions, trashed_groups and frozen_groups up to date. Called in the transaction that changes
-- a user, a group or a permission link; touches only rows that differ.
create or replace function demo.refresh_permissions() returns void
language plpgsql as $$
begin
    lock table materialized_permissions in exclusive mode;

    with want as materialized (select * from demo.permissions()),
    gone as (
        delete from materialized_permissions as have
        where not exists (select from want
                          where want.user_uuid = have.user_uuid and want.target_uuid = have.target_uuid)
    )
    insert into materialized_permissions as have (user_uuid, target_uuid, perm_level, traverse_owned)
    select user_uuid, target_uuid, perm_level, traverse_owned from want
    on conflict (user_uuid, target_uuid) do update
        set perm_level = excluded.perm_level, traverse_owned = excluded.traverse_owned
        where (have.perm_level, have.traverse_owned) is distinct from (excluded.perm_level, excluded.traverse_owned);

    with recursive below (uuid, trash_at) as (
        select uuid, trash_at from groups where trash_at is not null
        union
        select groups.uuid, below.trash_at from below join groups on groups.owner_uuid = below.uuid
    ),
    want as materialized (select uuid, min(trash_at) as trash_at from below group by uuid),
    gone as (
        delete from trashed_groups as have where not exists (select from want where want.uuid = have.group_uuid)
    )
    insert into trashed_groups as have (group_uuid, trash_at)
    select uuid, trash_at from want
    on conflict (group_uuid) do update
        set trash_at = excluded.trash_at where have.trash_at is distinct from excluded.trash_at;

    with recursive below (uuid) as (
        select uuid from groups where frozen_by_uuid is not null
        union
        select groups.uuid from below join groups on groups.owner_uuid = below.uuid
    ),
    want as materialized (select uuid from below),
    gone as (
        delete from frozen_groups as have where not exists (select from want where want.uuid = have.uuid)
    )
    insert into frozen_groups (uuid) select uuid from want on conflict do nothing;
end $$;

-- The size of a demo file follows from its name, between 0 and 256 MiB.
create or replace function demo.file_size(p_name text) returns bigint
language sql immutable as $$ select ('x' || left(md5(p_name), 7))::bit(28)::int::bigint $$;

-- The columns of a collection that follow from its files: one stream of blocks of at most 64 MiB.
create or replace function demo.contents(p_files text[]) returns jsonb
language sql stable as $$
    with file as (
        select name, demo.file_size(name) as size,
               sum(demo.file_size(name)) over (order by n) - demo.file_size(name) as start, n
        from unnest(p_files) with ordinality as f (name, n)
    ),
    total as (select coalesce(sum(size), 0)::bigint as bytes from file),
    block as (
        select string_agg(md5(array_to_string(p_files, ' ') || b) || '+' || least(bytes - b, 67108864), ' ' order by b)
                   as locators
        from total, generate_series(0, greatest(bytes - 1, 0), 67108864) as b
    ),
    manifest as (
        select coalesce('. ' || locators || ' '
            || (select string_agg(start || ':' || size || ':' || name, ' ' order by n) from file) || E'\n', '') as text
        from block
    )
    select jsonb_build_object(
        'manifest_text', text,
        'portable_data_hash', md5(text) || '+' || length(text),
        'file_names', array_to_string(p_files, E'\n'),
        'file_count', cardinality(p_files),
        'file_size_total', bytes)
    from manifest, total
$$;

-- Saves a new collection with these files; p_row may set more columns.
create or replace function demo.create_collection(p_owner text, p_name text, p_files text[], p_row jsonb default '{}',
    p_actor text default demo.system_user())
returns text language plpgsql as $$
declare
    new_uuid text := coalesce(p_row ->> 'uuid', demo.uuid('4zz18'));
begin
    return demo.create('collections', jsonb_build_object('uuid', new_uuid, 'current_version_uuid', new_uuid,
        'owner_uuid', p_owner, 'name', p_name, 'properties', '{}'::jsonb, 'preserve_version', false,
        'replication_desired', 2, 'storage_classes_desired', '["default"]'::jsonb,
        'storage_classes_confirmed', '[]'::jsonb) || demo.contents(p_files) || p_row, p_actor);
end $$;
