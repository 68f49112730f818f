#pragma once

#include "server/access/uuid_text.hpp"
#include "server/feed/record_class.hpp"
#include "server/feed/record_image.hpp"
#include "server/feed/shape_cache.hpp"
#include "server/protocol/frame.hpp"
#include "server/session/v1_subscription.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace walcast {

/// A change of a record, encoded for each list of columns that somebody wants.
struct record_change {
    position at;
    std::int64_t row_id = 0;                                         ///< of the row that it was about
    std::vector<std::pair<const projection *, shared_frame>> frames; ///< null: nothing to tell

    [[nodiscard]] const shared_frame &frame_for(const projection *columns) const;
};

/// One record that somebody in this shard has subscribed to, and its newest row where the shard stands.
struct record_topic {
    uuid_text uuid;
    const record_class *of = nullptr;
    std::int64_t row_id = 0; ///< the table's `id`, all that a delete tells; 0: not known, or it has none
    std::vector<std::int64_t> row_ids; ///< all that it has had: it may be deleted and come back
    record_image image;
    std::vector<v1_subscription *> members;
    std::vector<record_change> fresh; ///< of the transaction that is being processed
    position changed_at;              ///< of the newest change that was processed
    std::int64_t changed_us = 0;      ///< and when that was committed
    bool touched = false;             ///< in the hub's list
    bool asked_for = false;           ///< its snapshot is on its way

    void add(v1_subscription &one);
    void remove(v1_subscription &one);
    /// Calls with each list of columns among the members, once.
    template <class Function>
    void each_projection(Function &&act) const {
        std::vector<const projection *> seen;
        for (const auto *one : members)
            if (std::find(seen.begin(), seen.end(), one->columns.get()) == seen.end()) {
                seen.push_back(one->columns.get());
                act(*one->columns);
            }
    }
    /// The record as it is now, as the body of a `snapshot`; encoded once as long as it stays.
    [[nodiscard]] shared_frame snapshot_for(const std::shared_ptr<const projection> &columns);
    void image_changed() { snapshots_.clear(); }

  private:
    std::vector<std::pair<std::shared_ptr<const projection>, shared_frame>> snapshots_;
};

/// Finds the record that a change is about, among those that were subscribed to. Remembers where each
/// relation has its columns.
class record_index {
  public:
    explicit record_index(const record_classes &classes)
        : classes_(classes) {}

    /// Null if the uuid is of no class that is known.
    [[nodiscard]] record_topic *find_or_make(std::string_view uuid);
    [[nodiscard]] record_topic *find(const uuid_text &uuid);
    void erase(const record_topic &topic);
    [[nodiscard]] bool empty() const { return topics_.empty(); }
    [[nodiscard]] std::size_t size() const { return topics_.size(); }

    /// The record that the change is about; null if it is none of ours, or of a TRUNCATE.
    [[nodiscard]] record_topic *find(const transaction &of, const change &in);
    /// The class whose table this is; null if it is none's.
    [[nodiscard]] const record_class *class_of(const relation &table) { return look_at(table).of; }
    [[nodiscard]] const record_class *class_of(std::string_view uuid) const { return classes_.of_uuid(uuid); }
    /// All records of a class, for a TRUNCATE.
    template <class Function>
    void each_of(const record_class &of, Function &&act) {
        for (auto &[uuid, topic] : topics_)
            if (topic->of == &of)
                act(*topic);
    }
    template <class Function>
    void each(Function &&act) {
        for (auto &[uuid, topic] : topics_)
            act(*topic);
    }
    /// Makes the newest row of the topic what the change says, and remembers its `id`.
    void apply(record_topic &topic, const transaction &of, const change &in);
    /// The row of the topic has this `id`, or once had. `newest`: it is the one where the shard stands.
    void note_row_id(record_topic &topic, std::int64_t id, bool newest);
    /// The row that a change is about; 0: it has no `id`.
    [[nodiscard]] std::int64_t row_id_of(const transaction &of, const change &in);

    /// One number for the columns of a class and their types, as they were seen last; 0 if they never were.
    [[nodiscard]] std::uint32_t schema_of(const record_class &of) const;

    /// Everybody with the same list of columns shares it. Null, with the name of the first column that there
    /// is none of in `unknown`.
    [[nodiscard]] std::shared_ptr<const projection>
    intern(const record_class &of, const std::optional<std::vector<std::string>> &columns,
           std::string &unknown);

  private:
    struct places {
        const record_class *of = nullptr;
        int uuid = -1, id = -1;
        std::uint32_t schema = 0;
    };
    struct row_key {
        const record_class *of;
        std::int64_t id;
        bool operator==(const row_key &) const = default;
    };
    struct row_key_hash {
        std::size_t operator()(const row_key &key) const {
            return std::hash<std::int64_t>{}(key.id) ^ std::hash<const void *>{}(key.of);
        }
    };
    [[nodiscard]] const places &look_at(const relation &table);

    const record_classes &classes_;
    std::unordered_map<uuid_text, std::unique_ptr<record_topic>> topics_;
    std::unordered_map<row_key, record_topic *, row_key_hash> by_row_;
    std::unordered_map<const record_class *, std::uint32_t> schemas_;
    std::map<std::pair<const record_class *, std::string>, std::weak_ptr<const projection>> projections_;
    shape_cache<places> known_;
};

} // namespace walcast
