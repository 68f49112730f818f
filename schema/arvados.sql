-- The tables of Arvados that walcast reads, for the demo and for tests.
--
-- Made from published facts about Arvados (release 3.2 and later): every table, column, type, default and index that
-- walcast, its migrations or its tests may meet. It is not the schema file of Arvados: Rails bookkeeping and tables
-- without a bearing on events are missing. On a real site Arvados itself owns these tables, never walcast.
--
-- Load it once, in an empty database:  psql -v ON_ERROR_STOP=1 -f schema/arvados.sql
--
-- `timestamp` is without time zone and always holds UTC. Text columns that hold JSON (in old rows YAML) say so.

create extension if not exists pg_trgm;

-- One row per event; what arvados-ws sends. The id is the payload of NOTIFY logs.
create table logs (
    id                       bigserial primary key,
    uuid                     varchar(255),
    owner_uuid               varchar(255),          -- who did it
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    object_uuid              varchar(255),
    event_at                 timestamp,
    event_type               varchar(255),
    summary                  text,
    properties               text,                  -- JSON
    created_at               timestamp not null,
    updated_at               timestamp not null,
    modified_at              timestamp,
    object_owner_uuid        varchar(255)
);
create unique index index_logs_on_uuid on logs (uuid);
create index index_logs_on_created_at_and_uuid on logs (created_at, uuid);
create index index_logs_on_modified_at_and_uuid on logs (modified_at, uuid);
create index index_logs_on_event_at on logs (event_at);
create index index_logs_on_event_type on logs (event_type);
create index index_logs_on_object_uuid on logs (object_uuid);
create index index_logs_on_object_owner_uuid on logs (object_owner_uuid);
create index index_logs_on_owner_uuid on logs (owner_uuid);
create index index_logs_on_summary on logs (summary);
create index logs_search_index on logs
    (uuid, owner_uuid, modified_by_client_uuid, modified_by_user_uuid, object_uuid, event_type, object_owner_uuid);

-- Tokens. api_token is the secret, in clear text.
create table api_client_authorizations (
    id                       bigserial primary key,
    api_token                varchar(255) not null,
    api_client_id            bigint not null default 0,
    user_id                  bigint not null,
    created_by_ip_address    varchar(255),
    last_used_by_ip_address  varchar(255),
    last_used_at             timestamp,
    expires_at               timestamp,
    created_at               timestamp not null,
    updated_at               timestamp not null,
    default_owner_uuid       varchar(255),
    scopes                   text default '["all"]', -- JSON
    uuid                     varchar(255) not null,
    refreshes_at             timestamp
);
create unique index index_api_client_authorizations_on_api_token on api_client_authorizations (api_token);
create unique index index_api_client_authorizations_on_uuid on api_client_authorizations (uuid);
create index index_api_client_authorizations_on_expires_at on api_client_authorizations (expires_at);
create index index_api_client_authorizations_on_refreshes_at on api_client_authorizations (refreshes_at);

create table users (
    id                       bigserial primary key,
    uuid                     varchar(255),
    owner_uuid               varchar(255) not null,
    created_at               timestamp not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    email                    varchar(255),
    first_name               varchar(255),
    last_name                varchar(255),
    identity_url             varchar(255),
    is_admin                 boolean,
    prefs                    text,                  -- JSON
    updated_at               timestamp not null,
    default_owner_uuid       varchar(255),
    is_active                boolean default false,
    username                 varchar(255),
    redirect_to_user_uuid    varchar
);
create unique index index_users_on_uuid on users (uuid);
create unique index index_users_on_identity_url on users (identity_url);
create unique index index_users_on_username on users (username);
create index index_users_on_owner_uuid on users (owner_uuid);

-- Projects, roles and filter groups.
create table groups (
    id                       bigserial primary key,
    uuid                     varchar(255),
    owner_uuid               varchar(255),
    created_at               timestamp not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    name                     varchar(255) not null,
    description              varchar(524288),
    updated_at               timestamp not null,
    group_class              varchar(255),          -- project, role or filter
    trash_at                 timestamp,
    is_trashed               boolean not null default false,
    delete_at                timestamp,
    properties               jsonb default '{}',
    frozen_by_uuid           varchar
);
create unique index index_groups_on_uuid on groups (uuid);
create index index_groups_on_owner_uuid on groups (owner_uuid);
create index index_groups_on_trash_at on groups (trash_at);
create index index_groups_on_delete_at on groups (delete_at);

