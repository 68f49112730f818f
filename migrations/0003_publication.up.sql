-- The publication, and the steps that make Arvados' tables part of it.
--
-- The steps are not run here but by the migrator, after the migrations and at each later `migrate up`: an Arvados
-- upgrade may bring tables and columns, or make materialized_permissions anew, and then only the steps that are
-- missing are taken. The migrator calls cover_step() in a transaction of its own, with a lock_timeout, until it returns
-- null; and uncover_step() before the down files.
--
-- The rules of the steps: ONE STEP, ONE TRANSACTION, ONE LOCK on a table of Arvados, taken before anything else is; and
-- NO WAIT AS LONG AS deadlock_timeout.
--
-- PostgreSQL ends a deadlock by failing the first of its members that has waited for deadlock_timeout (1 s), and that
-- may be Arvados'. With two tables in one transaction this is all it takes:
--      walcast: alter table materialized_permissions replica identity full     has materialized_permissions
--      Arvados: delete from trashed_groups …                                   has trashed_groups
--      Arvados: insert into materialized_permissions …                         waits for walcast, since 0.9 s …
--      walcast: alter table trashed_groups replica identity full               waits for Arvados: a cycle
--      Arvados: ERROR: deadlock detected                                       … 0.1 s later
-- Who waits for a table while holding none is in no such cycle. For the same reason a lock is never raised: share update
-- exclusive first and access exclusive later is a second lock.
--
-- A lock is not all that others may wait for. CREATE INDEX CONCURRENTLY holds share update exclusive on its table and
-- waits until every older snapshot is gone; a function that waits has one:
--      Arvados: create index concurrently … on links                           has links
--      walcast: select walcast.cover_step()                                    has a snapshot, waits for links
--      Arvados: … its last phase                                               waits for the snapshot: a cycle
--      Arvados: ERROR: deadlock detected                                       1 s later
-- It cannot begin to wait for us much before we wait for it, so when we give up earlier than deadlock_timeout, its time
-- has not come. There is one exception. Only who waits longer than deadlock_timeout makes PostgreSQL cancel an
-- autovacuum in the way, so the migrator waits longer when it has just seen one; while an autovacuum has the table, no
-- index is being made on it.
--
-- Giving up has another use. Access exclusive waits for the readers, and everybody who comes later waits behind it; so
-- it steps aside after moments, and the migrator tries again a little later and a little longer.
--
-- Why this order: identity, then publication. A table without a replica identity whose publication has deletes refuses
-- every update and delete, even of no row. Between the two commits there may be a third, by an Arvados migration that
-- drops materialized_permissions and creates it again, with the identity gone. Hence each step looks again under its
-- lock (share update exclusive keeps every ALTER TABLE and DROP out) and does nothing if the plan changed.
--
-- Why grants take a lock at all. GRANT updates pg_class or pg_attribute without locking the table, and a concurrent
-- ALTER TABLE of Arvados that meets the same row fails: "tuple concurrently updated". Under our lock it waits.

create publication walcast with (publish = 'insert, update, delete, truncate');

