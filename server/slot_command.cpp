#include "server/slot_command.hpp"

#include "db/connection.hpp"
#include "server/config_text.hpp"
#include "server/relay.hpp"
#include "server/slot_findings.hpp"

#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <rapidjson/prettywriter.h>
#include <rapidjson/stringbuffer.h>

namespace walcast {

namespace {

std::string shown(const std::optional<lsn> &where) {
    return where ? to_string(*where) : "none";
}

std::string shown(const std::optional<std::int64_t> &bytes) {
    return bytes ? fmt::format("{} ({} bytes)", human_bytes(*bytes), *bytes) : "unlimited";
}

void print_text(const slot_report &report, const slot_findings &findings, const config &settings) {
    const auto line = [](const char *name, const std::string &value) {
        fmt::print("{:<20} {}\n", name, value);
    };
    line("slot", settings.slot);
    if (report.found) {
        const auto &slot = *report.found;
        line("plugin", slot.plugin.empty() ? "none" : slot.plugin);
        line("database", slot.database.empty() ? "none" : slot.database);
        line("read by", slot.active_pid ? fmt::format("PID {}", *slot.active_pid) : "nobody");
        line("wal_status", slot.wal_status);
        line("confirmed_flush_lsn", shown(slot.confirmed));
        line("restart_lsn", shown(slot.restart));
        line("WAL retained", slot.retained ? shown(slot.retained) : "none");
        line("safe_wal_size", slot.wal_status == "lost" ? "none" : shown(slot.safe_size));
        if (slot.failover)
            line("failover", *slot.failover ? "yes" : "no");
        if (slot.synced)
            line("synced", *slot.synced ? "yes" : "no");
        if (slot.inactive_since)
            line("inactive_since", *slot.inactive_since);
        if (slot.invalidation)
            line("invalidation_reason", *slot.invalidation);
    }
    line("budget",
         fmt::format("Walcast.RetentionBytes {}, Walcast.RetentionAge {}",
                     to_byte_size_text(settings.retention_bytes), to_duration_text(settings.retention_age)));
    line("PostgreSQL's limit", fmt::format("max_slot_wal_keep_size {}", shown(report.keep_size)));
    for (const auto &problem : findings.problems)
        fmt::print("to do: {}\n", problem);
    for (const auto &note : findings.notes)
        fmt::print("note: {}\n", note);
}

void print_json(const slot_report &report, const slot_findings &findings, const config &settings) {
    rapidjson::StringBuffer buffer;
    rapidjson::PrettyWriter<rapidjson::StringBuffer> writer(buffer);
    writer.SetIndent(' ', 2);
    const auto string = [&](const std::string &value) {
        writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    const auto text = [&](const char *key, const std::optional<std::string> &value) {
        writer.Key(key);
        value ? string(*value) : static_cast<void>(writer.Null());
    };
    const auto number = [&](const char *key, const std::optional<std::int64_t> &value) {
        writer.Key(key);
        value ? writer.Int64(*value) : writer.Null();
    };
    const auto flag = [&](const char *key, const std::optional<bool> &value) {
        writer.Key(key);
        value ? writer.Bool(*value) : writer.Null();
    };
    const auto position = [&](const char *key, const std::optional<lsn> &value) {
        text(key, value ? std::optional(to_string(*value)) : std::nullopt);
    };
    const auto list = [&](const char *key, const std::vector<std::string> &values) {
        writer.Key(key);
        writer.StartArray();
        for (const auto &value : values)
            string(value);
        writer.EndArray();
    };
    writer.StartObject();
    text("name", settings.slot);
    number("server_version", report.server_version);
    writer.Key("slot");
    if (report.found) {
        const auto &slot = *report.found;
        writer.StartObject();
        text("type", slot.type);
        text("plugin", slot.plugin);
        text("database", slot.database);
        number("active_pid", slot.active_pid);
        text("wal_status", slot.wal_status);
        position("confirmed_flush_lsn", slot.confirmed);
        position("restart_lsn", slot.restart);
        number("retained_bytes", slot.retained);
        number("unconfirmed_bytes", slot.unconfirmed);
        number("safe_wal_size", slot.safe_size);
        flag("failover", slot.failover);
        flag("synced", slot.synced);
        text("inactive_since", slot.inactive_since);
        text("invalidation_reason", slot.invalidation);
        writer.EndObject();
    } else {
        writer.Null();
    }
    writer.Key("budget");
    writer.StartObject();
    number("retention_bytes", static_cast<std::int64_t>(settings.retention_bytes));
    number("retention_age_ms", settings.retention_age.count());
    number("max_slot_wal_keep_size", report.keep_size);
    writer.EndObject();
    list("to_do", findings.problems);
    list("notes", findings.notes);
    writer.EndObject();
    fmt::print("{}\n", buffer.GetString());
}

/// Runs `verb(connection, settings)`, and says in one line why it could not.
template <class Verb>
int with_database(const std::string &config_path, Verb &&verb) {
    try {
        const auto settings = load_config(config_path, "");
        const auto connection = open_connection(database_parameters(settings));
        return verb(*connection, settings);
    } catch (const config_error &error) {
        fmt::print(stderr, "{}\n", error.what());
        return 78;
    } catch (const std::exception &error) {
        fmt::print(stderr, "{}\n", one_line(error.what()));
    }
    return 1;
}

} // namespace

int slot_status(const std::string &config_path, slot_format format) {
    return with_database(config_path, [&](pqxx::connection_base &on, const config &settings) {
        const auto report = report_slot(on, settings.slot);
        const auto findings = judge_slot(report, settings);
        (format == slot_format::json ? print_json : print_text)(report, findings, settings);
        return findings.problems.empty() ? 0 : 1;
    });
}

int slot_drop(const std::string &config_path, slot_readers readers) {
    return with_database(config_path, [&](pqxx::connection_base &on, const config &settings) {
        const auto report = report_slot(on, settings.slot);
        if (!report.found) {
            fmt::print("there is no slot {}\n", settings.slot);
            return 0;
        }
        if (!is_ours(report)) {
            fmt::print(stderr, "{}\n", judge_slot(report, settings).problems.front());
            return 1;
        }
        if (report.found->active_pid && readers == slot_readers::respect) {
            fmt::print(stderr,
                       "slot {} is being read (PID {} on the server): stop walcast first, or disconnect it "
                       "with --force\n",
                       settings.slot, *report.found->active_pid);
            return 1;
        }
        drop_slot(on, settings.slot, readers);
        fmt::print("dropped slot {}, and with it {} of WAL that it kept. A walcast that starts, or still "
                   "runs, makes a new one, which begins at that moment; clients that resume are served from "
                   "the table logs.\n",
                   settings.slot, human_bytes(report.found->retained.value_or(0)));
        return 0;
    });
}

} // namespace walcast
