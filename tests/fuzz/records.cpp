#include "tests/fuzz/records.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

namespace walcast::fuzz {

namespace {
constexpr std::size_t longest = 0xffff;

std::vector<std::string> owned(std::string_view input) {
    const auto views = split_records(input);
    return {views.begin(), views.end()};
}

std::size_t store(const std::vector<std::string> &records, std::uint8_t *into, std::size_t room) {
    const auto bytes = join_records(records);
    const auto size = std::min(bytes.size(), room);
    std::memcpy(into, bytes.data(), size);
    return size;
}
} // namespace

std::vector<std::string_view> split_records(std::string_view input) {
    std::vector<std::string_view> made;
    while (input.size() >= 2) {
        const auto length = static_cast<std::size_t>(static_cast<unsigned char>(input[0])) |
                            static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8U;
        made.push_back(input.substr(2, length));
        input.remove_prefix(2 + made.back().size());
    }
    return made;
}

std::string join_records(const std::vector<std::string> &records) {
    std::string made;
    for (const auto &one : records) {
        const auto length = std::min(one.size(), longest);
        made.push_back(static_cast<char>(length & 0xffU));
        made.push_back(static_cast<char>(length >> 8U));
        made.append(one, 0, length);
    }
    return made;
}

} // namespace walcast::fuzz

using namespace walcast::fuzz;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t *data, std::size_t size, std::size_t room);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t *data, std::size_t size, std::size_t room,
                                               unsigned seed) {
    std::minstd_rand random(seed);
    auto records = owned(as_text(data, size));
    const auto pick = [&] { return random() % records.size(); };
    const auto action = random() % 10;
    if (records.empty() || action == 0) {
        records.insert(records.begin() + static_cast<std::ptrdiff_t>(random() % (records.size() + 1)),
                       std::string());
    } else if (action == 1) {
        records.erase(records.begin() + static_cast<std::ptrdiff_t>(pick()));
    } else if (action == 2) {
        const auto doubled = records[pick()];
        records.insert(records.begin() + static_cast<std::ptrdiff_t>(pick()), doubled);
    } else if (action == 3) {
        std::swap(records[pick()], records[pick()]);
    } else {
        auto &one = records[pick()];
        const auto old = one.size();
        one.resize(std::min(longest, std::max<std::size_t>(64, 2 * old)));
        auto *const bytes = reinterpret_cast<std::uint8_t *>(one.data());
        one.resize(LLVMFuzzerMutate(bytes, old, one.size()));
    }
    return store(records, data, room);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t *one, std::size_t one_size,
                                                 const std::uint8_t *other, std::size_t other_size,
                                                 std::uint8_t *into, std::size_t room, unsigned seed) {
    std::minstd_rand random(seed);
    auto records = owned(as_text(one, one_size));
    const auto others = owned(as_text(other, other_size));
    records.resize(records.empty() ? 0 : random() % records.size() + 1);
    const auto from = others.empty() ? 0 : random() % others.size();
    records.insert(records.end(), others.begin() + static_cast<std::ptrdiff_t>(from), others.end());
    return store(records, into, room);
}