-- Each wanted table as it stands: what is there, what is published, and what is in the way.
create view walcast.coverage as
with found as (
    select t.*, c.oid as relation, c.relowner, c.relkind, c.relpersistence, c.relreplident as identity
    from walcast.tables t
    left join (pg_catalog.pg_class c
               join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public')
        on c.relname = t.name
),
detailed as (
    select f.*,
        (select array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = f.relation and a.attnum > 0 and a.attgenerated = '' and a.attname::text = any (f.columns))
            as present,
        (select array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = f.relation and a.attnum > 0 and a.attname::text = any (f.columns || f.also_readable))
            as readable,
        (select array_agg(a.attname::text) from pg_catalog.pg_index i
         join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
         where i.indrelid = f.relation and i.indisvalid and i.indimmediate
           and (f.identity = 'd' and i.indisprimary or f.identity = 'i' and i.indisreplident))
            as identity_columns,
        r.oid is not null as published,
        (select array_agg(a.attname::text order by a.attnum) from pg_catalog.pg_attribute a
         where a.attrelid = f.relation and a.attnum = any (r.prattrs))
            as published_columns
    from found f
    left join (pg_catalog.pg_publication_rel r
               join pg_catalog.pg_publication p on p.oid = r.prpubid and p.pubname = 'walcast')
        on r.prrelid = f.relation
)
select d.ordinal, d.name, d.relation, d.identity, d.keyless, d.columns is not null as listed,
    d.present, d.readable, d.published, d.published_columns,
    array(select wanted from unnest(d.columns || d.also_readable) wanted
          where d.relation is not null
            and not exists (select from pg_catalog.pg_attribute a
                            where a.attrelid = d.relation and a.attname::text = wanted)) as missing,
    case
        when d.relation is null then
            'there is no such table'
        when d.relkind <> 'r' or d.relpersistence <> 'p' then
            'it is not an ordinary table'
        when not d.keyless and d.identity = 'f' and d.columns is not null then
            'its replica identity is full, which allows no column list: run "alter table public.'
            || quote_ident(d.name) || ' replica identity default", then migrate up again'
        when not d.keyless and d.identity <> 'f' and d.identity_columns is null then
            'it has no primary key and no replica identity'
        when d.columns is not null and not d.identity_columns <@ d.present then
            'its replica identity has columns that must not be published: run "alter table public.'
            || quote_ident(d.name) || ' replica identity default", then migrate up again'
        when not d.published and not pg_has_role(d.relowner, 'usage') then
            format('it belongs to role %I: migrate up again as that role or as a superuser', pg_get_userbyid(d.relowner))
    end as problem
from detailed d;

-- The steps that are missing, first things first.
create view walcast.cover_plan as
with c as materialized (select * from walcast.coverage)
-- Somebody dropped it. (It is empty then: each table follows.)
select 0 as phase, 0 as ordinal, 'walcast' as name, 'create' as step
where not exists (select from pg_catalog.pg_publication where pubname = 'walcast')
union all
-- In the publication, but Arvados' statements would fail: somebody changed the replica identity.
select 1, ordinal, name, 'withdraw'
from c where published and problem is not null
union all
select 2, ordinal, name, 'identity'
from c where problem is null and keyless and identity <> 'f'
union all
select 3, ordinal, name, 'publish'
from c
where problem is null and (identity = 'f' or not keyless)
  and (not published or published_columns is distinct from case when listed then present end)
union all
select 4, 0, 'walcast', 'admit'
where not has_schema_privilege(to_regrole('walcast_relay'), 'walcast', 'usage')
union all
select 5, ordinal, name, 'grant'
from c
where problem is null and to_regrole('walcast_relay') is not null
  and case when listed then
          exists (select from unnest(readable) of
                  where not has_column_privilege(to_regrole('walcast_relay'), relation, of, 'select'))
      else
          not has_table_privilege(to_regrole('walcast_relay'), relation, 'select')
      end;

create function walcast.cover_step() returns text
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    todo record;
    at record;
    lacking text[];
begin
    select * into todo from walcast.cover_plan order by phase, ordinal limit 1;
    if not found then
        return null;
    end if;
    if todo.step = 'create' then
        create publication walcast with (publish = 'insert, update, delete, truncate');
        return 'publication walcast is there again';
    end if;
    if todo.step = 'admit' then -- our own schema: nobody to wait for
        grant usage on schema walcast to walcast_relay;
        grant select on all tables in schema walcast to walcast_relay;
        grant execute on function walcast.publish(text, jsonb) to walcast_relay;
        return 'walcast_relay may use the schema walcast';
    end if;

    begin
        execute format('lock table only public.%I in %s mode', todo.name,
                       case todo.step when 'identity' then 'access exclusive' else 'share update exclusive' end);
    exception when undefined_table then
        return format('%s has just been dropped', todo.name);
    end;
    select p.step, c.* into at
    from walcast.cover_plan p join walcast.coverage c using (name)
    where p.name = todo.name and p.step = todo.step;
    if not found then
        return format('%s has just been changed', todo.name);
    end if;

    case at.step
        when 'withdraw' then
            execute format('alter publication walcast drop table only public.%I', at.name);
            return format('%s is not published any more', at.name);
        when 'identity' then
            insert into walcast.replica_identities
            values (at.name, at.identity,
                    (select i.relname from pg_index x join pg_class i on i.oid = x.indexrelid
                     where x.indrelid = at.relation and x.indisreplident))
            on conflict (name) do update set identity = excluded.identity, index = excluded.index;
            execute format('alter table only public.%I replica identity full', at.name);
            return format('%s has replica identity full', at.name);
        when 'publish' then
            if at.published then
                execute format('alter publication walcast drop table only public.%I', at.name);
            end if;
            execute format('alter publication walcast add table only public.%I', at.name) ||
                    case when at.listed then
                        (select format(' (%s)', string_agg(quote_ident(of), ', ')) from unnest(at.present) of)
                    else '' end;
            return format('%s is published', at.name);
        when 'grant' then
            if at.listed then
                select array_agg(of) into lacking from unnest(at.readable) of
                where not has_column_privilege('walcast_relay', at.relation, of, 'select');
                execute format('grant select (%s) on public.%I to walcast_relay',
                               (select string_agg(quote_ident(of), ', ') from unnest(lacking) of), at.name);
            else
                execute format('grant select on public.%I to walcast_relay', at.name);
            end if;
            insert into walcast.grants values (at.name, lacking)
            on conflict (name) do update set columns = walcast.grants.columns || excluded.columns;
            return format('walcast_relay may read %s', at.name);
    end case;
end
$$;

-- What cover_step did and is not undone: the publication first, the identities when nothing needs them any more.
create view walcast.uncover_plan as
select 1 as phase, n.nspname as schema, c.relname as name, 'withdraw' as step
from pg_catalog.pg_publication p
join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
join pg_catalog.pg_class c on c.oid = r.prrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where p.pubname = 'walcast'
union all
select 2, 'public', name, 'identity' from walcast.replica_identities
union all
select 3, 'public', name, 'revoke' from walcast.grants;

create function walcast.uncover_step() returns text
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    todo record;
    table_oid oid;
    was walcast.replica_identities;
    given walcast.grants;
    done text;
begin
    select * into todo from walcast.uncover_plan order by phase, schema, name limit 1;
    if not found then
        return null;
    end if;
    begin
        execute format('lock table only %I.%I in %s mode', todo.schema, todo.name,
                       case todo.step when 'identity' then 'access exclusive' else 'share update exclusive' end);
    exception when undefined_table then
        -- Arvados dropped it: nothing to restore, unless it was in the publication a moment ago: then look again.
        delete from walcast.replica_identities where name = todo.name and todo.step = 'identity';
        delete from walcast.grants where name = todo.name and todo.step = 'revoke';
        return format('%s has been dropped', todo.name);
    end;
    table_oid := to_regclass(format('%I.%I', todo.schema, todo.name));

    case todo.step
        when 'withdraw' then
            if exists (select from walcast.uncover_plan
                       where step = 'withdraw' and schema = todo.schema and name = todo.name) then
                execute format('alter publication walcast drop table only %I.%I', todo.schema, todo.name);
            end if;
            return format('%s is not published any more', todo.name);
        when 'identity' then
            delete from walcast.replica_identities where name = todo.name returning * into was;
            done := format('%s has its replica identity back', todo.name);
            if (select relreplident from pg_class where oid = table_oid) <> 'f' then
                return done; -- made anew by Arvados, or restored by hand
            end if;
            -- Another publication may have come to rely on our full identity; without it Arvados' statements fail.
            if exists (select from pg_publication_tables t join pg_publication p using (pubname)
                       where (p.pubupdate or p.pubdelete) and t.schemaname = 'public' and t.tablename = todo.name) then
                raise warning 'table % keeps replica identity full: another publication needs it', todo.name;
                return done;
            end if;
            if was.identity = 'i' and exists (select from pg_index x join pg_class i on i.oid = x.indexrelid
                                              where x.indrelid = table_oid and i.relname = was.index) then
                execute format('alter table only public.%I replica identity using index %I', todo.name, was.index);
            elsif was.identity = 'n' then
                execute format('alter table only public.%I replica identity nothing', todo.name);
            else
                execute format('alter table only public.%I replica identity default', todo.name);
            end if;
            return done;
        when 'revoke' then
            delete from walcast.grants where name = todo.name returning * into given;
            if to_regrole('walcast_relay') is not null then
                if given.columns is null then
                    execute format('revoke select on public.%I from walcast_relay', todo.name);
                else
                    execute (select format('revoke select (%s) on public.%I from walcast_relay',
                                           string_agg(quote_ident(a.attname), ', '), todo.name)
                             from pg_attribute a
                             where a.attrelid = table_oid and a.attnum > 0 and a.attname::text = any (given.columns)
                             having count(*) > 0);
                end if;
            end if;
            return format('walcast_relay may not read %s any more', todo.name);
    end case;
end
$$;

revoke all on function walcast.cover_step(), walcast.uncover_step() from public;
