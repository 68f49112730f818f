#include "server/protocol/record_encode.hpp"

#include "server/protocol/column_json.hpp"
#include "server/protocol/json_time.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace walcast {

namespace {

/// One column of an image. `absent` if the table does not have it, or it is secret.
struct cell {
    value of;
    std::uint32_t type = 0;

    [[nodiscard]] bool shown() const { return of.present() || of.kind == value_kind::null; }
    [[nodiscard]] bool unchanged() const { return of.kind == value_kind::unchanged; }
};

/// Finds an image's columns by their names. A class lists its columns much as the table does, so the next one
/// asked for mostly is the next one there is.
class cell_finder {
  public:
    explicit cell_finder(const record_image &image)
        : image_(image) {}

    [[nodiscard]] cell find(std::string_view name) {
        if (image_.is() != record_image::standing::present)
            return {};
        const auto &columns = image_.table()->columns();
        for (std::size_t tried = 0; tried < columns.size(); ++tried) {
            if (next_ >= columns.size())
                next_ = 0;
            const auto place = next_++;
            if (columns[place].name == name)
                return columns[place].secret ? cell{}
                                             : cell{image_[static_cast<int>(place)], columns[place].type};
        }
        return {};
    }

  private:
    const record_image &image_;
    std::size_t next_ = 0;
};

void append_name(std::string &into, std::string_view name) {
    if (into.back() != '{' && into.back() != '[')
        into.push_back(',');
    into.append("\"").append(name).append("\"");
}

void append_cell(std::string &into, const cell &one, const std::string &name, const record_class &of) {
    append_column(into, one.of, one.type,
                  of.serialized.contains(name) ? text_content::serialized : text_content::words);
}

/// A column of the projection before and after a change.
struct column_change {
    const std::string *name;
    cell before, after;
    std::size_t begin = 0, end = 0; ///< where its JSON is in what has been written
    bool differs = false;
};

/// Whether a column may have another value now. If the value before is not known, it was in the change, and
/// what was not touched is mostly not: so it counts as changed.
bool may_differ(const cell &before, const cell &after) {
    return after.shown() && (before.of.kind != after.of.kind || before.type != after.type ||
                             before.of.bytes != after.of.bytes);
}

void append_record(std::string &into, std::vector<column_change> &columns, const record_class &of) {
    into.push_back('{');
    for (auto &one : columns) {
        if (!one.after.shown())
            continue;
        append_name(into, *one.name);
        into.push_back(':');
        one.begin = into.size();
        append_cell(into, one.after, *one.name, of);
        one.end = into.size();
    }
    into.push_back('}');
}

/// `{…}`: what columns were that are something else now. A value that came in one form and now came in the
/// other is looked at as JSON; if it is the same, the column does not differ after all.
void append_old(std::string &into, std::vector<column_change> &columns, const record_class &of) {
    into.push_back('{');
    for (auto &one : columns) {
        if (!one.differs || !one.before.shown())
            continue;
        const auto mark = into.size();
        append_name(into, *one.name);
        into.push_back(':');
        const auto begin = into.size();
        append_cell(into, one.before, *one.name, of);
        const std::string_view all = into;
        one.differs = all.substr(begin) != all.substr(one.begin, one.end - one.begin);
        if (!one.differs)
            into.resize(mark);
    }
    into.push_back('}');
}

template <class Which>
void append_names(std::string &into, std::string_view key, const std::vector<column_change> &columns,
                  Which &&which) {
    into.append(key).push_back('[');
    for (const auto &one : columns)
        if (which(one))
            append_name(into, *one.name);
    into.push_back(']');
}

} // namespace

projection::projection(const record_class &of)
    : projection(of, of.published) {}

projection::projection(const record_class &of, const std::vector<std::string> &columns)
    : of_(&of) {
    for (const auto &one : of.published)
        if (std::find(columns.begin(), columns.end(), one) != columns.end())
            columns_.push_back(one);
    auto sorted = columns_;
    std::sort(sorted.begin(), sorted.end());
    for (const auto &one : sorted)
        canonical_.append(canonical_.empty() ? "" : ",").append(one);
}

void encode_record(const record_image &image, const projection &as, std::string &into) {
    if (image.is() != record_image::standing::present) {
        into.append("null");
        return;
    }
    cell_finder cells(image);
    into.push_back('{');
    for (const auto &name : as.columns()) {
        const auto one = cells.find(name);
        if (!one.shown())
            continue;
        append_name(into, name);
        into.push_back(':');
        append_cell(into, one, name, as.of());
    }
    into.push_back('}');
}

bool encode_record_change(record_change_type type, const record_image &before, const record_image &after,
                          const projection &as, std::int64_t committed_at_us, std::string &into) {
    using standing = record_image::standing;
    const auto start = into.size();
    const bool has_record = type != record_change_type::remove && after.is() == standing::present;
    const bool compare = type == record_change_type::update && has_record && before.is() == standing::present;
    const bool whole = as.columns().size() == as.of().published.size();

    std::vector<column_change> columns;
    if (has_record) {
        columns.reserve(as.columns().size());
        cell_finder old_cells(before), new_cells(after);
        for (const auto &name : as.columns()) {
            auto &one = columns.emplace_back(
                column_change{&name, compare ? old_cells.find(name) : cell{}, new_cells.find(name)});
            one.differs = compare && may_differ(one.before, one.after);
        }
    }
    const auto nothing_to_tell = [&] {
        return compare && !whole &&
               std::none_of(columns.begin(), columns.end(), [](const auto &one) { return one.differs; });
    };
    if (nothing_to_tell())
        return false;

    into.append(type == record_change_type::insert   ? R"("type":"insert","record":)"
                : type == record_change_type::update ? R"("type":"update","record":)"
                                                     : R"("type":"delete","record":)");
    if (has_record)
        append_record(into, columns, as.of());
    else
        into.append("null");
    if (compare) {
        into.append(R"(,"old":)");
        append_old(into, columns, as.of());
        if (nothing_to_tell()) {
            into.resize(start);
            return false;
        }
        append_names(into, R"(,"changed":)", columns, [](const auto &one) { return one.differs; });
    }
    if (std::any_of(columns.begin(), columns.end(), [](const auto &one) { return one.after.unchanged(); }))
        append_names(into, R"(,"unchanged":)", columns,
                     [](const auto &one) { return one.after.unchanged(); });
    into.append(R"(,"at":)");
    if (has_json_time(committed_at_us))
        append_json_time(into, committed_at_us);
    else
        into.append("null");
    into.push_back('}');
    return true;
}

} // namespace walcast
