#pragma once

#include "server/feed/record_class.hpp"
#include "server/feed/record_image.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace walcast {

/// Which columns of a record a client wants: all that are published, or some. Immutable; shared by everyone
/// with the same list.
class projection {
  public:
    /// All columns.
    explicit projection(const record_class &of);
    /// Some, which are all among `of.published`; their order and repetitions do not matter.
    projection(const record_class &of, const std::vector<std::string> &columns);

    [[nodiscard]] const record_class &of() const { return *of_; }
    [[nodiscard]] const std::vector<std::string> &columns() const { return columns_; }
    /// Sorted and joined: equal for equal projections.
    [[nodiscard]] const std::string &canonical() const { return canonical_; }

  private:
    const record_class *of_;
    std::vector<std::string> columns_; ///< in the order of `published`
    std::string canonical_;
};

/// The record as JSON: `{"uuid":"…","state":"Queued",…}`, or `null` if the image is absent. Columns have the
/// names and the order of the class; jsonb and serialized columns are nested (YAML of old rows becomes JSON;
/// what is neither stays a string), timestamps are RFC 3339 UTC with microseconds and no trailing zeros
/// (`2026-01-02T03:04:05.5Z`), integers beyond 2^53 are strings. A column that is unchanged and unknown, or
/// not in the table, is left out. Valid JSON in valid UTF-8 whatever the row holds: bytes that are not UTF-8
/// become U+FFFD. Appends.
void encode_record(const record_image &image, const projection &as, std::string &into);

enum class record_change_type : std::uint8_t { insert, update, remove };

/// Of a change of one row.
[[nodiscard]] constexpr record_change_type change_type_of(change_kind kind) {
    return kind == change_kind::insert   ? record_change_type::insert
           : kind == change_kind::update ? record_change_type::update
                                         : record_change_type::remove;
}

/// The part of a `change` message that all receivers of a projection share; it goes on behind the head of
/// v1_encode.hpp:
///
///     "type":"update","record":{…},"old":{"state":"Queued"},"changed":["state"],"unchanged":["mounts"],
///     "at":"2026-…Z"}
///
/// `old` and `changed` are there for an update if the row before is known (`before` is present): the columns
/// of the projection whose value is another now, and what they were; a column that is `unchanged` has not
/// changed. `unchanged` names columns whose value is not known; it is left out if there are none, and for a
/// delete. A delete has `"record":null`. Returns false, and appends nothing, for an update that
/// changes nothing in a projection of some columns: then there is nothing to tell. `committed_at_us`:
/// microseconds since 1970 UTC.
[[nodiscard]] bool encode_record_change(record_change_type type, const record_image &before,
                                        const record_image &after, const projection &as,
                                        std::int64_t committed_at_us, std::string &into);

} // namespace walcast
