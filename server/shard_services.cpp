#include "server/shard_services.hpp"

#include "db/logs_reader.hpp"
#include "server/net/shard.hpp"

#include <utility>

namespace walcast {

namespace {
log_rows to_rows(log_page page) {
    return {.rows = std::move(page.rows),
            .more = page.more,
            .last = log_id{page.last},
            .exists = page.exists,
            .as_of = page.as_of};
}
} // namespace

shard_services::shard_services(shard &home, query_pool &queries, token_service &tokens,
                               access_service &access, std::chrono::milliseconds replay_window,
                               std::function<void(lsn)> request_position)
    : home_(home)
    , queries_(queries)
    , tokens_(tokens)
    , access_(access)
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

void shard_services::barrier(lsn as_of, std::function<void()> then) {
    home_.hub().when_decoded(as_of, std::move(then));
    if (home_.hub().transactions().decoded() < as_of)
        request_position_(as_of);
}

} // namespace walcast