-- Permission grants, stars, signatures: something (tail) has a relation to something (head).
create table links (
    id                       bigserial primary key,
    uuid                     varchar(255),
    owner_uuid               varchar(255),
    created_at               timestamp not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    tail_uuid                varchar(255),
    link_class               varchar(255),
    name                     varchar(255),
    head_uuid                varchar(255),
    properties               jsonb,
    updated_at               timestamp not null
);
create unique index index_links_on_uuid on links (uuid);
create index index_links_on_owner_uuid on links (owner_uuid);
create index index_links_on_tail_uuid on links (tail_uuid);
create index index_links_on_head_uuid on links (head_uuid);

-- Who reaches what, kept up to date by whoever changes users, groups or links. No primary key, all columns nullable.
create table materialized_permissions (
    user_uuid                varchar,
    target_uuid              varchar,
    perm_level               integer,               -- 1 read or login, 2 write, 3 manage
    traverse_owned           boolean                -- what the target owns is covered too
);
create unique index permission_user_target on materialized_permissions (user_uuid, target_uuid);
create index permission_target on materialized_permissions (target_uuid);

-- Groups that are, or will be at trash_at, in the trash, and all groups below them. No primary key.
create table trashed_groups (
    group_uuid               varchar,
    trash_at                 timestamp              -- may lie in the future
);
create unique index index_trashed_groups_on_group_uuid on trashed_groups (group_uuid);

-- Frozen projects and everything below them. No primary key.
create table frozen_groups (
    uuid                     varchar
);
create unique index index_frozen_groups_on_uuid on frozen_groups (uuid);

create table collections (
    id                           bigserial primary key,
    owner_uuid                   varchar(255),
    created_at                   timestamp not null,
    modified_by_client_uuid      varchar(255),
    modified_by_user_uuid        varchar(255),
    modified_at                  timestamp,
    portable_data_hash           varchar(255),
    replication_desired          integer,
    replication_confirmed_at     timestamp,
    replication_confirmed        integer,
    updated_at                   timestamp not null,
    uuid                         varchar(255),
    manifest_text                text,              -- can be many megabytes
    name                         varchar(255),
    description                  varchar(524288),
    properties                   jsonb,
    delete_at                    timestamp,
    file_names                   text,
    trash_at                     timestamp,
    is_trashed                   boolean not null default false,
    storage_classes_desired      jsonb,
    storage_classes_confirmed    jsonb,
    storage_classes_confirmed_at timestamp,
    current_version_uuid         varchar,           -- equals uuid, except in past versions
    version                      integer not null default 1,
    preserve_version             boolean,
    file_count                   integer not null default 0,
    file_size_total              bigint not null default 0
);
create unique index index_collections_on_uuid on collections (uuid);
create index index_collections_on_owner_uuid on collections (owner_uuid);
create index index_collections_on_portable_data_hash_and_trash_at on collections (portable_data_hash, trash_at);

-- A run. Its owner is always the system user.
create table containers (
    id                           bigserial primary key,
    uuid                         varchar(255),
    owner_uuid                   varchar(255),
    created_at                   timestamp not null,
    modified_at                  timestamp,
    modified_by_client_uuid      varchar(255),
    modified_by_user_uuid        varchar(255),
    state                        varchar(255),      -- Queued, Locked, Running, Complete, Cancelled
    started_at                   timestamp,
    finished_at                  timestamp,
    log                          varchar(255),
    environment                  text,              -- JSON
    cwd                          varchar(255),
    command                      text,              -- JSON
    output_path                  varchar(255),
    mounts                       text,              -- JSON
    runtime_constraints          text,              -- JSON
    output                       varchar(255),
    container_image              varchar(255),
    progress                     double precision,
    priority                     bigint,
    updated_at                   timestamp not null,
    exit_code                    integer,
    auth_uuid                    varchar(255),
    locked_by_uuid               varchar(255),
    scheduling_parameters        text,              -- JSON
    secret_mounts                jsonb,             -- secret
    secret_mounts_md5            varchar,
    runtime_status               jsonb default '{}',
    runtime_user_uuid            text,
    runtime_auth_scopes          jsonb,
    runtime_token                text,              -- secret
    lock_count                   integer not null default 0,
    gateway_address              varchar,
    interactive_session_started  boolean not null default false,
    output_storage_classes       jsonb,
    output_properties            jsonb,
    cost                         double precision not null default 0,
    subrequests_cost             double precision not null default 0,
    output_glob                  text default '[]', -- JSON
    service                      boolean not null default false,
    published_ports              jsonb default '{}'
);
create unique index index_containers_on_uuid on containers (uuid);

