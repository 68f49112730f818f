#include "server/access/grant_set.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <map>
#include <random>
#include <string>

namespace walcast {

namespace {
std::string uuid(std::uint64_t number) {
    return fmt::format("zzzzz-j7d0g-{:015d}", number);
}
} // namespace

TEST_CASE("a uuid is its key and back") {
    uuid_keys keys;
    for (const std::string text :
         {"zzzzz-j7d0g-000000000000000", "zzzzz-j7d0g-zzzzzzzzzzzzzzz", "00000-4zz18-0a1b2c3d4e5f6g7"}) {
        const auto key = keys.make(text);
        CHECK(key);
        CHECK(keys.text(key) == text);
        CHECK(keys.find(text) == key);
    }
    CHECK_FALSE(keys.find("xxxxx-j7d0g-000000000000000"));
    for (const std::string text : {"", "zzzzz-j7d0g-00000000000000", "zzzzz-j7d0g-0000000000000000",
                                   "zzzzz-j7d0g-00000000000000A", "zzzzz_j7d0g-000000000000000",
                                   "zzzzz-j7d0g-00000000000000\xc3", "d41d8cd98f00b204e9800998ecf8427e+0"})
        CHECK_FALSE_MESSAGE(keys.make(text), text);
}

TEST_CASE("the dictionary of prefixes is bounded") {
    uuid_keys keys;
    std::size_t made = 0;
    for (unsigned number = 0; number < uuid_keys::most_prefixes + 10; ++number)
        made += static_cast<bool>(keys.make(fmt::format("{:05d}-j7d0g-000000000000000", number)));
    CHECK(made == uuid_keys::most_prefixes);
    CHECK(keys.text(keys.find("00007-j7d0g-000000000000000")) == "00007-j7d0g-000000000000000");
}

TEST_CASE("a set does as a map does") {
    std::mt19937 random(11);
    uuid_keys keys;
    grant_set set;
    std::map<std::string, grant> model;
    for (int step = 0; step < 60'000; ++step) {
        // It grows, and later shrinks.
        const auto one = uuid(random() % (step < 30'000 ? 4'000 : 6'000));
        grant to{static_cast<std::uint8_t>(random() % 4), random() % 2 == 0};
        if (step >= 30'000 && random() % 3 != 0)
            to = {};
        if (to.level == 0)
            to.owned = false;
        const auto before = model.contains(one) ? model[one] : grant();
        REQUIRE(set.set(keys.make(one), to) == before);
        if (to.level == 0)
            model.erase(one);
        else
            model[one] = to;
        REQUIRE(set.size() == model.size());
    }
    for (int number = 0; number < 6'000; ++number) {
        const auto found = model.find(uuid(number));
        REQUIRE(set.find(keys.find(uuid(number))) == (found == model.end() ? grant() : found->second));
    }
    std::size_t seen = 0;
    set.for_each([&](const uuid_key &target, grant granted) {
        ++seen;
        REQUIRE(model.at(keys.text(target)) == granted);
    });
    CHECK(seen == model.size());
    CHECK(set.find(uuid_key()) == grant());
    set.clear();
    CHECK(set.size() == 0);
    CHECK(set.find(keys.find(uuid(1))) == grant());
}

TEST_CASE("a target takes at most 16 bytes") {
    uuid_keys keys;
    for (const std::size_t count : {1'000U, 12'345U, 100'000U, 131'073U}) {
        grant_set grown, reserved;
        reserved.reserve(count);
        for (std::size_t number = 0; number < count; ++number) {
            grown.set(keys.make(uuid(number * 7919)), {1, true});
            reserved.set(keys.make(uuid(number * 7919)), {1, true});
        }
        CHECK(grown.bytes() <= 16 * count + 512);
        CHECK(reserved.bytes() <= 16 * count + 512);
        for (std::size_t number = 0; number < count / 2; ++number)
            grown.set(keys.make(uuid(number * 7919)), {});
        CHECK(grown.bytes() <= 17 * grown.size() + 512);
    }
}

} // namespace walcast
