#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace walcast {

/// The uuid of an Arvados object, in place: 27 characters or fewer. Longer text is no uuid, and empty here.
class uuid_text {
  public:
    static constexpr std::size_t full = 27;

    uuid_text() = default;
    explicit uuid_text(std::string_view text) {
        if (text.size() > full)
            return;
        for (const char one : text)
            text_[size_++] = one;
    }

    [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    bool operator==(const uuid_text &other) const { return view() == other.view(); }

  private:
    std::array<char, full> text_;
    std::uint8_t size_ = 0;
};

/// A portable data hash, `<32 hexadecimal digits>+<size>` and maybe hints, as a key that is no uuid; empty if
/// the text is something else. And back, without hints.
[[nodiscard]] uuid_text content_key(std::string_view portable_data_hash);
[[nodiscard]] std::string content_hash(const uuid_text &key);

/// The question who manages a user, as a key that is no uuid: empty if it is not the uuid of one. And back.
[[nodiscard]] uuid_text managers_key(std::string_view user);
[[nodiscard]] uuid_text managed_user(const uuid_text &key);

/// What a uuid is the uuid of: its eighth to twelfth character (facts: identifiers).
enum class object_class : std::uint8_t {
    none, ///< not a uuid, or of an unknown class: nobody reads it but administrators
    collection,
    group,
    container_request,
    container,
    workflow,
    user,
    link,
    token,
    virtual_machine,
    credential,
    authorized_key,
    keep_service,
    user_agreement, ///< without rules
    log,            ///< likewise
};

[[nodiscard]] object_class class_of(std::string_view uuid);
/// The resource in the path of the REST API, which is also the name of the table, such as `collections`;
/// empty for `none`. And back.
[[nodiscard]] std::string_view resource_of(object_class what);
[[nodiscard]] object_class class_of_resource(std::string_view resource);

} // namespace walcast

template <>
struct std::hash<walcast::uuid_text> {
    std::size_t operator()(const walcast::uuid_text &of) const {
        return std::hash<std::string_view>{}(of.view());
    }
};