-- A user's order to run something; many requests may share one container.
create table container_requests (
    id                           bigserial primary key,
    uuid                         varchar(255),
    owner_uuid                   varchar(255),
    created_at                   timestamp not null,
    modified_at                  timestamp,
    modified_by_client_uuid      varchar(255),
    modified_by_user_uuid        varchar(255),
    name                         varchar(255),
    description                  text,
    properties                   jsonb,
    state                        varchar(255),      -- Uncommitted, Committed, Final
    requesting_container_uuid    varchar(255),
    container_uuid               varchar(255),
    container_count_max          integer,
    mounts                       text,              -- JSON
    runtime_constraints          text,              -- JSON
    container_image              varchar(255),
    environment                  text,              -- JSON
    cwd                          varchar(255),
    command                      text,              -- JSON
    output_path                  varchar(255),
    priority                     integer,
    expires_at                   timestamp,
    filters                      text,              -- JSON
    updated_at                   timestamp not null,
    container_count              integer default 0,
    use_existing                 boolean default true,
    scheduling_parameters        text,              -- JSON
    output_uuid                  varchar(255),
    log_uuid                     varchar(255),
    output_name                  varchar(255),
    output_ttl                   integer not null default 0,
    secret_mounts                jsonb,             -- secret
    runtime_token                text,              -- secret
    output_storage_classes       jsonb,
    output_properties            jsonb,
    cumulative_cost              double precision not null default 0,
    output_glob                  text default '[]', -- JSON
    service                      boolean not null default false,
    published_ports              jsonb default '{}'
);
create unique index index_container_requests_on_uuid on container_requests (uuid);
create index index_container_requests_on_owner_uuid on container_requests (owner_uuid);
create index index_container_requests_on_container_uuid on container_requests (container_uuid);
create index index_container_requests_on_requesting_container_uuid on container_requests (requesting_container_uuid);

create table workflows (
    id                       bigserial primary key,
    uuid                     varchar(255),
    owner_uuid               varchar(255),
    created_at               timestamp not null,
    modified_at              timestamp,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    name                     varchar(255),
    description              text,
    definition               text,
    updated_at               timestamp not null,
    collection_uuid          varchar                -- if set, it decides who may read
);
create unique index index_workflows_on_uuid on workflows (uuid);

-- The only class with its uuid as the primary key, and without updated_at.
create table credentials (
    uuid                     varchar not null primary key,
    owner_uuid               varchar not null,
    created_at               timestamp(6) not null,
    modified_at              timestamp(6) not null,
    modified_by_user_uuid    varchar,
    name                     varchar not null,
    description              text,
    credential_class         varchar not null,
    scopes                   jsonb default '[]',
    external_id              varchar not null,
    secret                   text not null,         -- secret
    expires_at               timestamp(6) not null
);

create table virtual_machines (
    id                       bigserial primary key,
    uuid                     varchar(255) not null,
    owner_uuid               varchar(255) not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    hostname                 varchar(255),
    created_at               timestamp not null,
    updated_at               timestamp not null
);
create unique index index_virtual_machines_on_uuid on virtual_machines (uuid);

create table authorized_keys (
    id                       bigserial primary key,
    uuid                     varchar(255) not null,
    owner_uuid               varchar(255) not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    name                     varchar(255),
    key_type                 varchar(255),
    authorized_user_uuid     varchar(255),
    public_key               text,
    expires_at               timestamp,
    created_at               timestamp not null,
    updated_at               timestamp not null
);
create unique index index_authorized_keys_on_uuid on authorized_keys (uuid);

create table keep_services (
    id                       bigserial primary key,
    uuid                     varchar(255) not null,
    owner_uuid               varchar(255) not null,
    modified_by_client_uuid  varchar(255),
    modified_by_user_uuid    varchar(255),
    modified_at              timestamp,
    service_host             varchar(255),
    service_port             integer,
    service_ssl_flag         boolean,
    service_type             varchar(255),
    created_at               timestamp not null,
    updated_at               timestamp not null,
    read_only                boolean not null
);
create unique index index_keep_services_on_uuid on keep_services (uuid);

-- Ports of service containers that are published. No primary key.
create table container_ports (
    external_port            integer not null,
    container_port           integer not null,
    container_uuid           varchar not null
);
create unique index index_container_ports_on_external_port on container_ports (external_port);

-- Rows that transactions lock to take turns on a uuid. No primary key.
create table uuid_locks (
    uuid                     varchar not null,
    n                        integer not null
);
create unique index index_uuid_locks_on_uuid on uuid_locks (uuid);

-- The edges of the permission graph: whoever reaches the tail reaches the head, at most at level val.
create view permission_graph_edges as
select owner_uuid as tail_uuid, uuid as head_uuid, 3 as val, uuid as edge_id
from groups
union all
select owner_uuid, uuid, 3, uuid
from users
union all
select uuid, uuid, 3, ''
from users
union all
select tail_uuid,
       head_uuid,
       case name when 'can_manage' then 3
                 when 'can_write'  then 2
                 when 'can_read'   then 1
                 when 'can_login'  then 1
                 else 0
       end,
       uuid
from links
where link_class = 'permission';
