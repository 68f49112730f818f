#pragma once

#include "db/migrate.hpp"
#include "tests/db/cluster.hpp"
#include "tests/support/captured_log.hpp"

#include <pqxx/pqxx>
#include <string>

namespace walcast::testing {

[[nodiscard]] inline bool has(const std::string &text, const std::string &piece) {
    return text.find(piece) != std::string::npos;
}

/// A database, and the migrator of its owner (or another role).
struct site {
    explicit site(const std::string &role = "arvados", lock_patience patience = {})
        : name(new_database())
        , owner(cluster().connection(name, "arvados"))
        , superuser(cluster().connection(name))
        , migrate(cluster().connection(name, role), migrations_directory(), log.log(), patience) {}

    pqxx::result sql(const std::string &statement) {
        pqxx::nontransaction work(superuser);
        return work.exec(statement);
    }
    std::string ask(const std::string &question) {
        const auto answer = sql(question);
        return answer.empty() ? std::string("no row") : answer[0][0].as<std::string>("null");
    }
    std::string identity(const std::string &table) {
        return ask("select relreplident from pg_class where oid = 'public." + table + "'::regclass");
    }

    captured_log log;
    std::string name;
    pqxx::connection owner;
    pqxx::connection superuser;
    migrator migrate;
};

} // namespace walcast::testing
