-- What walcast wants to read, as data, and what it changed in Arvados' tables, so that down can restore it.
--
-- The schema `walcast` and its table `migrations` are made by the migrator before this file runs.

do $$
begin
    if to_regclass('public.logs') is null then
        raise exception 'there is no table public.logs: this is not an Arvados database'
            using hint = 'check PostgreSQL.Connection of the configuration';
    end if;
end
$$;

-- One row for each table of Arvados that walcast follows. Nothing here fails when a table or a column is missing, as
-- in an older Arvados: cover_plan (0003) takes what exists. A test compares it with schema/classes.yaml.
--
-- `columns` is the publication's column list; null publishes every column. A list is given only where something has
-- to stay inside: secrets, addresses, megabytes. A list has a price: PostgreSQL refuses to drop or retype a listed
-- column while the publication is there, and the statement refused would be one of an Arvados upgrade. Columns that
-- nobody needs and that may go one day (updated_at, modified_by_client_uuid) are therefore not in the lists.
create table walcast.tables (
    name           text primary key,
    ordinal        integer not null generated always as identity,
    keyless        boolean not null default false,  -- no primary key: needs replica identity full, so no list
    columns        text[],
    also_readable  text[] not null default '{}',    -- never published, but read on demand: token checks, manifests
    check (not (keyless and columns is not null))
);

insert into walcast.tables (name, keyless) values
    ('materialized_permissions', true),
    ('trashed_groups', true),
    ('frozen_groups', true);

insert into walcast.tables (name) values
    ('logs'), ('users'), ('groups'), ('links'), ('workflows'),
    ('virtual_machines'), ('authorized_keys'), ('keep_services');

-- Secret: api_token. The addresses and the time of last use are nobody's business either.
insert into walcast.tables (name, columns, also_readable) values
    ('api_client_authorizations',
     '{id, uuid, user_id, created_at, expires_at, refreshes_at, scopes}',
     '{api_token}');

-- Not secret, but megabytes: manifest_text and file_names are read when somebody selects them.
insert into walcast.tables (name, columns, also_readable) values
    ('collections',
     '{id, uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, name, description, portable_data_hash,
       properties, trash_at, delete_at, is_trashed, replication_desired, replication_confirmed,
       replication_confirmed_at, storage_classes_desired, storage_classes_confirmed, storage_classes_confirmed_at,
       current_version_uuid, version, preserve_version, file_count, file_size_total}',
     '{manifest_text, file_names}');

-- Secret: secret_mounts (and its hash, which can be guessed from) and runtime_token. The API does not show on whose
-- behalf a container runs, so runtime_user_uuid and runtime_auth_scopes stay inside too. A token that was given to a
-- container is only valid while it equals runtime_token, hence readable.
insert into walcast.tables (name, columns, also_readable) values
    ('containers',
     '{id, uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, started_at, finished_at, state, log, output,
       environment, command, mounts, runtime_constraints, scheduling_parameters, cwd, output_path, output_glob,
       container_image, progress, priority, exit_code, auth_uuid, locked_by_uuid, runtime_status, lock_count,
       gateway_address, interactive_session_started, service, output_storage_classes, output_properties, cost,
       subrequests_cost, published_ports}',
     '{runtime_token}');

-- Secret: secret_mounts and runtime_token.
insert into walcast.tables (name, columns) values
    ('container_requests',
     '{id, uuid, owner_uuid, created_at, modified_at, modified_by_user_uuid, expires_at, name, description, properties,
       state, requesting_container_uuid, container_uuid, container_count_max, container_count, environment, command,
       mounts, filters, runtime_constraints, scheduling_parameters, cwd, output_path, output_glob, container_image,
       priority, use_existing, output_uuid, log_uuid, output_name, output_ttl, output_storage_classes,
       output_properties, cumulative_cost, service, published_ports}');

-- Secret: secret.
insert into walcast.tables (name, columns) values
    ('credentials',
     '{uuid, owner_uuid, name, credential_class, external_id, created_at, modified_at, expires_at,
       modified_by_user_uuid, description, scopes}');

-- The replica identities as they were before walcast set them to full: pg_class.relreplident, and for `i` the index.
create table walcast.replica_identities (
    name      text primary key,
    identity  "char" not null,
    index     text
);

-- What was granted to the role walcast_relay on Arvados' tables, and only that: down takes nothing else away.
-- Null columns: the whole table.
create table walcast.grants (
    name     text primary key,
    columns  text[]
);

-- Roles that this database created; roles belong to the whole cluster.
create table walcast.created_roles (
    name  name primary key
);
