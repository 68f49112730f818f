#include "server/slot_findings.hpp"

#include "server/config_text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>

namespace walcast {

namespace {

/// Beyond the budget there is what the current commits have added since the last confirmation, and what
/// PostgreSQL keeps for itself.
constexpr std::int64_t slack_bytes = std::int64_t{64} << 20;

void judge_state(const slot_report::slot &slot, slot_findings &to) {
    if (slot.wal_status == "lost")
        to.problems.push_back(fmt::format(
            "the slot is lost{}: the next connection of walcast makes a new one, and clients that resume are "
            "served from the table logs; raise max_slot_wal_keep_size if walcast is often away for so long",
            slot.invalidation ? " (" + *slot.invalidation + ")" : ""));
    else if (slot.wal_status == "unreserved")
        to.problems.emplace_back("the slot is beyond max_slot_wal_keep_size and will be lost at the next "
                                 "checkpoint: start walcast now, or raise max_slot_wal_keep_size and reload");
    else if (slot.wal_status == "extended")
        to.notes.emplace_back("more WAL is kept than max_wal_size, which PostgreSQL allows");
    if (!slot.active_pid && slot.wal_status != "lost")
        to.problems.push_back(fmt::format(
            "nobody reads the slot{}, and PostgreSQL keeps WAL for it: start walcast, or, if it shall not "
            "come back, run `walcast slot drop`",
            slot.inactive_since ? " since " + *slot.inactive_since : ""));
}

void judge_size(const slot_report &report, const config &settings, slot_findings &to) {
    const auto &slot = *report.found;
    const auto budget = static_cast<std::int64_t>(settings.retention_bytes);
    if (!report.keep_size)
        to.notes.emplace_back("max_slot_wal_keep_size is -1: a walcast that stays away fills the database's "
                              "disk; set a limit and reload");
    else if (budget > *report.keep_size / 2)
        to.notes.push_back(fmt::format("Walcast.RetentionBytes is {}, but no more than half of "
                                       "max_slot_wal_keep_size is held back: {}",
                                       to_byte_size_text(settings.retention_bytes),
                                       human_bytes(*report.keep_size / 2)));
    const auto retained = slot.retained.value_or(0);
    const auto unconfirmed = slot.unconfirmed.value_or(0);
    if (report.keep_size && slot.wal_status == "reserved" && retained > *report.keep_size / 5 * 4)
        to.problems.push_back(fmt::format("{} of at most {} are kept: the slot will be lost soon",
                                          human_bytes(retained), human_bytes(*report.keep_size)));
    if (slot.active_pid && unconfirmed > budget + slack_bytes)
        to.problems.push_back(fmt::format(
            "{} are not confirmed, more than walcast holds back on purpose: it is behind; look at "
            "/status.json and its log",
            human_bytes(unconfirmed)));
    else if (slot.active_pid && retained > unconfirmed + slack_bytes)
        to.notes.push_back(fmt::format(
            "{} are kept from before what is confirmed: for a transaction that has been open for long (see "
            "xact_start in pg_stat_activity, and pg_prepared_xacts)",
            human_bytes(retained - unconfirmed)));
}

} // namespace

bool is_ours(const slot_report &report) {
    return report.found && report.found->plugin == "pgoutput" && report.found->database == report.database;
}

slot_findings judge_slot(const slot_report &report, const config &settings) {
    slot_findings made;
    const bool listens = settings.source == source_choice::listener;
    if (!report.found) {
        if (listens)
            made.notes.emplace_back("Walcast.Source is listener, which needs no slot");
        else
            made.problems.push_back(fmt::format(
                "there is no slot {}: walcast makes it when it starts with the slot as its source; "
                "/status.json says which source it uses, and why",
                settings.slot));
        return made;
    }
    if (!is_ours(report)) {
        const auto &slot = *report.found;
        made.problems.push_back(fmt::format(
            "slot {} is not walcast's: it is {}, of {} in database {}; set Walcast.Slot to a name of its own",
            settings.slot, slot.type, slot.plugin.empty() ? "no plugin" : "plugin " + slot.plugin,
            slot.database.empty() ? "(none)" : slot.database));
        return made;
    }
    if (listens)
        made.problems.emplace_back(
            "Walcast.Source is listener, so the slot is not used: run `walcast slot drop`");
    judge_state(*report.found, made);
    judge_size(report, settings, made);
    if (report.found->failover == false)
        made.notes.emplace_back(
            "the slot is not a failover slot: after a failover to a standby walcast makes a new one");
    return made;
}

std::string human_bytes(std::int64_t bytes) {
    constexpr std::array<const char *, 5> units{"bytes", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (std::abs(value) >= 1024 && unit + 1 < units.size()) {
        value /= 1024;
        ++unit;
    }
    return unit == 0 ? fmt::format("{} {}", bytes, units[0]) : fmt::format("{:.1f} {}", value, units[unit]);
}

} // namespace walcast
