#include "server/protocol/stream_place.hpp"

#include "server/protocol/big_endian.hpp"

#include <algorithm>
#include <iterator>

namespace walcast {

namespace {

enum flag : std::uint8_t { known = 1, elsewhere = 2, other_schema = 4, has_row_id = 8 };

/// No subscription has this hash, as far as hashes go; 0 would be any.
constexpr std::uint64_t nobodys_subscription = 1;

template <class Number>
void put(std::string &into, Number number) {
    put_big_endian(number, std::back_inserter(into));
}
void put(std::string &into, position at) {
    put(into, at.commit.value);
    put(into, at.index);
}
void take(number_taker &from, position &at) {
    from.take(at.commit.value);
    from.take(at.index);
}

} // namespace

bool stream_place::read(const token_seal &by, std::string_view id) {
    const auto content = id.size() <= most_characters ? by.open_bytes(id) : std::nullopt;
    if (!content)
        return false;
    number_taker taker{*content};
    std::uint64_t asked_for = 0;
    taker.take(common_.system_identifier);
    taker.take(common_.timeline);
    taker.take(common_.subject);
    taker.take(asked_for);
    take(taker, most_);
    of_another_ = asked_for != asked_for_;
    std::uint32_t schema = 0;
    for (std::size_t topic = 0; topic < topics_.size() && !of_another_; ++topic) {
        auto &one = topics_[topic];
        std::uint8_t flags = 0;
        taker.take(flags);
        one = {.known = (flags & known) != 0, .at = most_};
        if (flags & elsewhere)
            take(taker, one.at);
        if (flags & other_schema)
            taker.take(schema);
        if (flags & has_row_id)
            taker.take(one.row_id);
        one.schema = schema;
    }
    return !taker.short_of;
}

std::string stream_place::token_of(std::size_t topic, const token_seal &by) const {
    auto point = common_;
    if (of_another_) {
        point.at = most_;
        point.subscription = nobodys_subscription;
        return by.seal(point);
    }
    const auto &one = topics_[topic];
    if (!one.known)
        return {};
    point.at = one.at;
    point.row_id = one.row_id;
    point.schema = one.schema;
    return by.seal(point);
}

void stream_place::belongs_to(const resume_point &said) {
    const bool same = common_.system_identifier == said.system_identifier &&
                      common_.timeline == said.timeline && common_.subject == said.subject;
    if (same && !of_another_)
        return;
    of_another_ = false;
    std::fill(topics_.begin(), topics_.end(), standing{});
    common_ = {
        .system_identifier = said.system_identifier, .timeline = said.timeline, .subject = said.subject};
    most_ = said.at;
}

void stream_place::note(std::size_t topic, const resume_point &said) {
    belongs_to(said);
    topics_[topic] = {true, said.at, said.row_id, said.schema};
}

void stream_place::note_all(const resume_point &said) {
    belongs_to(said);
    for (auto &one : topics_)
        if (one.known)
            one.at = std::max(one.at, said.at);
    most_ = said.at;
}

std::string stream_place::text(const token_seal &by) const {
    if (!of_another_ &&
        std::none_of(topics_.begin(), topics_.end(), [](const auto &one) { return one.known; }))
        return {};
    std::string content;
    put(content, common_.system_identifier);
    put(content, common_.timeline);
    put(content, common_.subject);
    put(content, of_another_ ? ~asked_for_ : asked_for_);
    put(content, most_);
    std::uint32_t schema = 0;
    for (const auto &one : topics_) {
        if (!one.known) {
            put(content, std::uint8_t{0});
            continue;
        }
        put(content, static_cast<std::uint8_t>(known | (one.at != most_ ? elsewhere : 0) |
                                               (one.schema != schema ? other_schema : 0) |
                                               (one.row_id != 0 ? has_row_id : 0)));
        if (one.at != most_)
            put(content, one.at);
        if (one.schema != schema)
            put(content, schema = one.schema);
        if (one.row_id != 0)
            put(content, one.row_id);
    }
    return by.seal_bytes(content);
}

} // namespace walcast
