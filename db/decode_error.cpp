#include "db/decode_error.hpp"

#include <string>

namespace walcast {

namespace {
constexpr const char *text_of(decode_error code) {
    switch (code) {
    case decode_error::ok:
        return "no error";
    case decode_error::truncated:
        return "message is cut short";
    case decode_error::trailing_bytes:
        return "message has bytes after its end";
    case decode_error::unknown_message:
        return "message type is not known";
    case decode_error::bad_field:
        return "message has a field with an impossible value";
    case decode_error::message_too_large:
        return "message is larger than PostgreSQL can send";
    case decode_error::two_phase_unrequested:
        return "two-phase message, though none were requested";
    case decode_error::unexpected_message:
        return "message is out of place";
    case decode_error::unknown_relation:
        return "change of a table that was not described";
    case decode_error::wrong_column_count:
        return "row does not fit its table's description";
    case decode_error::unknown_stream:
        return "streamed transaction without its beginning";
    case decode_error::too_many_changes:
        return "transaction has too many changes";
    case decode_error::unknown_binary:
        return "row has a value of a type whose binary form is not known";
    case decode_error::transaction_lost:
        return "the rest of a transaction did not come again";
    }
    return "unknown decode error";
}

// Boost's base class has a protected, non-virtual destructor on purpose: categories are never deleted.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
class category final : public boost::system::error_category {
  public:
    const char *name() const noexcept override { return "walcast.decode"; }
    std::string message(int code) const override { return text_of(static_cast<decode_error>(code)); }
};
#pragma GCC diagnostic pop
} // namespace

const boost::system::error_category &decode_category() {
    static const category instance;
    return instance;
}

} // namespace walcast
