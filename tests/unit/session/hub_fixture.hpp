#pragma once

#include "server/feed/transaction.hpp"
#include "server/session/event_hub.hpp"
#include "server/session/output.hpp"
#include "server/session/v0_session.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <prometheus/registry.h>
#include <rapidjson/document.h>
#include <string>
#include <utility>
#include <vector>

namespace walcast::test {

/// A `logs` table of one thread: what the database would answer, when the test says so.
class table : public services {
  public:
    std::optional<principal> who = administrator();
    std::vector<std::pair<std::int64_t, std::string>> rows; ///< id and event type, as a table would have them
    lsn log_end{0};
    std::function<void(lsn)> on_barrier;
    std::vector<std::function<void()>> answers; ///< not yet given
    std::optional<verdict> given;               ///< instead of `who`
    int scans = 0, reads = 0, lookups = 0, decisions = 0;
    bool failing = false; ///< rows are asked for in vain
    event_hub *hub = nullptr;

    void authenticate(std::string, std::int64_t, std::function<void(const verdict &)> then) override {
        ++lookups;
        answers.push_back([then = std::move(then), this] {
            if (given)
                then(*given);
            else
                then(who ? verdict::always(*who) : verdict::invalid());
        });
    }
    /// Users other than administrators may read all objects, now, or none; and the number they have in
    /// audiences.
    bool readable = true;
    reader_id reader{7};
    std::shared_ptr<void> follow(const std::string &, std::function<void(reader_id)> ready) override {
        answers.push_back([ready = std::move(ready), this] { ready(reader); });
        return std::make_shared<int>();
    }
    std::shared_ptr<void> watch(reader_id, const uuid_text &) override { return std::make_shared<int>(); }
    grants_watch watch_grants(const uuid_text &) override { return {std::make_shared<int>(), 1}; }
    void decide(reader_id, std::vector<uuid_text> objects,
                std::function<void(std::vector<bool>)> then) override {
        ++decisions;
        answers.push_back([then = std::move(then), count = objects.size(), this] {
            then(std::vector<bool>(count, readable));
        });
    }
    void read_logs(std::vector<log_id> ids, std::function<void(log_rows)> then) override;
    void scan_logs(log_scan what, std::function<void(log_rows)> then) override;
    void read_records(std::vector<uuid_text>, std::function<void(record_rows)> then) override {
        answers.push_back([then = std::move(then)] { then({.failed = true}); });
    }
    void after(std::chrono::milliseconds, std::function<void()> then) override {
        answers.push_back(std::move(then));
    }
    void barrier(lsn as_of, std::function<void()> then) override {
        hub->when_decoded(as_of, std::move(then));
        if (on_barrier)
            on_barrier(as_of);
    }

    /// Gives answers until there are none.
    void answer() {
        while (!answers.empty()) {
            auto next = std::exchange(answers, {});
            for (auto &one : next)
                one();
        }
    }

    static principal administrator() {
        principal made;
        made.is_admin = true;
        made.scopes = {"all"};
        return made;
    }
};

/// A client that reads when it is told to.
class client : public output {
  public:
    std::vector<std::string> got;
    std::string queued_text;
    std::size_t queued = 0;
    bool reading = true;
    std::optional<close_code> closed;
    std::function<void()> writable;

    void send(std::string_view prefix, const shared_frame &body) override {
        pending_.push_back(std::string(prefix) + body->bytes());
        queued += pending_.back().size();
    }
    void flush() override {
        if (reading)
            take();
    }
    [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
    void close(close_code code, std::string_view) override { closed = code; }
    void request_writable() override { wants_writable = true; }
    void resume_input() override {}

    void take() {
        for (auto &one : std::exchange(pending_, {}))
            got.push_back(std::move(one));
        queued = 0;
    }
    /// The `id` of each event, and -1 for each reply.
    [[nodiscard]] std::vector<std::int64_t> ids() const {
        std::vector<std::int64_t> made;
        for (const auto &text : got) {
            rapidjson::Document message;
            message.Parse(text.c_str());
            made.push_back(message.HasMember("id") ? message["id"].GetInt64() : -1);
        }
        return made;
    }

    bool wants_writable = false;

  private:
    std::vector<std::string> pending_;
};

/// One row of `logs` as a transaction that commits at `commit`, and at that time.
[[nodiscard]] transaction_ptr log_row(std::int64_t id, const std::string &event_type, lsn commit,
                                      std::int64_t committed_at_us = 1);

/// Such a row, in the transaction that is open.
void add_log_row(transaction_builder &builder, std::int64_t id, const std::string &event_type);

/// A hub with a table behind it; `commit` does what a database and its source do.
struct site {
    explicit site(std::size_t feed_bytes = std::size_t{1} << 20, std::size_t outbox_bytes = 4096);

    /// Commits rows in one transaction each, into the table and through the feed.
    void commit(std::int64_t id, const std::string &event_type = "update");
    /// Into the table alone: the source has not decoded it yet.
    void commit_unseen(std::int64_t id, const std::string &event_type = "update");
    /// The source decodes what is in the table and not in the feed.
    void decode();
    void ready() { append({}, true); }

    struct joined {
        std::unique_ptr<client> out = std::make_unique<client>();
        std::shared_ptr<v0_session> session;
        /// Until nothing moves any more.
        void settle(site &at);
    };
    [[nodiscard]] joined join();

    /// Who may read the events that are committed next.
    std::vector<audience_ptr> readers;
    table database;
    prometheus::Registry registry;
    session_probe probe{registry};
    event_hub hub;

  private:
    void append(std::vector<transaction_ptr> transactions, bool is_ready = true);

    std::uint64_t next_commit_ = 100;
    std::vector<std::pair<std::int64_t, std::string>> undecoded_;
};

} // namespace walcast::test
