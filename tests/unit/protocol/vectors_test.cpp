#include "server/protocol/v0_encode.hpp"
#include "server/protocol/v0_request.hpp"
#include "tests/unit/protocol/support.hpp"

#include <algorithm>
#include <chrono>
#include <doctest/doctest.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fstream>
#include <map>
#include <sstream>

using namespace walcast;
using namespace walcast::test;

/// Replays what was recorded of arvados-ws through requests, filters and encoding, with the least of a
/// session around them. What this cannot show (tokens, frames, time) is left to the tests with sockets.

namespace {

constexpr std::size_t max_bytes = std::size_t{1} << 20;

/// What a connection remembers.
struct pure_session {
    std::vector<event_filter> subscriptions;
    std::uint64_t sent = 0;
};

struct stored_row {
    transaction_ptr owner;
    event read;
    bool readable;
};

std::string iso(std::int64_t seconds, bool for_clients) {
    const auto time = fmt::gmtime(static_cast<std::time_t>(seconds));
    return for_clients ? fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", time)
                       : fmt::format("{:%Y-%m-%d %H:%M:%S}", time);
}

/// Big-endian, as PostgreSQL's binary form of int8 and timestamp.
std::string binary(std::int64_t number) {
    std::string made;
    for (int shift = 56; shift >= 0; shift -= 8)
        made.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> shift));
    return made;
}

class replayer {
  public:
    explicit replayer(value_kind form)
        : form_(form)
        , now_(std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
                   .count()) {}

    void run(const rapidjson::Value &vector) {
        for (const auto &step : vector["steps"].GetArray())
            play(step);
    }

  private:
    void play(const rapidjson::Value &step) {
        auto &session = sessions_[step.HasMember("on") ? step["on"].GetString() : "a"];
        std::map<std::string, std::vector<std::string>> got;
        for (const auto *key : {"send", "binary"})
            if (step.HasMember(key))
                receive(session, fill(step[key].GetString()), got["got"]);
        if (step.HasMember("rows"))
            for (const auto &row : step["rows"].GetArray())
                for (auto &[name, each] : sessions_)
                    deliver(each, insert_row(row), got[name == "b" ? "got_b" : "got"]);
        if (step.HasMember("either"))
            return;
        const auto &expected = step.HasMember("walcast") ? step["walcast"] : step;
        for (const auto *key : {"got", "got_b"})
            if (expected.HasMember(key))
                compare(got[key], expected[key]);
    }

    void receive(pure_session &session, const std::string &message, std::vector<std::string> &got) {
        const auto request = parse_v0_request(message);
        if (std::holds_alternative<v0_bad_request>(request))
            got.emplace_back(v0_bad);
        if (const auto *unsubscribe = std::get_if<v0_unsubscribe>(&request)) {
            auto &all = session.subscriptions;
            const auto found = std::find_if(all.begin(), all.end(), [&](const event_filter &one) {
                return one.canonical() == unsubscribe->canonical;
            });
            got.emplace_back(found == all.end() ? v0_bad : v0_ok);
            if (found != all.end())
                all.erase(found);
        }
        if (const auto *subscribe = std::get_if<v0_subscribe>(&request)) {
            got.emplace_back(v0_ok);
            session.subscriptions.push_back(subscribe->filter);
            const auto young = (now_ - 600) * 1'000'000;
            if (subscribe->last_log_id)
                for (const auto &row : rows_)
                    if (row.readable && row.read.id > *subscribe->last_log_id &&
                        row.read.created_at >= young && subscribe->filter.matches(row.read))
                        send(session, row.read, got);
        }
    }

    void deliver(pure_session &session, const stored_row &row, std::vector<std::string> &got) {
        const auto wanted = [&](const event_filter &one) { return one.matches(row.read); };
        if (row.readable && std::any_of(session.subscriptions.begin(), session.subscriptions.end(), wanted))
            send(session, row.read, got);
    }

    static void send(pure_session &session, const event &what, std::vector<std::string> &got) {
        std::string body;
        if (encode_v0_event(what, max_bytes, body) != v0_outcome::complete)
            return;
        char prefix[v0_prefix_max];
        const auto length = write_msg_id_prefix(prefix, ++session.sent);
        got.push_back(std::string(prefix, length) + body);
    }

