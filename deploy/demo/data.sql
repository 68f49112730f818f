-- A small imaginary institute on the cluster zzzzz: users, tokens, projects, permissions, collections, containers.
--
-- Load with `psql -v ON_ERROR_STOP=1 -f` after schema/arvados.sql. Loading it again adds only what is missing.
-- Each record gets its `create` row in logs, with the time at which it was made. The tokens are public knowledge:
-- it refuses a database that holds users of another cluster. README.md lists who and what is there.

\ir functions.sql
\o /dev/null

begin;

do $$
begin
    if exists (select from users where uuid not like 'zzzzz-%') then
        raise exception 'this database holds users of a real cluster; the demo data is only for cluster zzzzz';
    end if;
end $$;

-- Users: the two that every cluster has, then people. `outsider` has no access to anything that is not public.
select count(demo.create('users', jsonb_build_object('uuid', demo.uuid('tpzed', name), 'username', username,
    'first_name', first_name, 'last_name', last_name, 'email', username || '@example.org', 'is_admin', is_admin,
    'is_active', is_active, 'prefs', '{}', 'identity_url', 'https://login.example.org/' || username,
    'created_at', '2026-01-12 08:00:00'::timestamp + n * interval '17 minutes')))
from (values
    (1, '000000000000000', 'root',      'root',  'root',      true,  true),
    (2, 'anonymouspublic', 'anonymous', 'Anonymous', '',      false, false),
    (3, 'admin',           'admin',     'Ada',   'Norling',   true,  true),
    (4, 'active',          'active',    'Mira',  'Okafor',    false, true),
    (5, 'priya',           'priya',     'Priya', 'Raman',     false, true),
    (6, 'jonas',           'jonas',     'Jonas', 'Lindqvist', false, true),
    (7, 'spectator',       'spectator', 'Sam',   'Whitfield', false, true),
    (8, 'outsider',        'outsider',  'Olga',  'Petrova',   false, true),
    (9, 'inactive',        'inactive',  'Ines',  'Duarte',    false, false)
) as person (n, name, username, first_name, last_name, is_admin, is_active);

-- Roles and the groups that every cluster has.
select count(demo.create('groups', jsonb_build_object('uuid', demo.uuid('j7d0g', uuid), 'name', name,
    'group_class', class, 'created_at', '2026-01-12 08:05:00'::timestamp)))
from (values
    ('000000000000000', 'System group',          'role'),
    ('fffffffffffffff', 'All users',             'role'),
    ('anonymouspublic', 'Anonymous users',       'role'),
    ('publicfavorites', 'Public favorites',      'project'),
    ('bioinformatics',  'Bioinformatics team',   'role'),
    ('reviewers',       'Data access reviewers', 'role')
) as g (uuid, name, class);

-- Projects, each under a user or another project. One is frozen, one is in the trash, one goes there in ten minutes.
select count(demo.create('groups', jsonb_build_object('uuid', demo.uuid('j7d0g', uuid), 'name', name,
    'owner_uuid', demo.uuid(owner_class, owner), 'description', description, 'group_class', 'project',
    'created_at', '2026-02-02 09:00:00'::timestamp + n * interval '1 day 3 hours 7 minutes') || more,
    demo.uuid('tpzed', by)))
