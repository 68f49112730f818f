#include "server/feed/position.hpp"
#include "server/feed/relation.hpp"
#include "server/feed/value.hpp"

#include <doctest/doctest.h>
#include <limits>
#include <string>

using namespace walcast;
using namespace std::string_literals;

namespace {
value text(std::string_view of) {
    return {value_kind::text, of};
}
value binary(std::string_view of) {
    return {value_kind::binary, of};
}
} // namespace

TEST_CASE("an LSN is written and read as PostgreSQL does") {
    CHECK(to_string(lsn{0x16'b374d848}) == "16/B374D848");
    CHECK(parse_lsn("16/B374D848") == lsn{0x16'b374d848});
    CHECK(parse_lsn("0/0") == lsn{0});
    for (const auto *bad : {"", "/", "1/", "/1", "1", "1/g", "1/123456789", "-1/2", "1/2 "})
        CHECK_FALSE(parse_lsn(bad).has_value());
}

TEST_CASE("integers in text and in binary of each width") {
    CHECK(to_integer(text("-42"), pg_type::int8) == -42);
    CHECK_FALSE(to_integer(text("4x"), pg_type::int8).has_value());
    CHECK_FALSE(to_integer(text(""), pg_type::int8).has_value());
    CHECK(to_integer(binary("\xff\xfe"s), pg_type::int2) == -2);
    CHECK(to_integer(binary("\0\0\1\0"s), pg_type::int4) == 256);
    CHECK(to_integer(binary("\x80\0\0\0\0\0\0\0"s), pg_type::int8) ==
          std::numeric_limits<std::int64_t>::min());
    CHECK_FALSE(to_integer(binary("\0\1"s), pg_type::int8).has_value());
    CHECK_FALSE(to_integer({value_kind::null, {}}, pg_type::int8).has_value());
}

TEST_CASE("times in text and in binary") {
    CHECK(to_unix_microseconds(text("1970-01-01 00:00:00"), pg_type::timestamp) == 0);
    CHECK(to_unix_microseconds(text("2026-01-02 03:04:05.678901"), pg_type::timestamp) ==
          1'767'323'045'678'901);
    CHECK(to_unix_microseconds(text("2000-02-29 00:00:00.1"), pg_type::timestamp) == 951'782'400'100'000);
    CHECK(to_unix_microseconds(binary("\0\0\0\0\0\0\0\1"s), pg_type::timestamp) ==
          postgres_epoch_unix_us + 1);
    CHECK_FALSE(
        to_unix_microseconds(binary("\x7f\xff\xff\xff\xff\xff\xff\xff"s), pg_type::timestamp).has_value());
    CHECK_FALSE(to_unix_microseconds(binary("\x7f\xff\xff\x5b\xb3\xb2\x9f\xff"s), pg_type::timestamp)
                    .has_value()); // the last one
    CHECK_FALSE(to_unix_microseconds(text("294276-12-31 23:59:59.999999"), pg_type::timestamp).has_value());
    CHECK(to_unix_microseconds(text("292276-12-31 23:59:59"), pg_type::timestamp).has_value());
    CHECK_FALSE(to_unix_microseconds(text("infinity"), pg_type::timestamp).has_value());
}

TEST_CASE("the binary form of another type is nothing, however many bytes it has") {
    const auto eight = binary("20260102");
    CHECK(to_integer(eight, pg_type::text) == 20'260'102);
    for (const auto type : {pg_type::float8, pg_type::timestamp, pg_type::jsonb, 0U, 2950U})
        CHECK_FALSE_MESSAGE(to_integer(eight, type).has_value(), type);
    for (const auto type : {pg_type::int8, pg_type::float8, pg_type::text, 0U, 2950U})
        CHECK_FALSE_MESSAGE(to_unix_microseconds(eight, type).has_value(), type);
    CHECK(to_unix_microseconds(binary("2026-01-02"), pg_type::text) == 1'767'312'000'000'000);
    for (const auto type : {pg_type::int8, pg_type::timestamp, pg_type::boolean, 2950U})
        CHECK_FALSE_MESSAGE(to_text(eight, type).has_value(), type);
}

TEST_CASE("times as clients write them") {
    CHECK(parse_timestamp("2026-01-02T03:04:05Z") == 1'767'323'045'000'000);
    CHECK(parse_timestamp("2026-01-02T04:04:05+01:00") == 1'767'323'045'000'000);
    CHECK(parse_timestamp("2026-01-01T22:04:05.5-0500") == 1'767'323'045'500'000);
    CHECK(parse_timestamp("2026-01-02") == 1'767'312'000'000'000);
    CHECK(parse_timestamp("2026-01-02 03:04") == 1'767'323'040'000'000);
    for (const auto *bad : {"", "yesterday", "2026-13-01", "2026-02-30", "2026-01-02T",
                            "2026-01-02 03:04:05 BC", "2026-01-02T03:04:05.Z", "2026-01-02T25:00:00Z"})
        CHECK_FALSE_MESSAGE(parse_timestamp(bad).has_value(), bad);
}

TEST_CASE("jsonb in binary carries a version byte") {
    CHECK(to_text(binary("\1{}"s), pg_type::jsonb) == "{}");
    CHECK_FALSE(to_text(binary("\2{}"s), pg_type::jsonb).has_value());
    CHECK(to_text(text("{}"), pg_type::jsonb) == "{}");
    CHECK_FALSE(to_text({value_kind::unchanged, {}}, pg_type::text).has_value());
}
