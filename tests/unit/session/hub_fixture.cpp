#include "tests/unit/session/hub_fixture.hpp"

#include <algorithm>

namespace walcast::test {

namespace {
relation_ptr logs_table() {
    static const auto shape =
        std::make_shared<relation>(1, "public", "logs", 'd',
                                   std::vector<column>{{"id", pg_type::int8},
                                                       {"uuid"},
                                                       {"object_uuid"},
                                                       {"object_owner_uuid"},
                                                       {"event_type"},
                                                       {"event_at", pg_type::timestamp},
                                                       {"created_at", pg_type::timestamp},
                                                       {"properties"}});
    return shape;
}
} // namespace

transaction_ptr log_row(std::int64_t id, const std::string &event_type, lsn commit,
                        std::int64_t committed_at_us) {
    transaction_builder builder;
    builder.begin(1, commit, committed_at_us);
    add_log_row(builder, id, event_type);
    return builder.finish(lsn{commit.value + 1});
}

void add_log_row(transaction_builder &builder, std::int64_t id, const std::string &event_type) {
    builder.add(change_kind::insert, logs_table());
    for (const auto &text :
         {std::to_string(id), std::string("zzzzz-57u5n-000000000000001"),
          std::string("zzzzz-4zz18-000000000000001"), std::string("zzzzz-tpzed-000000000000001"), event_type,
          std::string("2026-01-02 03:04:05"), std::string("2026-01-02 03:04:05"), std::string("{}")})
        builder.add_new(value_kind::text, text);
}

void table::read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) {
    ++reads;
    log_rows made{.failed = failing};
    if (failing)
        ids.clear();
    for (const auto id : ids)
        for (const auto &[number, type] : rows)
            if (number == to_number(id))
                made.rows.push_back(log_row(number, type, lsn{1}));
    answers.push_back([then = std::move(then), made = std::move(made)] { then(made); });
}

void table::scan_logs(log_scan what, std::function<void(log_rows)> then) {
    ++scans;
    log_rows made{.failed = failing};
    auto sorted = failing ? decltype(rows)() : rows;
    std::sort(sorted.begin(), sorted.end());
    made.last = what.after;
    for (const auto &[number, type] : sorted) {
        made.exists |= number == to_number(what.after);
        if (number <= to_number(what.after))
            continue;
        if (made.rows.size() == what.limit) {
            made.more = true;
            break;
        }
        made.rows.push_back(log_row(number, type, lsn{1}));
        made.last = log_id{number};
    }
    made.as_of = log_end;
    answers.push_back([then = std::move(then), made = std::move(made)] { then(made); });
}

site::site(std::size_t feed_bytes, std::size_t outbox_bytes)
    : hub({feed_bytes, std::int64_t{1} << 60},
          {.outbox_bytes = outbox_bytes,
           .max_event_bytes = 1 << 20,
           .max_subscriptions = 5,
           .send_interval_us = 60'000'000},
          database, probe) {
    database.hub = &hub;
}

void site::append(std::vector<transaction_ptr> transactions, bool is_ready) {
    batch next;
    next.transactions = std::move(transactions);
    next.decoded = next.transactions.empty() ? lsn{} : next.transactions.back()->end();
    next.ready = is_ready;
    hub.append(next, readers, 1);
    readers.clear();
}

void site::commit_unseen(std::int64_t id, const std::string &event_type) {
    database.rows.emplace_back(id, event_type);
    undecoded_.emplace_back(id, event_type);
    database.log_end = lsn{next_commit_ + 10 * undecoded_.size() + 1};
}

void site::decode() {
    std::vector<transaction_ptr> made;
    for (const auto &[id, type] : std::exchange(undecoded_, {}))
        made.push_back(log_row(id, type, lsn{next_commit_ += 10}));
    append(std::move(made));
}

void site::commit(std::int64_t id, const std::string &event_type) {
    commit_unseen(id, event_type);
    decode();
}

site::joined site::join() {
    joined made;
    made.session = std::make_shared<v0_session>(hub, *made.out, "token");
    made.session->start();
    return made;
}

void site::joined::settle(site &at) {
    do {
        at.database.answer();
        if (out->reading)
            out->take();
        if (std::exchange(out->wants_writable, false) && out->queued == 0)
            session->writable();
    } while (!at.database.answers.empty() || (out->wants_writable && out->reading));
}

} // namespace walcast::test