from (values
    ( 1, 'cancergenomics',  'tpzed', 'active',         'active', 'Cancer Genomics',      'Tumour and normal samples of the 2026 cohort',     '{}'::jsonb),
    ( 2, 'wgscohort',       'j7d0g', 'cancergenomics', 'active', 'WGS cohort 2026',      'Whole genomes, 30x',                               '{}'),
    ( 3, 'rawreads',        'j7d0g', 'wgscohort',      'active', 'Raw reads',            'As they come from the sequencer',                  '{}'),
    ( 4, 'variantcalls',    'j7d0g', 'wgscohort',      'active', 'Variant calls',        'Joint calls and their quality reports',            '{}'),
    ( 5, 'scratch',         'j7d0g', 'cancergenomics', 'active', 'Scratch',              'Nothing here is kept for long',                    '{}'),
    ( 6, 'raredisease',     'tpzed', 'priya',          'priya',  'Rare Disease Panel',   'Exomes of families with unexplained symptoms',     '{}'),
    ( 7, 'familytrios',     'j7d0g', 'raredisease',    'priya',  'Family trios',         'Child and both parents',                           '{}'),
    ( 8, 'handover',        'j7d0g', 'raredisease',    'priya',  'Hand-over',            'Moves between the panel and the cohort',           '{}'),
    ( 9, 'microscopy',      'tpzed', 'jonas',          'jonas',  'Microscopy',           'Light-sheet stacks of organoids',                  '{}'),
    (10, 'referencedata',   'tpzed', 'admin',          'admin',  'Reference data',       'Genomes and annotations, readable by everybody',   '{}'),
    (11, 'clusteradmin',    'tpzed', 'admin',          'admin',  'Cluster administration', 'Reports for the administrators',                 '{}'),
    (12, 'publication25',   'tpzed', 'active',         'active', 'Publication 2025',     'Frozen when the paper was accepted',
        jsonb_build_object('frozen_by_uuid', demo.uuid('tpzed', 'active'))),
    (13, 'supplement',      'j7d0g', 'publication25',  'active', 'Supplement',           'Tables and figures of the paper',                  '{}'),
    (14, 'pilotstudy',      'tpzed', 'active',         'active', 'Pilot study',          'Replaced by the cohort',
        jsonb_build_object('is_trashed', true, 'trash_at', demo.clock() - interval '2 days', 'delete_at', demo.clock() + interval '12 days')),
    (15, 'pilotreads',      'j7d0g', 'pilotstudy',     'active', 'Pilot reads',          null,                                               '{}'),
    (16, 'sandbox',         'tpzed', 'priya',          'priya',  'Sandbox',              'Goes to the trash ten minutes after the demo is loaded',
        jsonb_build_object('trash_at', demo.clock() + interval '10 minutes', 'delete_at', demo.clock() + interval '14 days'))
) as project (n, uuid, owner_class, owner, by, name, description, more);

select demo.create('groups', jsonb_build_object('uuid', demo.uuid('j7d0g', 'recentreads'), 'name', 'Recent reads',
    'owner_uuid', demo.uuid('tpzed', 'active'), 'group_class', 'filter', 'created_at', '2026-03-01 10:00:00'::timestamp,
    'properties', '{"filters":[["collections.name","like","%reads%"]]}'::jsonb), demo.uuid('tpzed', 'active')) as filter_group;

-- Permissions. Membership of a role is a link to it; an active user is a member of All users, which sees the user.
with grants (tail_class, tail, name, head_class, head) as (
    values
        ('j7d0g', 'fffffffffffffff', 'can_read',   'j7d0g', 'anonymouspublic'),
        ('tpzed', 'anonymouspublic', 'can_read',   'j7d0g', 'anonymouspublic'),
        ('j7d0g', 'anonymouspublic', 'can_read',   'j7d0g', 'publicfavorites'),
        ('j7d0g', 'anonymouspublic', 'can_read',   'j7d0g', 'referencedata'),
        ('tpzed', 'active',          'can_write',  'j7d0g', 'bioinformatics'),
        ('tpzed', 'priya',           'can_manage', 'j7d0g', 'bioinformatics'),
        ('tpzed', 'spectator',       'can_read',   'j7d0g', 'reviewers'),
        ('j7d0g', 'bioinformatics',  'can_write',  'j7d0g', 'wgscohort'),
        ('j7d0g', 'bioinformatics',  'can_write',  'j7d0g', 'raredisease'),
        ('j7d0g', 'reviewers',       'can_read',   'j7d0g', 'cancergenomics'),
        ('j7d0g', 'reviewers',       'can_read',   'j7d0g', 'publication25'),
        ('tpzed', 'active',          'can_read',   'j7d0g', 'microscopy'),
        ('tpzed', 'jonas',           'can_read',   '4zz18', 'trio7report'),
        ('tpzed', 'active',          'can_login',  '2x53u', 'shell')
    union all
    select 'tpzed', name, 'can_write', 'j7d0g', 'fffffffffffffff'
    from unnest(array['admin', 'active', 'priya', 'jonas', 'spectator', 'outsider']) as name
    union all
    select 'j7d0g', 'fffffffffffffff', 'can_read', 'tpzed', name
    from unnest(array['admin', 'active', 'priya', 'jonas', 'spectator', 'outsider']) as name
),
numbered as (select row_number() over (order by tail, head) as n, * from grants)
select count(demo.create('links', jsonb_build_object('uuid', demo.uuid('o0j2j', 'grant' || lpad(n::text, 10, '0')),
    'link_class', 'permission', 'name', name, 'properties', '{}'::jsonb, 'tail_uuid', demo.uuid(tail_class, tail),
    'head_uuid', demo.uuid(head_class, head), 'created_at', '2026-03-02 09:00:00'::timestamp + n * interval '1 minute'),
    demo.uuid('tpzed', 'admin')))
