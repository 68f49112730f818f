#include "server/session/record_topic.hpp"

#include "server/feed/typed_row.hpp"
#include "server/protocol/resume_token.hpp"
#include "server/protocol/v1_encode.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace walcast {

const shared_frame &record_change::frame_for(const projection *columns) const {
    static const shared_frame none;
    const auto found =
        std::find_if(frames.begin(), frames.end(), [&](const auto &one) { return one.first == columns; });
    return found == frames.end() ? none : found->second;
}

void record_topic::add(v1_subscription &one) {
    one.record = this;
    one.slot_in_record = static_cast<std::uint32_t>(members.size());
    members.push_back(&one);
}

void record_topic::remove(v1_subscription &one) {
    members[one.slot_in_record] = members.back();
    members[one.slot_in_record]->slot_in_record = one.slot_in_record;
    members.pop_back();
    one.record = nullptr;
}

shared_frame record_topic::snapshot_for(const std::shared_ptr<const projection> &columns) {
    for (const auto &[whose, frame] : snapshots_)
        if (whose == columns)
            return frame;
    std::string json;
    encode_record(image, *columns, json);
    return snapshots_.emplace_back(columns, make_frame(v1_snapshot_body(json))).second;
}

record_topic *record_index::find_or_make(std::string_view uuid) {
    const auto *of = classes_.of_uuid(uuid);
    if (of == nullptr)
        return nullptr;
    auto &topic = topics_[uuid_text(uuid)];
    if (!topic) {
        topic = std::make_unique<record_topic>();
        topic->uuid = uuid_text(uuid);
        topic->of = of;
    }
    return topic.get();
}

record_topic *record_index::find(const uuid_text &uuid) {
    const auto found = topics_.find(uuid);
    return found == topics_.end() ? nullptr : found->second.get();
}

void record_index::erase(const record_topic &topic) {
    for (const auto id : topic.row_ids)
        by_row_.erase({topic.of, id});
    topics_.erase(uuid_text(topic.uuid));
}

record_topic *record_index::find(const transaction &of, const change &in) {
    if (in.table == nullptr || in.kind == change_kind::truncate)
        return nullptr;
    const auto &at = look_at(*in.table);
    if (at.of == nullptr)
        return nullptr;
    const bool removed = in.kind == change_kind::remove;
    const typed_row row(removed ? of.old_row(in) : of.new_row(in), *in.table);
    if (const auto uuid = row.text(at.uuid); uuid && !uuid->empty())
        return find(uuid_text(*uuid));
    const auto id = row.integer(at.id);
    if (!id)
        return nullptr;
    const auto found = by_row_.find({at.of, *id});
    return found == by_row_.end() ? nullptr : found->second;
}

void record_index::apply(record_topic &topic, const transaction &of, const change &in) {
    topic.image.apply(of, in);
    topic.image_changed();
    if (in.kind != change_kind::remove)
        note_row_id(topic, row_id_of(of, in), true);
}

void record_index::note_row_id(record_topic &topic, std::int64_t id, bool newest) {
    if (id == 0)
        return;
    if (newest)
        topic.row_id = id;
    // No other row of the table has ever had it.
    if (by_row_.try_emplace({topic.of, id}, &topic).second)
        topic.row_ids.push_back(id);
}

std::int64_t record_index::row_id_of(const transaction &of, const change &in) {
    const auto row = in.kind == change_kind::remove ? of.old_row(in) : of.new_row(in);
    return typed_row(row, *in.table).integer(look_at(*in.table).id).value_or(0);
}

std::uint32_t record_index::schema_of(const record_class &of) const {
    const auto found = schemas_.find(&of);
    return found == schemas_.end() ? 0 : found->second;
}

std::shared_ptr<const projection> record_index::intern(const record_class &of,
                                                       const std::optional<std::vector<std::string>> &columns,
                                                       std::string &unknown) {
    if (columns)
        for (const auto &name : *columns)
            if (std::find(of.published.begin(), of.published.end(), name) == of.published.end()) {
                unknown = name;
                return nullptr;
            }
    auto made =
        columns ? std::make_shared<const projection>(of, *columns) : std::make_shared<const projection>(of);
    auto &known = projections_[{&of, made->canonical()}];
    if (auto shared = known.lock())
        return shared;
    known = made;
    if (projections_.size() > 1024)
        std::erase_if(projections_, [](const auto &one) { return one.second.expired(); });
    return made;
}

const record_index::places &record_index::look_at(const relation &table) {
    return known_.find(table, [this](const relation &seen) {
        places found;
        found.of = classes_.of_table(seen.schema(), seen.name());
        if (found.of == nullptr)
            return found;
        found.uuid = seen.find("uuid");
        found.id = seen.find("id");
        std::vector<std::string> columns;
        for (const auto &one : seen.columns())
            if (std::find(found.of->published.begin(), found.of->published.end(), one.name) !=
                found.of->published.end())
                columns.push_back(fmt::format("{}:{}", one.name, one.type));
        std::sort(columns.begin(), columns.end());
        found.schema = static_cast<std::uint32_t>(stable_hash(fmt::format("{}", fmt::join(columns, ","))));
        auto &newest = schemas_[found.of];
        if (newest != 0 && newest != found.schema)
            // A row that was not touched has a value in a new column, which nobody has told us.
            each_of(*found.of, [](record_topic &topic) {
                topic.image.forget();
                topic.image_changed();
            });
        newest = found.schema;
        return found;
    });
}

} // namespace walcast