    const stored_row &insert_row(const rapidjson::Value &from) {
        const auto text = [&](const char *key) -> field {
            if (!from.HasMember(key) || from[key].IsNull())
                return std::nullopt;
            return std::string(from[key].GetString(), from[key].GetStringLength());
        };
        logs_row row;
        row.id = std::to_string(id_of(rows_.size()));
        row.uuid = text("uuid");
        row.event_at = text("event_at");
        row.event_type = text("event_type");
        row.object_uuid = text("object_uuid");
        row.object_owner_uuid = text("object_owner_uuid");
        row.properties = text("properties");
        if (!from.HasMember("created_at"))
            row.created_at = iso(now_, false);
        else if (from["created_at"].IsObject())
            row.created_at = iso(now_ + from["created_at"]["now"].GetInt(), false);
        else
            row.created_at = text("created_at");

        stored_row stored;
        stored.owner = form_ == value_kind::text ? insert(row, table_) : insert_binary(row);
        stored.readable =
            reader_.read(*stored.owner, stored.owner->changes()[0], stored.read) == event_problem::none;
        rows_.push_back(std::move(stored));
        return rows_.back();
    }

    [[nodiscard]] transaction_ptr insert_binary(const logs_row &row) const {
        transaction_builder builder;
        builder.begin(7, lsn{100}, 5);
        builder.add(change_kind::insert, table_);
        const auto add = [&](const field &cell, bool time) {
            if (!cell)
                builder.add_new(value_kind::null);
            else if (time)
                builder.add_new(value_kind::binary, binary(*parse_timestamp(*cell) - postgres_epoch_unix_us));
            else
                builder.add_new(value_kind::binary, *cell);
        };
        builder.add_new(value_kind::binary, binary(std::stoll(*row.id)));
        add(row.uuid, false);
        add(std::nullopt, false);
        add(row.event_at, true);
        add(row.event_type, false);
        add(row.object_uuid, false);
        add(row.object_owner_uuid, false);
        add(row.properties, false);
        add(row.created_at, true);
        return builder.finish(lsn{120});
    }

    static std::int64_t id_of(std::size_t row) { return 4'711 + static_cast<std::int64_t>(row); }

    /// Replaces `{pad:N}`, `{now-60}` and `{id:K}`.
    [[nodiscard]] std::string fill(std::string text) const {
        const auto replace = [&text](std::string_view open, auto made) {
            for (auto at = text.find(open); at != text.npos; at = text.find(open, at + 1)) {
                const auto end = text.find('}', at);
                const auto argument = text.substr(at + open.size(), end - at - open.size());
                text.replace(at, end + 1 - at, made(argument));
            }
        };
        replace("{pad:", [](const std::string &n) { return std::string(std::stoul(n), 'x'); });
        replace("{id:", [](const std::string &k) { return std::to_string(id_of(std::stoul(k))); });
        replace("{now", [this](const std::string &by) {
            return iso(now_ + (by.empty() ? 0 : std::stoll(by)), true);
        });
        return text;
    }

    void compare(const std::vector<std::string> &got, const rapidjson::Value &expected) const {
        REQUIRE(got.size() == expected.Size());
        for (rapidjson::SizeType at = 0; at < expected.Size(); ++at) {
            const auto wanted = fill(expected[at].GetString());
            INFO("got  " << got[at]);
            INFO("want " << wanted);
            CHECK(json_equal(got[at], wanted));
        }
    }

    value_kind form_;
    std::int64_t now_;
    relation_ptr table_ = logs_table();
    event_reader reader_;
    std::vector<stored_row> rows_;
    std::map<std::string, pure_session> sessions_{{"a", {}}};
};

} // namespace

TEST_CASE("the recorded conversations with arvados-ws") {
    std::ifstream file(WALCAST_TESTS "/vectors/v0-vectors.json");
    std::stringstream text;
    text << file.rdbuf();
    rapidjson::Document vectors;
    REQUIRE(valid_json(text.str(), vectors));
    REQUIRE(vectors.Size() == 96);
    std::size_t played = 0;
    for (const auto &vector : vectors.GetArray()) {
        if (vector.HasMember("query"))
            continue; // about tokens
        INFO(vector["name"].GetString());
        replayer(value_kind::text).run(vector);
        replayer(value_kind::binary).run(vector);
        ++played;
    }
    CHECK(played == 94);
}