from numbered;

select demo.create('links', jsonb_build_object('uuid', demo.uuid('o0j2j', 'star1'), 'link_class', 'star',
    'name', 'WGS cohort 2026', 'owner_uuid', demo.uuid('tpzed', 'active'), 'tail_uuid', demo.uuid('tpzed', 'active'),
    'head_uuid', demo.uuid('j7d0g', 'wgscohort'), 'properties', '{}'::jsonb, 'created_at', '2026-03-02 11:00:00'::timestamp),
    demo.uuid('tpzed', 'active')) as star;

-- Tokens, all of the form v2/zzzzz-gj3su-<name, padded with 0>/walcastdemo<name>.
select count(demo.create('api_client_authorizations', jsonb_build_object('uuid', demo.uuid('gj3su', name),
    'api_token', 'walcastdemo' || secret, 'user_id', users.id, 'scopes', scopes, 'expires_at', expires_at,
    'created_by_ip_address', '10.0.8.21', 'created_at', '2026-03-03 08:00:00'::timestamp)))
from (values
    ('000000000000000', 'system',    '000000000000000', '["all"]',   null::timestamp),
    ('anonymouspublic', 'anonymous', 'anonymouspublic', '["GET /"]', null),
    ('admin',           'admin',     'admin',           '["all"]',   null),
    ('active',          'active',    'active',          '["all"]',   null),
    ('priya',           'priya',     'priya',           '["all"]',   null),
    ('jonas',           'jonas',     'jonas',           '["all"]',   null),
    ('spectator',       'spectator', 'spectator',       '["all"]',   null),
    ('outsider',        'outsider',  'outsider',        '["all"]',   null),
    ('inactive',        'inactive',  'inactive',        '["all"]',   null),
    ('expired',         'expired',   'active',          '["all"]',   '2026-03-04 08:00:00'),
    ('scoped',          'scoped',    'active',          '["GET /arvados/v1/collections/"]', null)
) as token (name, secret, person, scopes, expires_at)
join users on users.uuid = demo.uuid('tpzed', person);

-- Collections.
select count(demo.create_collection(demo.uuid('j7d0g', owner), name, string_to_array(files, ' '),
    jsonb_build_object('uuid', demo.uuid('4zz18', uuid), 'properties', properties,
        'created_at', '2026-03-05 07:30:00'::timestamp + n * interval '5 hours 11 minutes'), demo.uuid('tpzed', by)))
