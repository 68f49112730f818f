-- A database's schema as lines of text, for server versions that no pg_dump is at hand for: everything that the
-- migrations could leave behind or take along. A privilege that is spelt out equals the same one by default; nothing
-- depends on OIDs or on what was made first.
with space as (
    select oid, nspname, nspowner, nspacl from pg_namespace
    where nspname !~ '^pg_' and nspname <> 'information_schema'
),
line (text) as (
    select format('schema %s %s %s', nspname, nspowner::regrole,
                  (select string_agg(of::text, ' ' order by of::text) from unnest(coalesce(nspacl, acldefault('n', nspowner))) of)) from space
    union all
    select format('%s %s.%s %s %s identity %s persistence %s row security %s %s %s', c.relkind, s.nspname, c.relname,
                  c.relowner::regrole,
                  (select string_agg(of::text, ' ' order by of::text) from unnest(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))) of),
                  c.relreplident, c.relpersistence, c.relrowsecurity, c.reloptions,
                  case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end)
    from pg_class c join space s on s.oid = c.relnamespace
    where c.relkind not in ('i', 'I', 't')
    union all
    select format('column %s.%s %s %s %s %s %s %s %s %s %s', s.nspname, c.relname, a.attnum, a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, a.attstorage,
                  (select string_agg(of::text, ' ' order by of::text) from unnest(a.attacl) of), pg_get_expr(d.adbin, d.adrelid))
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join space s on s.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attnum > 0 and not a.attisdropped and c.relkind not in ('i', 'I', 't')
    union all
    select format('%s, replica identity %s, valid %s', pg_get_indexdef(i.indexrelid), i.indisreplident, i.indisvalid)
    from pg_index i join pg_class c on c.oid = i.indexrelid join space s on s.oid = c.relnamespace
    union all
    select format('constraint %s.%s %s %s', s.nspname, c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
    from pg_constraint c join space s on s.oid = c.connamespace
    union all
    select format('%s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join space s on s.oid = c.relnamespace
    where not t.tgisinternal
    union all
    select format('function %s.%s(%s) %s %s %s', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid),
                  p.proowner::regrole,
                  (select string_agg(of::text, ' ' order by of::text) from unnest(coalesce(p.proacl, acldefault('f', p.proowner))) of),
                  case when p.prokind in ('f', 'p') then pg_get_functiondef(p.oid) end)
    from pg_proc p join space s on s.oid = p.pronamespace
    union all
    select format('type %s.%s %s %s %s', s.nspname, t.typname, t.typtype, t.typowner::regrole,
                  (select string_agg(of::text, ' ' order by of::text) from unnest(coalesce(t.typacl, acldefault('T', t.typowner))) of))
    from pg_type t join space s on s.oid = t.typnamespace
    union all
    select format('publication %s %s all tables %s via root %s does %s', p.pubname, p.pubowner::regrole, p.puballtables,
                  p.pubviaroot, (array[p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate])::text)
    from pg_publication p
    union all
    select format('publication %s has %s %s %s', p.pubname, r.prrelid::regclass, r.prattrs, pg_get_expr(r.prqual, r.prrelid))
    from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
    union all
    select format('extension %s %s', extname, extversion) from pg_extension
    union all
    select format('event trigger %s %s %s', evtname, evtevent, evtfoid::regproc) from pg_event_trigger
    union all
    select format('default privileges %s %s %s', defaclrole::regrole, defaclobjtype, defaclacl) from pg_default_acl
    union all
    select format('comment on %s: %s', pg_describe_object(classoid, objoid, objsubid), description)
    from pg_description d
    where objoid >= 16384
)
select coalesce(string_agg(text, E'\n' order by text collate "C"), '') from line
