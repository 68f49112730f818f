#include "server/shard_services.hpp"

#include "db/logs_reader.hpp"
#include "server/net/shard.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace walcast {

namespace {
/// A position that is waited for comes within so long, if anything is going on.
constexpr std::chrono::milliseconds flush_grace{10};
constexpr std::chrono::seconds flush_retry{1};

log_rows to_rows(log_page page) {
    return {.rows = std::move(page.rows),
            .more = page.more,
            .last = log_id{page.last},
            .exists = page.exists,
            .as_of = page.as_of};
}
} // namespace

shard_services::shard_services(shard &home, query_pool &queries, token_service &tokens,
                               access_service &access, snapshot_reader &records,
                               std::chrono::milliseconds replay_window,
                               std::function<void(lsn)> request_position)
    : home_(home)
    , queries_(queries)
    , tokens_(tokens)
    , access_(access)
    , records_(records)
    , replay_window_(replay_window)
    , request_position_(std::move(request_position)) {}

void shard_services::authenticate(std::string token, std::int64_t not_before_us,
                                  std::function<void(const verdict &)> then) {
    tokens_.find(token, not_before_us, [this, then = std::move(then)](const verdict &answer) {
        home_.post([then, answer] { then(answer); });
    });
}

std::shared_ptr<void> shard_services::follow(const std::string &user_uuid,
                                             std::function<void(reader_id)> ready) {
    return access_.join(uuid_text(user_uuid), [this, ready = std::move(ready)](reader_id who) {
        home_.post([ready, who] { ready(who); });
    });
}

void shard_services::decide(reader_id who, std::vector<uuid_text> objects,
                            std::function<void(std::vector<bool>)> then) {
    access_.decide(who, std::move(objects), [this, then = std::move(then)](std::vector<bool> allowed) {
        home_.post([then, allowed = std::move(allowed)]() mutable { then(std::move(allowed)); });
    });
}

std::shared_ptr<void> shard_services::watch(reader_id who, const uuid_text &object) {
    return access_.watch(who, object);
}

grants_watch shard_services::watch_grants(const uuid_text &user) {
    grants_watch made;
    made.held = access_.watch_grants(user, made.ticket);
    return made;
}

void shard_services::read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) {
    std::vector<std::int64_t> numbers;
    for (const auto id : ids)
        numbers.push_back(to_number(id));
    queries_.submit(
        [this, numbers = std::move(numbers), then](pqxx::connection_base &on) {
            home_.post(
                [then, rows = to_rows(walcast::read_logs(on, numbers))]() mutable { then(std::move(rows)); });
        },
        [this, then] { home_.post([then] { then({.failed = true}); }); });
}

void shard_services::scan_logs(log_scan what, std::function<void(log_rows)> then) {
    const auto window_us = what.first ? std::chrono::microseconds(replay_window_).count() : 0;
    queries_.submit(
        [this, what, window_us, then](pqxx::connection_base &on) {
            home_.post(
                [then, rows = to_rows(walcast::scan_logs(on, to_number(what.after), window_us,
                                                         what.limit))]() mutable { then(std::move(rows)); });
        },
        [this, then] { home_.post([then] { then({.failed = true}); }); });
}

void shard_services::read_records(std::vector<uuid_text> objects, std::function<void(record_rows)> then) {
    if (!objects.empty())
        home_.hub().probe().snapshot_asked(objects.size());
    queries_.submit(
        [this, objects = std::move(objects), then](pqxx::connection_base &on) {
            auto page = records_.read(on, objects);
            home_.post([then, page = std::move(page)]() mutable {
                then({.primary = page.primary,
                      .seen = std::move(page.seen),
                      .insert_lsn = page.insert_lsn,
                      .rows = std::move(page.rows)});
            });
        },
        [this, then] { home_.post([then] { then({.failed = true}); }); });
}

void shard_services::after(std::chrono::milliseconds delay, std::function<void()> then) {
    home_.after(delay, std::move(then));
}

void shard_services::barrier(lsn as_of, std::function<void()> then) {
    home_.hub().when_decoded(as_of, std::move(then));
    if (home_.hub().transactions().decoded() < as_of)
        wait_for(as_of);
}

void shard_services::wait_for(lsn as_of) {
    request_position_(as_of);
    awaited_ = std::max(awaited_, as_of);
    if (std::exchange(looking_, true))
        return;
    home_.after(flush_grace, [this] { move_log(); });
}

// The log may end in what no commit has flushed, an open transaction's or a tidied page's: a server sends it
// only when somebody commits, which may take minutes. So we commit something, and it weighs a hundred bytes.
void shard_services::move_log() {
    looking_ = false;
    if (home_.hub().transactions().decoded() >= awaited_)
        return;
    queries_.submit_once(
        [awaited = awaited_](pqxx::connection_base &on) {
            pqxx::work in(on);
            // A stalled synchronous standby is nothing to wait for.
            in.exec0("SET LOCAL synchronous_commit = local");
            in.exec1(fmt::format("SELECT CASE WHEN pg_catalog.pg_current_wal_flush_lsn() < '{}' THEN "
                                 "pg_catalog.pg_logical_emit_message(true, 'walcast', '') END",
                                 to_string(awaited)));
            in.commit();
        },
        [](const std::string &) {}); // without a database there is no stream either
    if (std::exchange(looking_again_, true))
        return;
    home_.after(flush_retry, [this] {
        looking_again_ = false;
        if (!looking_)
            move_log();
    });
}

} // namespace walcast