from (values
    ( 1, 'hg00096reads',    'rawreads',       'active', 'HG00096 reads',               'HG00096_R1.fastq.gz HG00096_R2.fastq.gz', '{"sample": "HG00096", "type": "fastq"}'::jsonb),
    ( 2, 'hg00097reads',    'rawreads',       'active', 'HG00097 reads',               'HG00097_R1.fastq.gz HG00097_R2.fastq.gz', '{"sample": "HG00097", "type": "fastq"}'),
    ( 3, 'hg00099reads',    'rawreads',       'priya',  'HG00099 reads',               'HG00099_R1.fastq.gz HG00099_R2.fastq.gz', '{"sample": "HG00099", "type": "fastq"}'),
    ( 4, 'na12878reads',    'rawreads',       'active', 'NA12878 reads (control)',     'NA12878_R1.fastq.gz NA12878_R2.fastq.gz', '{"sample": "NA12878", "type": "fastq"}'),
    ( 5, 'cohortcalls',     'variantcalls',   'active', 'Cohort variant calls',        'cohort.vcf.gz cohort.vcf.gz.tbi README.md', '{"type": "vcf"}'),
    ( 6, 'cohortquality',   'variantcalls',   'priya',  'Cohort quality report',       'multiqc_report.html multiqc_data.json', '{"type": "report"}'),
    ( 7, 'scratchnotes',    'scratch',        'active', 'Notes on contamination',      'notes.md plot1.png', '{}'),
    ( 8, 'trio7reads',      'familytrios',    'priya',  'Trio 7 exomes',               'child.bam mother.bam father.bam', '{"family": 7}'),
    ( 9, 'trio7report',     'familytrios',    'priya',  'Trio 7 report',               'trio7.pdf trio7.tsv', '{"family": 7, "type": "report"}'),
    (10, 'handoverlist',    'handover',       'priya',  'Samples to hand over',        'samples.csv', '{}'),
    (11, 'organoid12',      'microscopy',     'jonas',  'Organoid 12, day 5',          'stack_0001.tif stack_0002.tif stack_0003.tif', '{"organoid": 12}'),
    (12, 'organoid13',      'microscopy',     'jonas',  'Organoid 13, day 5',          'stack_0001.tif stack_0002.tif', '{"organoid": 13}'),
    (13, 'grch38',          'referencedata',  'admin',  'GRCh38 with decoys',          'GRCh38.fa GRCh38.fa.fai GRCh38.dict', '{"assembly": "GRCh38"}'),
    (14, 'gencode45',       'referencedata',  'admin',  'GENCODE 45 annotation',       'gencode.v45.gtf.gz', '{"assembly": "GRCh38"}'),
    (15, 'bwaimage',        'referencedata',  'admin',  'Docker image biotools/bwa:0.7.18', 'sha256:0c2f.tar', '{"docker-image-repo-tag": "biotools/bwa:0.7.18"}'),
    (16, 'usagereport',     'clusteradmin',   'admin',  'Storage use, October',        'usage.csv', '{}'),
    (17, 'papertables',     'supplement',     'active', 'Tables S1 to S4',             'S1.tsv S2.tsv S3.tsv S4.tsv', '{}'),
    (18, 'pilotsample1',    'pilotreads',     'active', 'Pilot sample 1',              'pilot1_R1.fastq.gz', '{}'),
    (19, 'sandboxtest',     'sandbox',        'priya',  'Trying things',               'hello.txt', '{}')
) as c (n, uuid, owner, by, name, files, properties);

-- A past version of the cohort calls: a row of its own that points at the current one.
select demo.create_collection(demo.uuid('j7d0g', 'variantcalls'), 'Cohort variant calls', array['cohort.vcf.gz'],
    jsonb_build_object('uuid', demo.uuid('4zz18', 'cohortcallsv1'), 'current_version_uuid', demo.uuid('4zz18', 'cohortcalls'),
        'preserve_version', true, 'created_at', '2026-03-05 07:30:00'::timestamp), demo.uuid('tpzed', 'active')) as past_version;
update collections set version = 2 where uuid = demo.uuid('4zz18', 'cohortcalls') and version = 1;

