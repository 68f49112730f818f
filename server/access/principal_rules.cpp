#include "server/access/principal_rules.hpp"

#include "server/access/scopes.hpp"

#include <limits>
#include <utility>

namespace walcast {

namespace {

/// More shapes than this are not remembered at once: a database whose tables are altered for ever must not
/// fill the memory.
constexpr std::size_t most_known = 1024;

constexpr auto never = std::numeric_limits<std::int64_t>::max();
constexpr auto long_ago = std::numeric_limits<std::int64_t>::min();

/// One row, with the types of its columns.
struct cells {
    const row &values;
    const relation &table;

    [[nodiscard]] value at(int place) const { return place < 0 ? value{} : values[place]; }
    [[nodiscard]] std::uint32_t type(int place) const {
        return table.columns()[static_cast<std::size_t>(place)].type;
    }
    [[nodiscard]] std::optional<std::int64_t> integer(int place) const {
        return place < 0 ? std::nullopt : to_integer(at(place), type(place));
    }
    [[nodiscard]] std::string text(int place) const {
        const auto read = place < 0 ? std::nullopt : to_text(at(place), type(place));
        return std::string(read.value_or(""));
    }
    /// Null is false; nothing if the change does not say.
    [[nodiscard]] std::optional<bool> flag(int place) const {
        const auto read = at(place);
        if (!read.present() && read.kind != value_kind::null)
            return std::nullopt;
        return to_boolean(read).value_or(false);
    }
    /// Null is never; what cannot be read is long ago.
    [[nodiscard]] std::optional<std::int64_t> time(int place) const {
        const auto read = at(place);
        if (read.kind == value_kind::null)
            return never;
        if (!read.present())
            return std::nullopt;
        const bool endless =
            (read.kind == value_kind::text && read.bytes == "infinity") ||
            (read.kind == value_kind::binary && read.bytes == "\x7f\xff\xff\xff\xff\xff\xff\xff");
        return endless ? never : to_unix_microseconds(read, type(place)).value_or(long_ago);
    }
};

} // namespace

const principal_reader::places &principal_reader::find(const relation &table) {
    if (last_places_ != nullptr && last_ == table.id())
        return *last_places_;
    if (known_.size() >= most_known)
        known_.clear();
    const auto [found, is_new] = known_.try_emplace(table.id());
    auto &at = found->second;
    if (is_new && table.schema() == "public") {
        if (table.name() == "api_client_authorizations")
            at.is = kind::tokens;
        else if (table.name() == "users")
            at.is = kind::users;
        else if (table.name() == "containers")
            at.is = kind::containers;
    }
    if (is_new && at.is != kind::other) {
        at.id = table.find("id");
        at.uuid = table.find("uuid");
        at.user_id = table.find("user_id");
        at.expires_at = table.find("expires_at");
        at.refreshes_at = table.find("refreshes_at");
        at.scopes = table.find("scopes");
        at.is_admin = table.find("is_admin");
        at.is_active = table.find("is_active");
        at.redirected = table.find("redirect_to_user_uuid");
        at.state = table.find("state");
    }
    last_ = table.id();
    last_places_ = &at;
    return at;
}

std::optional<principal_change> principal_reader::read(const transaction &of, const change &in) {
    if (in.table == nullptr || in.kind == change_kind::insert)
        return std::nullopt; // nobody holds a token before it is there
    const auto &at = find(*in.table);
    if (at.is == kind::other)
        return std::nullopt;
    principal_change made;
    made.gone = in.kind == change_kind::remove;
    if (in.kind == change_kind::truncate) {
        made.gone = true;
        return at.is == kind::containers ? std::nullopt : std::optional(made);
    }
    const auto values = made.gone ? of.old_row(in) : of.new_row(in);
    const cells row{values, *in.table};
    made.uuid = row.text(at.uuid);
    if (at.is == kind::containers) {
        // A deleted one is as one that never was: the token alone counts.
        const auto state = row.text(at.state);
        if (in.kind != change_kind::update || state == "Locked" || state == "Running" || state.empty())
            return std::nullopt;
        made.of = principal_change::subject::container;
        made.gone = true;
        return made;
    }
    const auto id = row.integer(at.id);
    if (!id)
        return std::nullopt;
    made.id = *id;
    if (at.is == kind::tokens) {
        made.of = principal_change::subject::token;
        made.user_id = row.integer(at.user_id);
        made.expires_at = row.time(at.expires_at);
        made.refreshes_at = row.time(at.refreshes_at);
        if (const auto stored = row.at(at.scopes); stored.present() || stored.kind == value_kind::null)
            made.scopes = parse_scopes(row.text(at.scopes));
        return made;
    }
    made.of = principal_change::subject::user;
    made.is_admin = row.flag(at.is_admin);
    made.is_active = row.flag(at.is_active);
    made.gone |= row.at(at.redirected).present();
    return made;
}

bool concerns(const principal_change &what, const principal &who) {
    switch (what.of) {
    case principal_change::subject::token:
        return who.token_id != 0 ? who.token_id == what.id
                                 : !what.uuid.empty() && who.token_uuid == what.uuid;
    case principal_change::subject::user:
        return who.user_id != 0 ? who.user_id == what.id : !what.uuid.empty() && who.user_uuid == what.uuid;
    case principal_change::subject::container:
        return !what.uuid.empty() && who.container_uuid == what.uuid;
    case principal_change::subject::all:
        return true;
    }
    return false;
}

bool apply(const principal_change &what, std::int64_t committed_at_us, principal &who) {
    if (what.user_id && who.user_id != 0 && *what.user_id != who.user_id)
        return false;
    if (what.gone)
        who.exists = false;
    if (what.expires_at)
        // Times of commit are not quite in the order of commits: what was ended by then is ended for
        // everything that is committed later, whatever time that bears.
        who.expires_at = *what.expires_at <= committed_at_us ? long_ago : *what.expires_at;
    if (what.refreshes_at)
        who.refreshes_at = *what.refreshes_at;
    if (what.scopes)
        who.scopes = *what.scopes;
    if (what.is_admin)
        who.is_admin = *what.is_admin;
    if (what.is_active)
        who.is_active = *what.is_active;
    return true;
}

} // namespace walcast
