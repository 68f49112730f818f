#include "server/access/uuid_key.hpp"

namespace walcast {

namespace {
__extension__ using wide = unsigned __int128;

constexpr std::size_t prefix_size = 12; // with the second hyphen
constexpr std::size_t digits = 15;
constexpr unsigned suffix_bits = 78; // 36^15 < 2^78

int digit_of(char one) {
    if (one >= '0' && one <= '9')
        return one - '0';
    if (one >= 'a' && one <= 'z')
        return one - 'a' + 10;
    return -1;
}

/// Whether the text has the form of a uuid, and the number that its last fifteen characters are.
bool parse(std::string_view uuid, wide &suffix) {
    if (uuid.size() != prefix_size + digits || uuid[5] != '-' || uuid[11] != '-')
        return false;
    suffix = 0;
    for (const char one : uuid.substr(prefix_size)) {
        const int digit = digit_of(one);
        if (digit < 0)
            return false;
        suffix = suffix * 36 + static_cast<unsigned>(digit);
    }
    return true;
}

wide number_of_bits(const uuid_key &of) {
    return of.words[0] | (static_cast<wide>(of.words[1]) << 32) | (static_cast<wide>(of.words[2]) << 64);
}

uuid_key join(std::uint32_t number, wide suffix) {
    const wide all = (static_cast<wide>(number) << suffix_bits) | suffix;
    return {{static_cast<std::uint32_t>(all), static_cast<std::uint32_t>(all >> 32),
             static_cast<std::uint32_t>(all >> 64)}};
}
} // namespace

std::uint64_t uuid_key::hash() const {
    // The finalizer of MurmurHash3, once for each 64 bits.
    const auto mix = [](std::uint64_t x) {
        x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
        x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
        return x ^ (x >> 33);
    };
    return mix((words[0] | (std::uint64_t{words[1]} << 32)) ^ mix(words[2]));
}

std::uint32_t uuid_keys::number_of(std::string_view prefix) const {
    if (last_ != 0 && prefixes_[last_ - 1] == prefix)
        return last_;
    const auto found = numbers_.find(std::string(prefix));
    if (found == numbers_.end())
        return 0;
    return last_ = found->second;
}

uuid_key uuid_keys::find(std::string_view uuid) const {
    wide suffix = 0;
    if (!parse(uuid, suffix))
        return {};
    const auto number = number_of(uuid.substr(0, prefix_size));
    return number == 0 ? uuid_key() : join(number, suffix);
}

uuid_key uuid_keys::make(std::string_view uuid) {
    wide suffix = 0;
    if (!parse(uuid, suffix))
        return {};
    const auto prefix = uuid.substr(0, prefix_size);
    auto number = number_of(prefix);
    if (number == 0) {
        if (prefixes_.size() == most_prefixes)
            return {};
        prefixes_.emplace_back(prefix);
        number = static_cast<std::uint32_t>(prefixes_.size());
        numbers_.emplace(prefix, number);
    }
    return join(number, suffix);
}

std::string uuid_keys::text(const uuid_key &of) const {
    wide all = number_of_bits(of);
    const auto number = static_cast<std::size_t>(all >> suffix_bits);
    if (number == 0 || number > prefixes_.size())
        return {};
    std::string made = prefixes_[number - 1] + std::string(digits, '0');
    all &= (static_cast<wide>(1) << suffix_bits) - 1;
    for (std::size_t place = made.size(); place > prefix_size; all /= 36) {
        const auto digit = static_cast<unsigned>(all % 36);
        made[--place] = static_cast<char>(digit < 10 ? '0' + digit : 'a' + (digit - 10));
    }
    return made;
}

bool uuid_keys::comes_before(const uuid_key &one, const uuid_key &other) const {
    const auto left = number_of_bits(one), right = number_of_bits(other);
    const auto prefix = static_cast<std::size_t>(left >> suffix_bits);
    const auto others = static_cast<std::size_t>(right >> suffix_bits);
    // Digits come before letters, in base 36 as in ASCII.
    return prefix == others ? left < right : prefixes_[prefix - 1] < prefixes_[others - 1];
}

} // namespace walcast
