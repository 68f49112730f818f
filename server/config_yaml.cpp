#include "server/config_yaml.hpp"

#include "server/config.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <fstream>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <utility>

namespace walcast {

namespace {

constexpr std::size_t largest_file = std::size_t{16} << 20;
// What one map may merge with `<<`: entries looked at, repeated ones included, and `<<` in `<<` in … (a map
// may even merge itself).
constexpr std::size_t most_entries = 20'000;
constexpr unsigned deepest_merge = 8;

std::string kind(const YAML::Node &node) {
    return node.IsMap()        ? "a map"
           : node.IsSequence() ? "a list"
           : node.IsNull()     ? "nothing"
                               : "a single value";
}

std::string sha256_hex(std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw config_error("cannot compute a SHA-256 digest");
    std::string hex;
    for (unsigned i = 0; i < size; ++i)
        hex += fmt::format("{:02x}", digest[i]);
    return hex;
}

std::string read_whole(const std::string &path) {
    errno = 0;
    std::ifstream in(path, std::ios::binary);
    std::string bytes(largest_file + 1, '\0');
    if (!in || !(in.read(bytes.data(), static_cast<std::streamsize>(bytes.size())) || in.eof()))
        throw config_error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (bytes.size() > largest_file)
        throw config_error(fmt::format("{}: larger than 16 MiB", path));
    return bytes;
}

} // namespace

yaml_value::yaml_value(YAML::Node node, std::shared_ptr<const std::string> file, std::string path, int line)
    : node_(node) // a handle: YAML::Node has no move
    , file_(std::move(file))
    , path_(std::move(path))
    , line_(line) {}

bool yaml_value::is_null() const {
    return node_.IsNull();
}

bool yaml_value::is_map() const {
    return node_.IsMap();
}

std::string yaml_value::text() const {
    if (!node_.IsScalar())
        fail(fmt::format("must be a single value, not {}", kind(node_)));
    return node_.Scalar();
}

std::vector<yaml_value> yaml_value::items() const {
    std::vector<yaml_value> made;
    if (node_.IsNull())
        return made;
    if (!node_.IsSequence())
        fail(fmt::format("must be a list, not {}", kind(node_)));
    for (const auto &item : node_)
        made.emplace_back(item, file_, fmt::format("{}[{}]", path_, made.size()),
                          std::max(item.Mark().line, 0) + 1);
    return made;
}

std::vector<yaml_entry> yaml_value::entries() const {
    std::vector<yaml_entry> entries;
    if (node_.IsNull())
        return entries;
    if (!node_.IsMap())
        fail(fmt::format("must be a map, not {}", kind(node_)));
    auto budget = most_entries;
    collect(node_, entries, budget, 0);
    return entries;
}

void yaml_value::collect(const YAML::Node &map, std::vector<yaml_entry> &into, std::size_t &budget,
                         unsigned depth) const {
    if (depth > deepest_merge)
        fail("`<<` goes too deep");
    const auto before = into.size();
    std::vector<YAML::Node> merged;
    for (const auto &item : map) {
        if (budget-- == 0)
            fail("has too many entries");
        const auto line = item.first.Mark().line + 1;
        if (!item.first.IsScalar())
            yaml_value(item.first, file_, path_, line).fail("a key must be a single value");
        const auto &key = item.first.Scalar();
        if (key == "<<" && item.second.IsMap()) {
            merged.push_back(item.second);
            continue;
        }
        if (key == "<<" && item.second.IsSequence()) {
            for (const auto &part : item.second)
                if (part.IsMap() && merged.size() < most_entries)
                    merged.push_back(part);
            continue;
        }
        const auto same =
            std::find_if(into.begin(), into.end(), [&](const auto &entry) { return entry.key == key; });
        yaml_value value(item.second, file_, path_.empty() ? key : path_ + '.' + key, line);
        if (same == into.end())
            into.push_back({key, std::move(value)});
        else if (same >= into.begin() + static_cast<std::ptrdiff_t>(before))
            value.fail("given twice");
    }
    for (const auto &part : merged) {
        if (budget-- == 0)
            fail("has too many entries");
        collect(part, into, budget, depth + 1);
    }
}

void yaml_value::fail(std::string_view why) const {
    if (path_.empty())
        throw config_error(fmt::format("{}:{}: {}", *file_, line_, why));
    throw config_error(fmt::format("{}:{}: {}: {}", *file_, line_, path_, why));
}

yaml_file read_yaml_file(const std::string &path) {
    const auto bytes = read_whole(path);
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0)
        throw config_error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
    try {
        // Without the line feeds at the end: followed by one, yaml-cpp takes an unclosed quote for closed.
        const auto root = YAML::Load(bytes.substr(0, bytes.find_last_not_of(" \t\r\n") + 1));
        return {{root, std::make_shared<const std::string>(path), {}, std::max(root.Mark().line, 0) + 1},
                sha256_hex(bytes),
                static_cast<double>(status.st_mtim.tv_sec) +
                    1e-9 * static_cast<double>(status.st_mtim.tv_nsec)};
    } catch (const YAML::Exception &error) {
        // After a colon yaml-cpp repeats what it read, which may be a part of a password that was not quoted.
        throw config_error(fmt::format("{}:{}: not valid YAML: {}", path, std::max(error.mark.line, 0) + 1,
                                       error.msg.substr(0, error.msg.find(':'))));
    }
}

} // namespace walcast
