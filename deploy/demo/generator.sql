-- Gentle, realistic changes without end, as users and Arvados make them. Needs data.sql.
--
--   psql -c 'call demo.generate()'                         about two changes a second, for ever
--   psql -c "call demo.generate(20, '10 seconds')"         twenty a second, for ten seconds
--
-- Each change is one transaction with the logs rows that Arvados' hooks write, or without any where Arvados writes
-- none (priorities, replication, last use of tokens, sweeps). Stop it with Ctrl-C or pg_terminate_backend at any time;
-- it goes on from the database's content. What it made carries {"demo": "generated"} in its properties, so the records
-- of data.sql stay. Several may run at once.

\ir functions.sql

create or replace function demo.pick(p_from anyarray) returns anyelement
language sql volatile as $$ select p_from[1 + floor(random() * cardinality(p_from))::int] $$;

-- A project that is in use (neither trashed nor frozen) and somebody who may write to it.
create or replace function demo.pick_project(out project text, out writer text)
language sql volatile as $$
    select groups.uuid, users.uuid
    from groups
    join materialized_permissions as mp on mp.target_uuid = groups.uuid and mp.perm_level >= 2 and mp.traverse_owned
    join users on users.uuid = mp.user_uuid and users.is_active and users.uuid <> demo.system_user()
    where group_class = 'project'
      and not exists (select from trashed_groups where group_uuid = groups.uuid)
      and not exists (select from frozen_groups where uuid = groups.uuid)
    order by random()
    limit 1
$$;

-- A user saves a collection: one file more, or a fresh start when there are many.
create or replace function demo.save_collection() returns boolean
language plpgsql as $$
declare
    c record;
    files text[];
begin
    select collections.uuid, file_names, writer into c
    from demo.pick_project()
    join collections on owner_uuid = project and current_version_uuid = uuid and not is_trashed
    order by random()
    limit 1
    for update of collections skip locked;
    if not found then
        return false;
    end if;
    files := string_to_array(c.file_names, E'\n');
    if cardinality(files) >= 10 then
        files := files[1:2];
    end if;
    files := files || demo.pick(array['lane%s.fastq.gz', 'calls%s.vcf.gz', 'plot%s.png', 'notes%s.md', 'depth%s.tsv']);
    files[cardinality(files)] := format(files[cardinality(files)], to_char(demo.clock(), 'HH24MISSMS'));
    return demo.change('collections', c.uuid, demo.contents(files), c.writer);
end $$;

create or replace function demo.add_collection() returns boolean
language plpgsql as $$
declare
    sample text := 'HG' || lpad(floor(random() * 99999)::text, 5, '0');
    target record;
begin
    select * into target from demo.pick_project();
    if target.project is null then
        return false;
    end if;
    perform demo.create_collection(target.project, sample || ' reads',
        array[sample || '_R1.fastq.gz', sample || '_R2.fastq.gz'],
        jsonb_build_object('properties', jsonb_build_object('demo', 'generated', 'sample', sample)), target.writer);
    return true;
end $$;

-- A new request with its container, which is saved first and belongs to the system user.
create or replace function demo.submit() returns boolean
language plpgsql as $$
declare
    sample text := 'HG' || lpad(floor(random() * 99999)::text, 5, '0');
    tool text[] := demo.pick(array['{bwa,mem}', '{gatk,HaplotypeCaller}', '{samtools,sort}', '{multiqc,.}'])::text[];
    shared jsonb := jsonb_build_object('command', array_to_json(tool || (sample || '.bam')), 'cwd', '/out',
        'environment', '{}', 'mounts', '{"/out": {"kind": "tmp", "capacity": 21474836480}}', 'output_path', '/out',
        'runtime_constraints', '{"vcpus": 4, "ram": 8589934592}', 'scheduling_parameters', '{"partitions": []}',
        'secret_mounts', '{}'::jsonb, 'output_storage_classes', '["default"]'::jsonb, 'output_properties', '{}'::jsonb);
    target record;
    container text;
