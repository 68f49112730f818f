#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace walcast {

/// What is known about the table of one class of objects; schema/classes.yaml says it.
struct record_class {
    std::string kind;                   ///< object_kind in the API, such as `arvados#collection`
    std::string infix;                  ///< the middle part of its uuids
    std::string table;                  ///< in the schema public
    std::string resource;               ///< in the REST API: /arvados/v1/<resource>/<uuid>
    std::vector<std::string> published; ///< the columns of a record, in the order that it has them
    /// Its rows are numbered by a column `id`, which is all that a delete tells; else the uuid is the key.
    [[nodiscard]] bool has_row_ids() const;
    std::unordered_set<std::string> serialized; ///< text columns that hold JSON or YAML
};

/// All classes. Immutable once made, shared by threads; what it gives out is good for as long as it lives. It
/// can be moved and not copied, as it looks things up by views of its own strings.
class record_classes {
  public:
    explicit record_classes(std::vector<record_class> all);
    record_classes(record_classes &&) = default;
    record_classes &operator=(record_classes &&) = default;

    /// By the middle part of the uuid; null if it is no uuid (letters, digits, and two dashes at their
    /// places) of a class with a table.
    [[nodiscard]] const record_class *of_uuid(std::string_view uuid) const;
    [[nodiscard]] const record_class *of_table(std::string_view schema, std::string_view table) const;
    [[nodiscard]] const std::vector<record_class> &all() const { return all_; }

  private:
    std::vector<record_class> all_;
    std::unordered_map<std::string_view, const record_class *> by_infix_, by_table_;
};

} // namespace walcast
