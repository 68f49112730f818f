#include "server/protocol/object_kind.hpp"

#include <doctest/doctest.h>
#include <string>

using namespace walcast;

TEST_CASE("the kind is in the class part of the uuid") {
    CHECK(object_kind("zzzzz-4zz18-000000000000001") == "arvados#collection");
    CHECK(object_kind("zzzzz-xvhdp-000000000000001") == "arvados#containerRequest");
    CHECK(object_kind("zzzzz-oss07-000000000000001") == "arvados#credential");
    CHECK(object_kind("zzzzz-2x53u-000000000000001") == "arvados#virtualMachine");
    CHECK(object_kind("zzzzz-xxxxx-000000000000001") == "");
}

TEST_CASE("a portable data hash is a collection, with hints or without") {
    const std::string hash = "d41d8cd98f00b204e9800998ecf8427e";
    CHECK(object_kind(hash + "+0") == "arvados#collection");
    CHECK(object_kind(hash + "+67108864+Kzzzzz") == "arvados#collection");
    CHECK(object_kind(hash) == "");
    CHECK(object_kind(hash + "+") == "");
    CHECK(object_kind(hash + "+x") == "");
    CHECK(object_kind("g" + hash.substr(1) + "+0") == "");
}

TEST_CASE("anything may stand in object_uuid") {
    for (const auto *text : {"", "-", "zzzzz-4zz18-00000000000001", "zzzzz-4zz18-0000000000000012",
                             "zzzzz_4zz18_000000000000001"})
        CHECK(object_kind(text) == "");
}