begin
    select * into target from demo.pick_project();
    if target.project is null then
        return false;
    end if;
    container := demo.create('containers', shared || jsonb_build_object('uuid', demo.uuid('dz642'), 'state', 'Queued',
        'priority', 562949953421312 - floor(random() * 1000000), 'runtime_user_uuid', target.writer,
        'runtime_auth_scopes', '["all"]'::jsonb, 'container_image',
        (select portable_data_hash from collections where uuid = demo.uuid('4zz18', 'bwaimage'))));
    perform demo.create('container_requests', shared || jsonb_build_object('uuid', demo.uuid('xvhdp'),
        'owner_uuid', target.project, 'name', initcap(tool[1]) || ' ' || sample, 'state', 'Committed', 'priority', 500,
        'container_uuid', container, 'container_count', 1, 'container_count_max', 3, 'filters', '[]',
        'container_image', 'biotools/bwa:0.7.18', 'output_name', sample || ' output',
        'properties', jsonb_build_object('demo', 'generated', 'sample', sample)), target.writer);
    return true;
end $$;

-- Output and log as collections in each request's project, then the container, then its requests: one transaction.
create or replace function demo.finish(p_container text, p_state text, p_exit_code integer) returns void
language plpgsql as $$
declare
    c containers;
    request record;
    output text;
    log text;
begin
    select * into c from containers where uuid = p_container;
    perform demo.change('containers', p_container, case
        when c.started_at is null then '{}'
        else jsonb_build_object('exit_code', p_exit_code, 'progress', 1,
            'log', demo.contents(array['crunch-run.txt', 'stderr.txt', p_container]) ->> 'portable_data_hash',
            'output', demo.contents(array['result.bam', p_container]) ->> 'portable_data_hash',
            'cost', round(extract(epoch from demo.clock() - c.started_at)::numeric / 3600, 6))
        end || jsonb_build_object('state', p_state, 'finished_at', demo.clock(), 'priority', 0, 'gateway_address', null));
    if c.auth_uuid is not null then
        perform demo.change('api_client_authorizations', c.auth_uuid, jsonb_build_object('expires_at', demo.clock()));
    end if;
    for request in
        select uuid, owner_uuid, name, output_name from container_requests
        where container_uuid = p_container and state = 'Committed' order by id for update
    loop
        output := null;
        log := null;
        if c.started_at is not null then
            output := demo.create_collection(request.owner_uuid, request.output_name, array['result.bam', p_container],
                '{"properties": {"demo": "generated", "type": "output"}}');
            log := demo.create_collection(request.owner_uuid, 'Container log for request ' || request.uuid,
                array['crunch-run.txt', 'stderr.txt', p_container],
                '{"properties": {"demo": "generated", "type": "log"}}');
        end if;
        perform demo.change('container_requests', request.uuid, jsonb_build_object('state', 'Final',
            'output_uuid', output, 'log_uuid', log,
            'cumulative_cost', (select cost from containers where uuid = p_container)));
    end loop;
end $$;

-- Takes one container a step further, as dispatcher and crunch-run do, or submits a new one when few are under way.
-- Now and then one fails or is cancelled. Services run for ever.
create or replace function demo.advance_container() returns boolean
language plpgsql as $$
declare
    c containers;
    token text;
begin
    if (select count(*) from containers where state in ('Queued', 'Locked', 'Running') and not service) < 4 then
        return demo.submit();
    end if;
    select * into c from containers
    where state in ('Queued', 'Locked', 'Running') and not service
    order by random()
    limit 1
    for update skip locked;
    if not found then
        return false;
    end if;
    if c.state <> 'Running' and random() < 0.05 then
        perform demo.finish(c.uuid, 'Cancelled', null);
    elsif c.state = 'Queued' then
        token := demo.create('api_client_authorizations', jsonb_build_object('uuid', demo.uuid('gj3su'),
            'api_token', md5(random()::text) || md5(c.uuid), 'scopes', '["all"]',
            'user_id', (select id from users where uuid = c.runtime_user_uuid)));
        perform demo.change('containers', c.uuid, jsonb_build_object('state', 'Locked', 'auth_uuid', token,
            'locked_by_uuid', demo.uuid('gj3su', '000000000000000'), 'lock_count', c.lock_count + 1));
    elsif c.state = 'Locked' then
        perform demo.change('containers', c.uuid, jsonb_build_object('state', 'Running', 'started_at', demo.clock(),
            'progress', 0,
            'gateway_address', '10.0.8.' || 30 + floor(random() * 20) || ':' || 32768 + floor(random() * 28000)));
    elsif c.progress < 0.75 then
        perform demo.change('containers', c.uuid, jsonb_build_object('progress', c.progress + 0.25,
            'runtime_status', jsonb_build_object('activity',
                demo.pick(array['reading input', 'computing', 'writing output']))));
    else
        perform demo.finish(c.uuid, 'Complete', case when random() < 0.1 then 1 else 0 end);
    end if;
    return true;
