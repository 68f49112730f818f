#include "server/access/principal_rules.hpp"

#include "server/access/scopes.hpp"
#include "server/feed/typed_row.hpp"

#include <limits>
#include <utility>

namespace walcast {

namespace {

constexpr auto never = std::numeric_limits<std::int64_t>::max();
constexpr auto long_ago = std::numeric_limits<std::int64_t>::min();

std::string text_at(const typed_row &row, int place) {
    return std::string(row.text(place).value_or(""));
}

/// Null is false; nothing if the change does not say.
std::optional<bool> flag_at(const typed_row &row, int place) {
    const auto read = row.at(place);
    if (!read.present() && read.kind != value_kind::null)
        return std::nullopt;
    return to_boolean(read).value_or(false);
}

/// Null is never; what cannot be read is long ago.
std::optional<std::int64_t> end_at(const typed_row &row, int place) {
    const auto read = row.at(place);
    if (read.kind == value_kind::null)
        return never;
    if (!read.present())
        return std::nullopt;
    const bool endless =
        (read.kind == value_kind::text && read.bytes == "infinity") ||
        (read.kind == value_kind::binary && read.bytes == "\x7f\xff\xff\xff\xff\xff\xff\xff");
    return endless ? never : row.time(place).value_or(long_ago);
}

} // namespace

principal_reader::places principal_reader::look_at(const relation &table) {
    places at;
    if (table.schema() != "public")
        return at;
    if (table.name() == "api_client_authorizations")
        at.is = kind::tokens;
    else if (table.name() == "users")
        at.is = kind::users;
    else if (table.name() == "containers")
        at.is = kind::containers;
    else
        return at;
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
    return at;
}

std::optional<principal_change> principal_reader::read(const transaction &of, const change &in) {
    if (in.table == nullptr || in.kind == change_kind::insert)
        return std::nullopt; // nobody holds a token before it is there
    const auto &at = known_.find(*in.table, look_at);
    if (at.is == kind::other)
        return std::nullopt;
    principal_change made;
    made.gone = in.kind == change_kind::remove;
    if (in.kind == change_kind::truncate) {
        made.gone = true;
        return at.is == kind::containers ? std::nullopt : std::optional(made);
    }
    const typed_row row(made.gone ? of.old_row(in) : of.new_row(in), *in.table);
    made.uuid = text_at(row, at.uuid);
    if (at.is == kind::containers) {
        // A deleted one is as one that never was: the token alone counts.
        const auto state = text_at(row, at.state);
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
        made.expires_at = end_at(row, at.expires_at);
        made.refreshes_at = end_at(row, at.refreshes_at);
        if (const auto stored = row.at(at.scopes); stored.present() || stored.kind == value_kind::null)
            made.scopes = parse_scopes(text_at(row, at.scopes));
        return made;
    }
    made.of = principal_change::subject::user;
    made.is_admin = flag_at(row, at.is_admin);
    made.is_active = flag_at(row, at.is_active);
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
