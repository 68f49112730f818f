-- What writers record about their events just before they commit. None of this is in the publication.

-- The rows of `logs` that transactions in progress have written. A row that goes with its savepoint goes from here too.
create table oracle.written (log_id bigint primary key, xact xid8 not null);
create index on oracle.written (xact);

create function oracle.note_log() returns trigger language plpgsql as $$
begin
    insert into oracle.written values (new.id, pg_current_xact_id());
    return null;
end $$;
create trigger oracle_note after insert on logs for each row execute function oracle.note_log();

-- Whose answers are recorded, and the tokens of their sessions.
create table oracle.watched (user_uuid text primary key);
create table oracle.session_tokens (token_uuid text primary key);

-- How far times may be off, in seconds: the relay's answer may be that of a moment within [now - before, now + after].
create table oracle.margin (before double precision not null, after double precision not null);
insert into oracle.margin values (0.15, 0.3);

-- The commit order.
create sequence oracle.place;

-- One row for each event: who may read it at its commit (`readers`), who also might if the clocks disagree (`perhaps`), and
-- which tokens were alive. `sendable` is false for rows that nobody is sent.
create table oracle.verdicts (
    place         bigint not null,
    log_id        bigint not null,
    event_type    text,
    object_uuid   text,
    target        text,         -- the object that is asked about
    sendable      boolean not null,
    readers       text[] not null,
    perhaps       text[] not null,
    alive         text[] not null,
    perhaps_alive text[] not null,
    primary key (place, log_id)
);

-- Users who may read an object, among those who are watched.
create function oracle.readers(p_target text, p_now timestamp) returns text[]
language sql stable as $$
    select coalesce(array_agg(u.uuid::text), '{}')
    from users as u
    join oracle.watched as w on w.user_uuid = u.uuid
    where u.is_admin or oracle.readable(u.uuid, p_target, u.is_active, p_now)
$$;

create function oracle.alive(p_now timestamp) returns text[]
language sql stable as $$
    select coalesce(array_agg(a.uuid::text), '{}')
    from api_client_authorizations as a
    join oracle.session_tokens as s on s.token_uuid = a.uuid
    join users as u on u.id = a.user_id and u.redirect_to_user_uuid is null
    where (a.expires_at is null or a.expires_at > p_now) and (a.refreshes_at is null or a.refreshes_at > p_now)
$$;

-- The last statement before COMMIT or PREPARE TRANSACTION; returns the transaction's place in the commit order.
--
-- Everybody who writes takes the lock, and keeps it until the commit is visible to others (PostgreSQL releases locks after
-- that; a prepared transaction keeps its locks). So the statements after the lock, each with a snapshot of its own, see
-- exactly what has committed before this transaction, and its own changes: the state at its commit. The order in which the
-- lock is had is the order of the commits in the log.
--
-- The shared lock comes first: who rebuilds materialized_permissions under ACCESS EXCLUSIVE and waits here would otherwise
-- wait for the holder, who waits for the table.
create function oracle.judge() returns bigint language plpgsql as $$
declare
    now_utc timestamp;
    margin oracle.margin;
    early timestamp;
    late timestamp;
    moving boolean;
    number bigint;
begin
    lock table materialized_permissions, trashed_groups, frozen_groups in access share mode;
    perform pg_advisory_xact_lock(7245);
    now_utc := clock_timestamp() at time zone 'UTC';
    number := nextval('oracle.place');
    if not exists (select from oracle.written where xact = pg_current_xact_id()) then
        return number;
    end if;
    select * into margin from oracle.margin;
    early := now_utc - margin.before * interval '1 s';
    late := now_utc + margin.after * interval '1 s';
    moving := exists (select from trashed_groups where trash_at between early and late)
        or exists (select from collections where trash_at between early and late)
        or exists (select from groups where trash_at between early and late);
    -- Time only takes away: what may be read later may be read earlier.
    insert into oracle.verdicts
    with event as materialized (
        select logs.id, event_type, object_uuid,
               case when event_type = 'delete' then object_owner_uuid else object_uuid end as target,
               logs.uuid is not null and object_uuid is not null and event_at is not null as sendable
        from oracle.written
        join logs on logs.id = log_id
        where xact = pg_current_xact_id()
    ),
    target as materialized (select distinct target from event where sendable),
    answer as materialized (
        select target, oracle.readers(target, late) as sure,
               case when moving then oracle.readers(target, early) end as perhaps
        from target
    ),
    token as materialized (select oracle.alive(late) as sure, oracle.alive(early) as perhaps)
    select number, event.id, event_type, object_uuid, event.target, sendable, coalesce(answer.sure, '{}'),
           coalesce(answer.perhaps, answer.sure, '{}'), token.sure, token.perhaps
    from event
    left join answer on answer.target is not distinct from event.target
    cross join token;
    delete from oracle.written where xact = pg_current_xact_id();
    return number;
end $$;

-- Permission upkeep as Arvados does it: the difference; or, after a batch update, all rows anew, those of level 0 (links with
-- unknown names) among them, which the next upkeep drops.
create function oracle.upkeep(p_full boolean) returns void language plpgsql as $$
begin
    if p_full then
        lock table materialized_permissions in access exclusive mode;
        delete from materialized_permissions;
        insert into materialized_permissions select * from demo.permissions();
    end if;
    perform demo.refresh_permissions(); -- after a rebuild it finds no difference, and sees to the trash
    if p_full then
        insert into materialized_permissions
        select distinct tail_uuid, head_uuid, 0, substr(head_uuid, 7, 5) = 'j7d0g'
        from links
        join users on users.uuid = tail_uuid
        where link_class = 'permission' and name not in ('can_read', 'can_write', 'can_manage', 'can_login')
        on conflict do nothing;
    end if;
end $$;

-- As in the demo; but who prepares a transaction must not notify in it.
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
    if coalesce(current_setting('oracle.quiet', true), '') <> 'on' then
        perform pg_notify('logs', log_id::text);
    end if;
    return log_id;
end $$;
