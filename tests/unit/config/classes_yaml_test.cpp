#include "server/classes_yaml.hpp"

#include "tests/unit/config/config_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <string>

using namespace walcast;

namespace {

/// What an operator reads when the file is wrong, or "" if it is accepted.
std::string wrong(const std::string &text) {
    const config_folder folder;
    try {
        static_cast<void>(load_record_classes(folder.file("classes.yaml", text)));
        return {};
    } catch (const config_error &error) {
        return folder.without_folder(error.what());
    }
}

/// A file of one class, with `more` at its end.
std::string one_class(const std::string &more = {}, const std::string &published = "[id, uuid, mounts]",
                      const std::string &infix = "dz642", const std::string &table = "containers") {
    return "classes:\n  - class: arvados#container\n    uuid_infix: " + infix + "\n    table: " + table +
           "\n    resource: containers\n    published: " + published + "\n" + more;
}

} // namespace

TEST_CASE("the file of the source tree is found, and says what records have") {
    const auto file = classes_file();
    CHECK(std::filesystem::equivalent(file, std::filesystem::path(WALCAST_TESTS).parent_path() / "schema" /
                                                "classes.yaml"));
    const auto classes = load_record_classes(file);
    CHECK(classes.all().size() == 13);
    const auto *container = classes.of_uuid("zzzzz-dz642-000000000000000");
    REQUIRE(container != nullptr);
    CHECK(container->kind == "arvados#container");
    CHECK((container->table == "containers" && container->resource == "containers"));
    CHECK(container->published.front() == "id");
    CHECK(container->published.back() == "published_ports");
    CHECK((container->serialized.contains("mounts") && !container->serialized.contains("runtime_status")));
    CHECK(std::count(container->published.begin(), container->published.end(), "runtime_token") == 0);
    const auto *collection = classes.of_table("public", "collections");
    REQUIRE(collection != nullptr);
    CHECK(std::count(collection->published.begin(), collection->published.end(), "manifest_text") == 0);
    CHECK(classes.of_uuid("zzzzz-gv0sa-000000000000000") == nullptr); // a class without a table
}

TEST_CASE("the environment says where another file is") {
    REQUIRE(::setenv("WALCAST_CLASSES", "/elsewhere.yaml", 1) == 0);
    CHECK(classes_file() == "/elsewhere.yaml");
    REQUIRE(::unsetenv("WALCAST_CLASSES") == 0);
}

TEST_CASE("nonsense is refused with the file, the line and the class") {
    CHECK(wrong(one_class()).empty());
    CHECK(
        wrong(one_class("    serialized: [mounts]\n    secret: [runtime_token]\n    owner: null\n")).empty());
    const std::string here = "DIR/classes.yaml:2: classes[0]: arvados#container: ";
    CHECK(wrong(one_class("    serialised: [mounts]\n")) == here + "unknown key serialised");
    CHECK(wrong(one_class("    serialized: [mount]\n")) == here + "mount is serialized, and not published");
    CHECK(wrong(one_class("    secret: [mounts]\n")) == here + "mounts is secret, and published");
    CHECK(wrong(one_class({}, "[id, mounts]")) == here + "uuid must be published");
    CHECK(wrong(one_class({}, "[uuid, uuid]")) == here + "published: uuid is there twice");
    CHECK(wrong(one_class({}, "[uuid, 'a\"b']")) == here + R"(published: "a\"b" is no name)");
    CHECK(wrong(one_class({}, "uuid")) ==
          "DIR/classes.yaml:6: classes[0].published: must be a list, not a single value");
    CHECK(wrong(one_class({}, "[uuid, [x]]")) ==
          "DIR/classes.yaml:6: classes[0].published[1]: must be a single value, not a list");
    CHECK(wrong(one_class({}, "[uuid]", "dz64")) == here + "uuid_infix must have 5 characters");
    CHECK(wrong(one_class({}, "[uuid]", "dz642", "public.containers")) ==
          here + R"(table: "public.containers" is no name)");
    CHECK(wrong("classes:\n  - class: container\n") ==
          "DIR/classes.yaml:2: classes[0]: container: its name must begin with arvados#");
    CHECK(wrong("classes:\n  - class: arvados#container\n") == here + "uuid_infix is missing");
    CHECK(wrong("classes:\n  - uuid_infix: dz642\n") == "DIR/classes.yaml:2: classes[0]: class is missing");
    const auto twice = one_class() + one_class().substr(std::string("classes:\n").size());
    CHECK(wrong(twice) == "DIR/classes.yaml:7: classes[1]: arvados#container: another class has "
                          "arvados#container already");
    CHECK(wrong("classes: []\n") == "DIR/classes.yaml:1: classes: no classes here");
    CHECK(wrong("klasses: []\n") == "DIR/classes.yaml:1: no classes here");
    CHECK(wrong("classes: {a: b}\n") == "DIR/classes.yaml:1: classes: must be a list, not a map");
    CHECK(wrong("classes: [\n").starts_with("DIR/classes.yaml:1: not valid YAML"));
}
