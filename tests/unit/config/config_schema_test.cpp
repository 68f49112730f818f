#include "server/config_settings.hpp"
#include "tests/unit/config/config_file.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <rapidjson/document.h>
#include <set>
#include <sstream>

using namespace walcast;

namespace {

std::string repository_file(const std::string &name) {
    std::ifstream in(std::string(WALCAST_TESTS) + "/../" + name, std::ios::binary);
    REQUIRE_MESSAGE(in, name);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Keys with their schemas, below `Clusters.<id>`.
using keys = std::map<std::string, const rapidjson::Value *>;

void collect(const rapidjson::Value &properties, const std::string &prefix, keys &into) {
    for (const auto &[name, schema] : properties.GetObject()) {
        const auto path = prefix + name.GetString();
        CHECK_MESSAGE(schema.HasMember("description"), path);
        if (schema.HasMember("default"))
            into.emplace(path, &schema);
        else
            collect(schema["properties"], path + '.', into);
    }
}

rapidjson::Document schema() {
    rapidjson::Document document;
    document.Parse(repository_file("schema/config.schema.json").c_str());
    REQUIRE_FALSE(document.HasParseError());
    return document;
}

keys schema_keys(const rapidjson::Document &document) {
    keys found;
    collect(document["properties"]["Clusters"]["patternProperties"].MemberBegin()->value["properties"], {},
            found);
    return found;
}

std::string as_written(const rapidjson::Value &value) {
    if (value.IsString())
        return value.GetString();
    if (value.IsBool())
        return value.GetBool() ? "true" : "false";
    return value.IsObject() ? "" : std::to_string(value.GetUint64());
}

/// The value as walcast shows it after reading it: `60s` and `1m` are the same.
std::string shown(const setting &known, const std::string &written) {
    config c;
    if (!written.empty())
        known.read(
            c, yaml_value(YAML::Node(written), std::make_shared<const std::string>("schema"), known.path, 1));
    return known.show(c);
}

} // namespace

TEST_CASE("the schema names the keys that are read, in their order, and their defaults") {
    const auto document = schema();
    auto found = schema_keys(document);
    for (const auto &known : all_settings()) {
        const auto key = found.find(known.path);
        REQUIRE_MESSAGE(key != found.end(), known.path);
        CHECK_MESSAGE(shown(known, as_written((*key->second)["default"])) == known.show(config{}),
                      known.path);
        if ((*key->second)["type"] == "integer" && !known.most.empty()) {
            CHECK_MESSAGE(as_written((*key->second)["minimum"]) == known.least, known.path);
            CHECK_MESSAGE(as_written((*key->second)["maximum"]) == known.most, known.path);
        }
        found.erase(key);
    }
    for (const auto &[path, key] : found)
        FAIL_CHECK("in the schema, but never read: " << path);
}

TEST_CASE("the documentation has a row for each key, with its default and its limits") {
    const auto document = schema();
    const auto defaults = schema_keys(document);
    const auto page = repository_file("docs/configuration.md");
    for (const auto &known : all_settings()) {
        const std::string_view ours = "Walcast.";
        const auto name = known.path.starts_with(ours) ? known.path.substr(ours.size()) : known.path;
        const auto written = as_written((*defaults.at(known.path))["default"]);
        const auto row =
            fmt::format("\n| `{}` | {} | {} | ", name, written.empty() ? "" : '`' + written + '`',
                        known.most.empty() ? "" : known.least + " to " + known.most);
        CHECK_MESSAGE(page.find(row) != std::string::npos, row);
    }
}

TEST_CASE("the systemd units leave time to drain and a descriptor for each client") {
    for (const auto *name :
         {"deploy/systemd/walcast.service", "deploy/systemd/arvados-ws.service.d/walcast.conf"}) {
        const auto unit = repository_file(name);
        const auto number = [&](const std::string &key) {
            const auto at = unit.find('\n' + key + '=');
            REQUIRE_MESSAGE(at != std::string::npos, key);
            return std::stoul(unit.substr(at + key.size() + 2));
        };
        CHECK(std::chrono::seconds(number("TimeoutStopSec")) > config{}.drain_timeout);
        CHECK(number("LimitNOFILE") > config{}.max_connections + 1000);
        CHECK(number("RestartPreventExitStatus") == 78);
    }
}

TEST_CASE("the configuration of the demo is accepted") {
    auto text = repository_file("deploy/demo/config.yml");
    for (const auto &[name, value] : {std::pair{"@PGHOST@", "/tmp"}, {"@PGPORT@", "5433"}}) {
        const auto at = text.find(name);
        REQUIRE_MESSAGE(at != std::string::npos, name);
        text.replace(at, std::string_view(name).size(), value);
    }
    CHECK(text.find('@') == std::string::npos);
    const auto c = load_text(text);
    CHECK(c.cluster_id == "zzzzz");
    CHECK(c.listen == listen_address{false, "127.0.0.1", 8005});
    CHECK(c.postgresql.at("host") == "/tmp");
    CHECK(c.postgresql.at("port") == "5433");
    CHECK_FALSE(c.management_token.empty());
    CHECK_FALSE(c.system_root_token.empty());
}
