#include "server/access/access_change.hpp"

#include "server/feed/typed_row.hpp"

namespace walcast {

namespace {

/// A row as facts_of() reads it.
struct placed_row {
    const typed_row &row;
    const std::array<int, fact_column_count> &places;

    [[nodiscard]] int place(fact_column column) const { return places[static_cast<std::size_t>(column)]; }
    [[nodiscard]] bool has(fact_column column) const { return place(column) >= 0; }
    [[nodiscard]] auto text(fact_column column) const { return row.text(place(column)); }
    [[nodiscard]] auto integer(fact_column column) const { return row.integer(place(column)); }
    [[nodiscard]] auto boolean(fact_column column) const { return row.boolean(place(column)); }
    [[nodiscard]] auto time(fact_column column) const { return row.time(place(column)); }
};

uuid_text uuid_at(const typed_row &row, int place) {
    return uuid_text(row.text(place).value_or(""));
}

} // namespace

access_change_reader::places access_change_reader::look_at(const relation &table) {
    places at;
    if (table.name() == "materialized_permissions") {
        at.what = followed::permissions;
        at.key = table.find("user_uuid");
        at.target = table.find("target_uuid");
        at.level = table.find("perm_level");
        at.owned = table.find("traverse_owned");
    } else if (table.name() == "trashed_groups") {
        at.what = followed::trashed;
        at.key = table.find("group_uuid");
        at.trash_at = table.find("trash_at");
    } else if (table.name() == "frozen_groups") {
        at.what = followed::frozen;
        at.key = table.find("uuid");
    } else if (at.objects = class_of_table(table.name()); at.objects != object_class::none) {
        at.what = followed::object;
        at.key = table.find("uuid");
        for (const auto column : columns_of(at.objects))
            at.facts[static_cast<std::size_t>(column)] = table.find(name_of(column));
    }
    return at;
}

void access_change_reader::read(const transaction &of, const change &in, std::vector<access_change> &into) {
    if (in.table == nullptr)
        return;
    const auto &at = known_.find(*in.table, look_at);
    if (at.what == followed::no)
        return;
    if (at.what == followed::object)
        return read_object(of, in, at, into);
    if (in.kind == change_kind::truncate) {
        into.emplace_back(all_gone{at.what == followed::permissions ? all_gone::table::permissions
                                   : at.what == followed::trashed   ? all_gone::table::trashed
                                                                    : all_gone::table::frozen});
        return;
    }
    // Replica identity full: updates and deletes carry the whole old row.
    const auto old_values = of.old_row(in);
    const auto new_values = of.new_row(in);
    const auto add = [&](const row &values, bool is_new) {
        if (values.empty())
            return;
        const typed_row from(values, *in.table);
        const auto key = uuid_at(from, at.key);
        switch (at.what) {
        case followed::permissions: {
            const auto granted =
                grant::of_row(from.integer(at.level).value_or(0), from.boolean(at.owned).value_or(false));
            into.emplace_back(grant_change{key, uuid_at(from, at.target), is_new ? grant() : granted,
                                           is_new ? granted : grant()});
            break;
        }
        case followed::trashed: {
            // No time at all: it is not trashed.
            const auto when = from.time(at.trash_at);
            into.emplace_back(trash_change{key, is_new ? std::nullopt : when, is_new ? when : std::nullopt});
            break;
        }
        default:
            into.emplace_back(freeze_change{key, !is_new, is_new});
        }
    };
    // An update is the end of one row and the beginning of another.
    add(old_values, false);
    add(new_values, true);
}

void access_change_reader::read_object(const transaction &of, const change &in, const places &at,
                                       std::vector<access_change> &into) const {
    if (in.kind == change_kind::truncate) {
        into.emplace_back(object_unknown{at.objects, {}});
        return;
    }
    const typed_row from(in.kind == change_kind::remove ? of.old_row(in) : of.new_row(in), *in.table);
    const placed_row row{from, at.facts};
    const auto uuid = uuid_at(from, at.key);
    if (in.kind == change_kind::remove) {
        if (!uuid.empty())
            into.emplace_back(object_change{uuid, {}});
        else if (const auto id = row.integer(fact_column::id))
            into.emplace_back(object_gone{at.objects, *id});
        return;
    }
    if (uuid.empty())
        return;
    if (has_column(at.objects, fact_column::owner_uuid) && !row.has(fact_column::owner_uuid))
        into.emplace_back(object_unknown{at.objects, uuid});
    else
        into.emplace_back(object_change{uuid, facts_of(at.objects, uuid.view(), row)});
}

} // namespace walcast