-- One collection is in the trash on its own account.
select demo.create_collection(demo.uuid('j7d0g', 'rawreads'), 'HG00098 reads (wrong lane)', array['HG00098_R1.fastq.gz'],
    jsonb_build_object('uuid', demo.uuid('4zz18', 'hg00098reads'), 'is_trashed', true, 'created_at', '2026-03-06 07:30:00'::timestamp,
        'trash_at', demo.clock() - interval '1 day', 'delete_at', demo.clock() + interval '13 days'),
    demo.uuid('tpzed', 'active')) as trashed_collection;

-- Workflows: one stands for itself, one belongs to whoever may read its collection.
select count(demo.create('workflows', jsonb_build_object('uuid', demo.uuid('7fd4e', uuid), 'name', name,
    'owner_uuid', demo.uuid('j7d0g', owner), 'description', description, 'collection_uuid', collection_uuid,
    'definition', E'$graph:\n- class: CommandLineTool\n  cwlVersion: v1.2\n  id: ''#main''\n  baseCommand: ' || command || E'\n',
    'created_at', '2026-03-07 10:00:00'::timestamp), demo.uuid('tpzed', 'active')))
from (values
    ('alignreads',   'Align reads',   'wgscohort',    'bwa mem against GRCh38', 'bwa',      null),
    ('callvariants', 'Call variants', 'variantcalls', 'HaplotypeCaller, joint', 'gatk',     null),
    ('qualityplots', 'Quality plots', 'cancergenomics', 'MultiQC over a project', 'multiqc', demo.uuid('4zz18', 'cohortquality'))
) as w (uuid, name, owner, description, command, collection_uuid);

-- Containers in each state with the requests that asked for them. Requests may share a container.
select count(demo.create('containers', jsonb_build_object('uuid', demo.uuid('dz642', uuid), 'state', state,
    'command', command, 'environment', '{}', 'mounts', '{"/out": {"kind": "tmp", "capacity": 21474836480}}',
    'runtime_constraints', '{"vcpus": 4, "ram": 8589934592}', 'scheduling_parameters', '{"partitions": []}',
    'cwd', '/out', 'output_path', '/out', 'container_image', image.portable_data_hash, 'priority', priority,
    'secret_mounts', '{}'::jsonb, 'runtime_user_uuid', demo.uuid('tpzed', 'active'), 'runtime_auth_scopes', '["all"]'::jsonb,
    'output_storage_classes', '["default"]'::jsonb, 'output_properties', '{}'::jsonb,
    'created_at', '2026-03-08 12:00:00'::timestamp) || more))
from (values
    ('align96',    'Complete',  '["bwa","mem","-t","4","GRCh38.fa","HG00096_R1.fastq.gz"]', 0,
        '{"started_at": "2026-03-08 12:01:40", "finished_at": "2026-03-08 13:27:05", "exit_code": 0, "progress": 1, "cost": 0.41, "lock_count": 1}'::jsonb),
    ('align97',    'Running',   '["bwa","mem","-t","4","GRCh38.fa","HG00097_R1.fastq.gz"]', 562949953421312,
        '{"started_at": "2026-03-08 12:02:10", "progress": 0.25, "lock_count": 1, "gateway_address": "10.0.8.31:38211"}'),
    ('call97',     'Queued',    '["gatk","HaplotypeCaller","-I","HG00097.bam"]', 562949953421311, '{}'),
    ('plots',      'Cancelled', '["multiqc","."]', 0, '{"finished_at": "2026-03-08 12:09:00"}'),
    ('browser',    'Running',   '["igv-webapp","--port","8080"]', 562949953421310,
        '{"started_at": "2026-03-08 12:05:00", "lock_count": 1, "gateway_address": "10.0.8.32:40117", "service": true, "published_ports": {"8080": {"access": "private", "label": "Genome browser"}}}')
) as c (uuid, state, command, priority, more),
(select portable_data_hash from collections where uuid = demo.uuid('4zz18', 'bwaimage')) as image;

insert into container_ports (external_port, container_port, container_uuid)
values (2000, 8080, demo.uuid('dz642', 'browser'))
on conflict do nothing;

