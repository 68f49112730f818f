#include "server/access/grant_set.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

namespace {
__extension__ using wide = unsigned __int128;

constexpr std::uint32_t value_shift = 28; // the key has 92 of the 96 bits
constexpr std::uint32_t key_mask = (1U << value_shift) - 1;
constexpr std::size_t least_homes = 8;
/// Room behind the last home for entries that were pushed on; more is made when it is used up.
constexpr std::size_t spare_slots = 16;

/// A table that was made anew is four fifths full.
std::size_t homes_for(std::size_t entries) {
    return std::max(least_homes, entries + entries / 4);
}
} // namespace

uuid_key grant_set::key_of(const slot &of) {
    return {{of[0], of[1], of[2] & key_mask}};
}

grant grant_set::grant_of(const slot &of) {
    const auto bits = of[2] >> value_shift;
    return {static_cast<std::uint8_t>(bits & 3), (bits & 4) != 0};
}

grant_set::slot grant_set::make(const uuid_key &target, grant of) {
    const auto bits = (of.level & 3U) | (of.owned ? 4U : 0U);
    return {target.words[0], target.words[1], target.words[2] | (bits << value_shift)};
}

std::size_t grant_set::home(const uuid_key &of) const {
    return static_cast<std::size_t>((static_cast<wide>(of.hash()) * homes_) >> 64);
}

grant grant_set::find(const uuid_key &target) const {
    if (size_ == 0 || !target)
        return {};
    for (auto place = home(target); place < slots_.size() && slots_[place] != slot(); ++place)
        if (key_of(slots_[place]) == target)
            return grant_of(slots_[place]);
    return {};
}

grant grant_set::set(const uuid_key &target, grant to) {
    if (!target)
        return {};
    if (size_ > 0) {
        for (auto place = home(target); place < slots_.size() && slots_[place] != slot(); ++place) {
            if (key_of(slots_[place]) != target)
                continue;
            const auto before = grant_of(slots_[place]);
            if (to.level == 0)
                erase(place);
            else
                slots_[place] = make(target, to);
            return before;
        }
    }
    if (to.level == 0)
        return {};
    if ((size_ + 1) * 10 > homes_ * 9)
        rebuild(homes_for(size_ + 1));
    insert(make(target, to));
    ++size_;
    return {};
}

void grant_set::insert(slot one) {
    // Whoever is nearer to its home than the newcomer makes room and is pushed on.
    auto place = home(key_of(one));
    for (; place < slots_.size() && slots_[place] != slot(); ++place)
        if (home(key_of(slots_[place])) > home(key_of(one)))
            std::swap(slots_[place], one);
    if (place < slots_.size()) {
        slots_[place] = one;
        return;
    }
    if (slots_.size() == slots_.capacity())
        slots_.reserve(slots_.size() + spare_slots); // not twice as many
    slots_.push_back(one);
}

void grant_set::erase(std::size_t place) {
    // Those behind it that are not at home move up.
    for (;
         place + 1 < slots_.size() && slots_[place + 1] != slot() && home(key_of(slots_[place + 1])) <= place;
         ++place)
        slots_[place] = slots_[place + 1];
    slots_[place] = slot();
    --size_;
    if (homes_ > least_homes && size_ * 4 < homes_ * 3)
        rebuild(homes_for(size_));
}

void grant_set::rebuild(std::size_t homes) {
    const auto before = std::exchange(slots_, {});
    homes_ = homes;
    slots_.reserve(homes + spare_slots);
    slots_.resize(homes);
    for (const auto &one : before)
        if (one != slot())
            insert(one);
}

void grant_set::reserve(std::size_t entries) {
    if (homes_for(entries) > homes_)
        rebuild(homes_for(entries));
}

void grant_set::clear() {
    slots_ = {};
    homes_ = size_ = 0;
}

} // namespace walcast
