#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace walcast {

/// A uuid in 92 bits, exactly: the number of its first eleven characters in a dictionary (14 bits), and its
/// fifteen base-36 digits (78 bits). The uppermost four bits are free, and zero here. Null is no uuid.
struct uuid_key {
    std::array<std::uint32_t, 3> words{};

    explicit operator bool() const { return words[0] != 0 || words[1] != 0 || words[2] != 0; }
    bool operator==(const uuid_key &) const = default;
    [[nodiscard]] std::uint64_t hash() const;
};

struct uuid_key_hash {
    std::size_t operator()(const uuid_key &of) const { return of.hash(); }
};

/// Makes keys of uuids. The dictionary knows which cluster and class are the first eleven characters; there
/// are some tens of these in a database, so it only grows.
class uuid_keys {
  public:
    static constexpr std::size_t most_prefixes = (1U << 14) - 1;

    /// Null if the text is not a uuid in lower case, or of a cluster and class of which none was made: then
    /// no set has it.
    [[nodiscard]] uuid_key find(std::string_view uuid) const;
    /// Null if the text is not a uuid, or the dictionary is full.
    [[nodiscard]] uuid_key make(std::string_view uuid);
    [[nodiscard]] std::string text(const uuid_key &of) const;
    /// As their texts do. Both are keys that were made here.
    [[nodiscard]] bool comes_before(const uuid_key &one, const uuid_key &other) const;

  private:
    /// 0 if there is none.
    [[nodiscard]] std::uint32_t number_of(std::string_view prefix) const;

    std::unordered_map<std::string, std::uint32_t> numbers_; ///< from 1 on
    mutable std::uint32_t last_ = 0; ///< found last: most uuids that come one after the other are of a class
    std::vector<std::string> prefixes_;
};

} // namespace walcast