select count(demo.create('container_requests', jsonb_build_object('uuid', demo.uuid('xvhdp', r.uuid), 'name', r.name,
    'owner_uuid', demo.uuid('j7d0g', r.owner), 'state', r.state, 'container_uuid', c.uuid, 'priority', r.priority,
    'container_count', case when c.uuid is null then 0 else 1 end, 'container_count_max', 3, 'properties', '{}'::jsonb,
    'command', coalesce(c.command, '["true"]'), 'environment', '{}', 'mounts', coalesce(c.mounts, '{}'), 'filters', '[]',
    'runtime_constraints', coalesce(c.runtime_constraints, '{}'), 'scheduling_parameters', '{}',
    'container_image', 'biotools/bwa:0.7.18', 'cwd', '/out', 'output_path', '/out', 'output_name', 'Output of ' || r.name,
    'secret_mounts', '{}'::jsonb, 'output_storage_classes', '["default"]'::jsonb, 'output_properties', '{}'::jsonb,
    'service', coalesce(c.service, false), 'created_at', '2026-03-08 12:00:00'::timestamp), demo.uuid('tpzed', r.by)))
from (values
    ('align96',  'Align HG00096',  'rawreads',     'active', 'Final',       'align96', 500),
    ('align97',  'Align HG00097',  'rawreads',     'active', 'Committed',   'align97', 500),
    ('align97b', 'Align HG00097 again', 'familytrios', 'priya', 'Committed', 'align97', 300),
    ('call97',   'Call HG00097',   'variantcalls', 'active', 'Committed',   'call97',  500),
    ('plots',    'Quality plots',  'variantcalls', 'priya',  'Final',       'plots',   0),
    ('browser',  'Genome browser', 'wgscohort',    'active', 'Committed',   'browser', 400),
    ('draft',    'Call all of the cohort', 'variantcalls', 'priya', 'Uncommitted', null, null)
) as r (uuid, name, owner, by, state, container, priority)
left join containers as c on c.uuid = demo.uuid('dz642', r.container) and r.container is not null;

-- One of everything else.
select demo.create('credentials', jsonb_build_object('uuid', demo.uuid('oss07', 'sequencers3'), 'name', 'Sequencer bucket',
    'owner_uuid', demo.uuid('j7d0g', 'rawreads'), 'credential_class', 'aws_access_key', 'external_id', 'AKIADEMO000000000000',
    'secret', 'walcastdemocredential', 'scopes', '["s3://sequencer-drop"]'::jsonb,
    'expires_at', '2036-01-01'::timestamp, 'created_at', '2026-03-09 09:00:00'::timestamp), demo.uuid('tpzed', 'active')) as credential;
select demo.create('virtual_machines', jsonb_build_object('uuid', demo.uuid('2x53u', 'shell'),
    'hostname', 'shell.example.org', 'created_at', '2026-03-09 09:10:00'::timestamp)) as virtual_machine;
select demo.create('authorized_keys', jsonb_build_object('uuid', demo.uuid('fngyi', 'active'), 'name', 'laptop',
    'owner_uuid', demo.uuid('tpzed', 'active'), 'authorized_user_uuid', demo.uuid('tpzed', 'active'), 'key_type', 'SSH',
    'public_key', 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDemoDemoDemoDemoDemoDemoDemoDemoDemoDemo mira@laptop',
    'created_at', '2026-03-09 09:20:00'::timestamp), demo.uuid('tpzed', 'active')) as authorized_key;
select count(demo.create('keep_services', jsonb_build_object('uuid', demo.uuid('bi6l4', 'keep' || n),
    'service_host', 'keep' || n || '.example.org', 'service_port', 25107, 'service_ssl_flag', false,
    'service_type', 'disk', 'read_only', false, 'created_at', '2026-01-12 08:02:00'::timestamp)))
from generate_series(0, 1) as n;

select demo.refresh_permissions();

commit;
\o