end $$;

-- Somebody shares a project or takes it back, or sets or clears a star.
create or replace function demo.toggle_link() returns boolean
language plpgsql as $$
declare
    old record;
    project groups;
    tail text := demo.pick(array[demo.uuid('tpzed', 'outsider'), demo.uuid('tpzed', 'spectator'),
        demo.uuid('tpzed', 'jonas'), demo.uuid('tpzed', 'priya'), demo.uuid('j7d0g', 'reviewers')]);
    sharing boolean := random() < 0.75;
begin
    select uuid, link_class, modified_by_user_uuid into old
    from links
    where properties ->> 'demo' = 'generated'
      and (select count(*) >= 6 or random() < 0.5 from links where properties ->> 'demo' = 'generated')
    order by random()
    limit 1
    for update skip locked;
    if found then
        perform demo.destroy('links', old.uuid, old.modified_by_user_uuid);
        sharing := old.link_class = 'permission';
    else
        select * into project from groups
        where group_class = 'project' and substr(owner_uuid, 7, 5) = 'tpzed' and not is_trashed and frozen_by_uuid is null
          and owner_uuid <> demo.system_user() and owner_uuid <> tail
          and not exists (select from links where tail_uuid = tail and head_uuid = groups.uuid)
        order by random()
        limit 1;
        if not found then
            return false;
        end if;
        perform demo.create('links', jsonb_build_object('uuid', demo.uuid('o0j2j'), 'head_uuid', project.uuid,
            'properties', '{"demo": "generated"}'::jsonb) || case when sharing
            then jsonb_build_object('link_class', 'permission', 'tail_uuid', tail,
                'name', demo.pick(array['can_read', 'can_read', 'can_write', 'can_manage']))
            else jsonb_build_object('link_class', 'star', 'tail_uuid', project.owner_uuid,
                'owner_uuid', project.owner_uuid, 'name', project.name)
            end, project.owner_uuid);
    end if;
    if sharing then
        perform demo.refresh_permissions();
    end if;
    return true;
end $$;

-- A project gets another description, changes hands, or goes to the trash and comes back.
create or replace function demo.change_project() returns boolean
language plpgsql as $$
declare
    owner text := demo.uuid('tpzed', 'active');
    what float := random();
    target record;
begin
    if what < 0.5 then
        select * into target from demo.pick_project();
        return target.project is not null and demo.change('groups', target.project, jsonb_build_object('description',
            demo.pick(array['Waiting for the second lane', 'Reviewed', 'Ready to publish', 'Under discussion'])
            || ', ' || to_char(demo.clock(), 'YYYY-MM-DD HH24:MI:SS')), target.writer);
    elsif what < 0.75 then
        perform demo.change('groups', demo.uuid('j7d0g', 'handover'), jsonb_build_object('owner_uuid',
            (select case owner_uuid when demo.uuid('j7d0g', 'raredisease') then demo.uuid('j7d0g', 'wgscohort')
                                    else demo.uuid('j7d0g', 'raredisease') end
             from groups where uuid = demo.uuid('j7d0g', 'handover'))), demo.uuid('tpzed', 'priya'));
    elsif (select is_trashed from groups where uuid = demo.uuid('j7d0g', 'scratch')) then
        perform demo.change('groups', demo.uuid('j7d0g', 'scratch'),
            '{"is_trashed": false, "trash_at": null, "delete_at": null}', owner);
    else
        perform demo.change('groups', demo.uuid('j7d0g', 'scratch'), jsonb_build_object('is_trashed', true,
            'trash_at', demo.clock(), 'delete_at', demo.clock() + interval '14 days'), owner);
    end if;
    perform demo.refresh_permissions();
    return true;
