#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <yaml-cpp/yaml.h>

namespace walcast {

struct yaml_entry;

/// A value in a YAML file that knows where it stands, so that whoever finds it wrong can say so in one line:
/// `/etc/arvados/config.yml:12: Clusters.zzzzz.Walcast.Slot: <why>`.
///
/// Cheap to copy. Aliases and `<<` merge keys are followed only along the keys that are asked for, and only
/// so deep: a file of aliases to aliases costs what it weighs, not what it would expand to.
class yaml_value {
  public:
    yaml_value(YAML::Node node, std::shared_ptr<const std::string> file, std::string path, int line);

    /// Nothing, `null` or `~`: the key is there, its value is left at the default.
    [[nodiscard]] bool is_null() const;
    [[nodiscard]] bool is_map() const;

    /// A scalar as it is written; throws config_error for a map or a list.
    [[nodiscard]] std::string text() const;
    /// The entries of a map in file order, those of `<<` after its own; none for null. Throws config_error if
    /// this is not a map, a key is not a scalar, or a key is given twice.
    [[nodiscard]] std::vector<yaml_entry> entries() const;

    /// The items of a list; none for null. Throws config_error if this is no list.
    [[nodiscard]] std::vector<yaml_value> items() const;

    [[nodiscard]] const std::string &path() const { return path_; }

    /// Throws the config_error that says `why` here.
    [[noreturn]] void fail(std::string_view why) const;

  private:
    void collect(const YAML::Node &map, std::vector<yaml_entry> &into, std::size_t &budget,
                 unsigned depth) const;

    YAML::Node node_;
    std::shared_ptr<const std::string> file_;
    std::string path_; ///< from the root, joined by dots; empty at the root
    int line_;         ///< counted from 1; of the key, where there is one
};

struct yaml_entry {
    std::string key;
    yaml_value value;
};

/// A YAML file as it was read.
struct yaml_file {
    yaml_value root;
    std::string sha256;   ///< of its bytes, lower-case hex
    double timestamp = 0; ///< seconds since 1970 of its last change
};

/// Reads one YAML document of at most 16 MiB, or throws config_error.
[[nodiscard]] yaml_file read_yaml_file(const std::string &path);

} // namespace walcast
