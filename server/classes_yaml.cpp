#include "server/classes_yaml.hpp"

#include "server/config.hpp"
#include "server/config_yaml.hpp"
#include "server/ops/data_path.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace walcast {

namespace {

using names = std::unordered_set<std::string>;
using fields = std::map<std::string, yaml_value, std::less<>>;

constexpr std::string_view known[] = {"class",    "uuid_infix", "table",     "resource",
                                      "key",      "owner",      "published", "secret",
                                      "withheld", "on_demand",  "serialized"};
constexpr std::size_t infix_size = 5;

/// Lower-case letters, digits and `_`: what Arvados' tables, columns and uuids are made of. Nothing that
/// needs quoting gets from the file into SQL or JSON.
bool plain(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char one) {
        return (one >= 'a' && one <= 'z') || (one >= '0' && one <= '9') || one == '_';
    });
}

/// One class, and the name that it has in complaints.
class class_reader {
  public:
    explicit class_reader(const yaml_value &of)
        : of_(of) {
        for (auto &[key, content] : of.entries())
            fields_.emplace(key, std::move(content));
        name_ = text("class");
        if (!name_.starts_with("arvados#"))
            fail("its name must begin with arvados#");
        for (const auto &[key, content] : fields_)
            if (std::find(std::begin(known), std::end(known), key) == std::end(known))
                fail(fmt::format("unknown key {}", key));
    }

    [[nodiscard]] record_class read() const {
        record_class made;
        made.kind = name_;
        made.infix = identifier("uuid_infix");
        if (made.infix.size() != infix_size)
            fail(fmt::format("uuid_infix must have {} characters", infix_size));
        made.table = identifier("table");
        made.resource = identifier("resource");
        made.published = list("published");
        const names published(made.published.begin(), made.published.end());
        if (!published.contains("uuid"))
            fail("uuid must be published");
        for (const auto &column : list("secret"))
            if (published.contains(column))
                fail(fmt::format("{} is secret, and published", column));
        for (auto &column : list("serialized")) {
            if (!published.contains(column))
                fail(fmt::format("{} is serialized, and not published", column));
            made.serialized.insert(std::move(column));
        }
        return made;
    }

    [[noreturn]] void fail(std::string_view why) const {
        of_.fail(name_.empty() ? std::string(why) : fmt::format("{}: {}", name_, why));
    }

  private:
    [[nodiscard]] std::string text(std::string_view key) const {
        const auto found = fields_.find(key);
        if (found == fields_.end())
            fail(fmt::format("{} is missing", key));
        return found->second.text();
    }
    [[nodiscard]] std::string identifier(std::string_view key) const {
        auto name = text(key);
        if (!plain(name))
            fail(fmt::format("{}: {:?} is no name", key, name));
        return name;
    }
    [[nodiscard]] std::vector<std::string> list(std::string_view key) const {
        std::vector<std::string> made;
        const auto found = fields_.find(key);
        if (found == fields_.end())
            return made;
        for (const auto &item : found->second.items()) {
            made.push_back(item.text());
            if (!plain(made.back()))
                fail(fmt::format("{}: {:?} is no name", key, made.back()));
            if (std::count(made.begin(), made.end(), made.back()) != 1)
                fail(fmt::format("{}: {} is there twice", key, made.back()));
        }
        return made;
    }

    const yaml_value &of_;
    std::string name_;
    fields fields_;
};

} // namespace

record_classes load_record_classes(const std::filesystem::path &file) {
    const auto read = read_yaml_file(file.string());
    std::optional<yaml_value> list;
    for (auto &[key, content] : read.root.entries())
        if (key == "classes")
            list = content;
    if (!list)
        read.root.fail("no classes here");
    std::vector<record_class> made;
    names taken;
    for (const auto &item : list->items()) {
        const class_reader reader(item);
        auto one = reader.read();
        for (const auto &name : {one.kind, one.infix, one.table})
            if (!taken.insert(name).second)
                reader.fail(fmt::format("another class has {} already", name));
        made.push_back(std::move(one));
    }
    if (made.empty())
        list->fail("no classes here");
    return record_classes(std::move(made));
}

std::filesystem::path classes_file() {
    return data_path("WALCAST_CLASSES", std::filesystem::path("schema") / "classes.yaml");
}

} // namespace walcast