end $$;

-- keep-web logs a download: the event is about the user, and no record changes.
create or replace function demo.download() returns boolean
language plpgsql as $$
declare
    c record;
begin
    select collections.uuid, split_part(file_names, E'\n', 1) as file, portable_data_hash, writer into c
    from demo.pick_project()
    join collections on owner_uuid = project and current_version_uuid = uuid and not is_trashed
    order by random()
    limit 1;
    if not found then
        return false;
    end if;
    perform demo.log('file_download', c.writer, null, c.writer, demo.clock(), null, json_build_object(
        'reqPath', '/c=' || c.uuid || '/' || c.file, 'collection_uuid', c.uuid, 'collection_file_path', c.file,
        'file_count', 1, 'portable_data_hash', c.portable_data_hash)::text);
    return true;
end $$;

-- What Arvados changes without a logs row and without touching modified_at.
create or replace function demo.change_quietly() returns boolean
language plpgsql as $$
begin
    update containers set priority = priority - 1
    where uuid = (select uuid from containers where state = 'Queued' order by random() limit 1 for update skip locked);
    update collections set replication_confirmed = 2, replication_confirmed_at = demo.clock()
    where uuid = (select uuid from collections where replication_confirmed is null and not is_trashed
                  order by random() limit 1 for update skip locked);
    update api_client_authorizations set last_used_at = demo.clock(), last_used_by_ip_address = '10.0.8.21'
    where uuid = demo.uuid('gj3su', demo.pick(array['active', 'priya', 'jonas']));
    return true;
end $$;

-- Keeps the demo small: of what was generated, the newest 40 collections and 20 finished requests stay. Collections
-- rest in the trash for half a minute. Expired container tokens and logs rows of the past hours go without a trace.
create or replace function demo.tidy() returns boolean
language plpgsql as $$
begin
    perform demo.destroy('collections', uuid)
    from (select uuid from collections where is_trashed and properties ->> 'demo' = 'generated'
          and trash_at < demo.clock() - interval '30 seconds' order by id limit 20 for update skip locked) as c;
    perform demo.change('collections', uuid, jsonb_build_object('is_trashed', true, 'trash_at', demo.clock(),
        'delete_at', demo.clock() + interval '14 days'))
    from (select uuid from collections where not is_trashed and properties ->> 'demo' = 'generated'
          order by id desc offset 40 limit 20) as c;
    perform demo.destroy('container_requests', uuid), demo.destroy('containers', container_uuid)
    from (select uuid, container_uuid from container_requests where state = 'Final' and properties ->> 'demo' = 'generated'
          order by id desc offset 20 limit 20) as r;
    delete from api_client_authorizations where expires_at < demo.clock() - interval '1 minute'
        and uuid <> demo.uuid('gj3su', 'expired');
    delete from logs where id in (select id from logs where created_at < demo.clock() - interval '2 hours'
        and event_type in ('create', 'update', 'delete', 'file_download') order by created_at limit 1000);
    return true;
end $$;

-- One change, of a kind chosen at random.
create or replace function demo.step() returns void
language plpgsql as $$
declare
    kind float := random() * 100;
    done boolean;
begin
    done := case
        when kind < 40 then demo.advance_container()
        when kind < 65 then demo.save_collection()
        when kind < 69 then demo.add_collection()
        when kind < 79 then demo.toggle_link()
        when kind < 85 then demo.change_project()
        when kind < 91 then demo.download()
        when kind < 97 then demo.change_quietly()
        else demo.tidy()
    end;
    if not done then
        perform demo.save_collection();
    end if;
end $$;

-- p_rate: changes a second; p_duration: how long, null for ever. Not inside a transaction, as it commits each change.
create or replace procedure demo.generate(p_rate numeric default 2, p_duration interval default null)
language plpgsql as $$
declare
    finish timestamp := demo.clock() + p_duration;
begin
    while finish is null or demo.clock() < finish loop
        begin
            perform demo.step();
        exception when deadlock_detected or lock_not_available or serialization_failure then
            raise notice 'one change given up: %', sqlerrm; -- a migration was in the way
        end;
        commit;
        perform pg_sleep((0.5 + random()) / p_rate);
    end loop;
end $$;
