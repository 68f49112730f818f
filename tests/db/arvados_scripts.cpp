#include "tests/db/arvados_scripts.hpp"

#include <fmt/format.h>
#include <utility>

namespace walcast::testing {

namespace {

using script = arvados_script;

/// Create, save and delete an object as Rails does: the row, its log row and NOTIFY in one transaction; and
/// statements that match nothing, which a missing replica identity refuses all the same.
script object(const std::string &table, const std::string &columns, const std::string &values,
              const std::vector<std::string> &updates) {
    script made{table, {}};
    const auto uuid = fmt::format("'zzzzz-{:.5}-$W$N'", table);
    const auto log = [&](const std::string &event) {
        made.statements.push_back(
            "insert into logs (uuid, owner_uuid, object_uuid, object_owner_uuid, event_at, event_type,"
            " properties, created_at, updated_at) values ('zzzzz-57u5n-' || gen_random_uuid(), 'me', " +
            uuid + ", 'owner', now(), '" + event + "', '{\"new_attributes\":{}}', now(), now())");
        made.statements.push_back("select pg_notify('logs', currval('logs_id_seq')::text)");
    };
    made.statements.push_back(
        fmt::format("insert into {} (uuid, {}) values ({}, {})", table, columns, uuid, values));
    log("create");
    for (const auto &update : updates)
        made.statements.push_back(fmt::format("update {} set {} where uuid = {}", table, update, uuid));
    log("update");
    made.statements.push_back(fmt::format("update {} set uuid = uuid where false", table));
    made.statements.push_back(fmt::format("delete from {} where uuid = 'none'", table));
    made.statements.push_back(fmt::format("select * from {} where uuid = {} for update", table, uuid));
    made.statements.push_back(fmt::format("delete from {} where uuid = {}", table, uuid));
    log("delete");
    return made;
}

std::vector<script> records() {
    const std::string stamps = "created_at, updated_at";
    const std::string now = "now(), now()";
    return {
        object("users", stamps + ", owner_uuid", now + ", 'root'",
               {"is_active = true", "prefs = '{}', updated_at = now()"}),
        object("groups", stamps + ", name, group_class", now + ", 'n', 'project'",
               {"trash_at = now()", "frozen_by_uuid = 'x'"}),
        object("links", stamps + ", link_class, name", now + ", 'permission', 'can_read'",
               {"name = 'can_write'"}),
        object("collections", stamps + ", manifest_text", now + ", repeat('m', 5000)",
               {"manifest_text = repeat('n', 9000)", "file_names = 'x'", "name = 'y'",
                "preserve_version = true"}),
        object(
            "containers", stamps + ", state", now + ", 'Queued'",
            {"priority = 5", "secret_mounts = '{\"a\": 1}'", "runtime_token = 'v2/x'", "state = 'Running'"}),
        object("container_requests", stamps + ", state", now + ", 'Committed'",
               {"secret_mounts = '{}', runtime_token = 'x'", "priority = 0"}),
        object("workflows", stamps, now, {"definition = repeat('d', 9000)"}),
        object("virtual_machines", stamps + ", owner_uuid", now + ", 'me'", {"hostname = 'h'"}),
        object("authorized_keys", stamps + ", owner_uuid", now + ", 'me'", {"public_key = 'k'"}),
        object("keep_services", stamps + ", owner_uuid, read_only", now + ", 'me', false",
               {"read_only = true"}),
        object("api_client_authorizations", stamps + ", api_token, user_id", now + ", 'secret' || '$W$N', 1",
               {"last_used_at = now()", "api_token = api_token || 'x'", "expires_at = now()"}),
        object("credentials",
               "owner_uuid, name, credential_class, external_id, created_at, modified_at, expires_at, secret",
               "'me', 'n', 'c', 'e', now(), now(), now(), 's'", {"secret = 't'", "name = 'm'"}),
    };
}

std::vector<script> permissions() {
    return {
        {"permission upkeep",
         {"lock table materialized_permissions in exclusive mode",
          "delete from materialized_permissions where user_uuid = 'u$W'",
          "insert into materialized_permissions values ('u$W', 't', 1, true), ('u$W', 'u', 3, true)",
          "insert into materialized_permissions values ('u$W', 't', 2, true) on conflict (user_uuid, "
          "target_uuid)"
          " do update set perm_level = excluded.perm_level",
          "update materialized_permissions set perm_level = 3 where user_uuid = 'u$W'",
          "update materialized_permissions set perm_level = 0 where false",
          "delete from materialized_permissions where perm_level = 0",
          "delete from trashed_groups where group_uuid = 'g$W'",
          "insert into trashed_groups values ('g$W', now())",
          "update trashed_groups set trash_at = null where group_uuid = 'g$W'",
          "delete from trashed_groups where false", "delete from frozen_groups where uuid = 'g$W'",
          "insert into frozen_groups values ('g$W')", "update frozen_groups set uuid = uuid",
          "update frozen_groups set uuid = uuid where false"}},
        {"full refresh",
         {"lock table materialized_permissions in access exclusive mode",
          "delete from materialized_permissions",
          "insert into materialized_permissions select 'u' || a, 't' || b, 3, true"
          " from generate_series(1, 10) a, generate_series(1, 20) b",
          "delete from trashed_groups",
          "insert into trashed_groups select 'r' || a, now() from generate_series(1, 20) a",
          "delete from frozen_groups",
          "insert into frozen_groups select 'r' || a from generate_series(1, 20) a"}},
        {"truncate",
         {"lock table materialized_permissions in access exclusive mode", "truncate materialized_permissions",
          "truncate trashed_groups", "truncate frozen_groups"}},
        {"readers",
         {"select count(*) from materialized_permissions", "select count(*) from trashed_groups",
          "select count(*) from frozen_groups", "select count(*) from logs where object_uuid = 'none'"},
         script::mode::single},
        {"vacuum",
         {"vacuum materialized_permissions", "vacuum analyze containers", "analyze logs"},
         script::mode::single,
         1},
    };
}

/// What Rails migrations do when Arvados is upgraded.
std::vector<script> upgrades() {
    return {
        {"columns come and go",
         {"alter table users add column new_$N text default 'x'", "update users set new_$N = 'y'",
          "alter table users rename column new_$N to newer_$N", "alter table users drop column newer_$N",
          "alter table containers add column new_$N integer not null default 1",
          "alter table containers alter column new_$N type bigint",
          "alter table containers drop column new_$N", "alter table workflows alter column name type text",
          "alter table workflows alter column name type varchar(255)"},
         script::mode::single,
         1},
        {"materialized_permissions made anew",
         {"lock table materialized_permissions in access exclusive mode",
          "alter table materialized_permissions rename to old_$N",
          "create table materialized_permissions (like old_$N)",
          "insert into materialized_permissions select * from old_$N", "drop table old_$N",
          "create unique index permission_user_target on materialized_permissions (user_uuid, target_uuid)",
          "create index permission_target on materialized_permissions (target_uuid)",
          "delete from materialized_permissions where user_uuid = 'u1'"},
         script::mode::transaction,
         1},
        {"index concurrently",
         {"create index concurrently new_$N on links (name)", "drop index concurrently new_$N"},
         script::mode::single,
         1},
    };
}

std::vector<script> everything() {
    auto all = records();
    for (const auto &more : {permissions(), upgrades()})
        all.insert(all.end(), more.begin(), more.end());
    return all;
}

} // namespace

const std::vector<arvados_script> &arvados_scripts() {
    static const std::vector<script> scripts = everything();
    return scripts;
}

} // namespace walcast::testing
