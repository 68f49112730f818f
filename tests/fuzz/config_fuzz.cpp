// Arvados' configuration file, as an operator may write it.

#include "server/config_files.hpp"

#include "server/config_describe.hpp"
#include "server/config_settings.hpp"
#include "tests/fuzz/records.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/unit/config/config_file.hpp"

#include <fmt/format.h>

using namespace walcast;
using fuzz::require;

namespace {

/// What went wrong, or an empty text. Only a config_error may go wrong, and an operator reads it as one line.
template <class Action>
std::string complaint_of(Action &&action) {
    try {
        action();
        return {};
    } catch (const config_error &error) {
        const std::string why = error.what();
        require(!why.empty(), "a complaint says what is wrong");
        return why;
    }
}

yaml_value parsed(std::string_view text) {
    return {YAML::Load(std::string(text)), std::make_shared<const std::string>("config.yml"), {}, 1};
}

/// The sections as `walcast config check` shows them, written into a file again, are read as the same.
void check_shown(const config &effective) {
    static_cast<void>(describe(effective));
    constexpr std::string_view prefix = "Walcast.";
    YAML::Node section(YAML::NodeType::Map);
    for (const auto &known : all_settings())
        if (known.path.starts_with(prefix) && known.path != "Walcast.Connection")
            section[known.path.substr(prefix.size())] = known.show(effective);
    config again;
    const auto why = complaint_of([&] {
        read_section(again, {section, std::make_shared<const std::string>("again"), {}, 1}, "Walcast");
    });
    require(why.empty(), why);
    for (const auto &known : all_settings())
        if (known.path.starts_with(prefix) && known.path != "Walcast.Connection")
            require(known.show(again) == known.show(effective), "what is shown is read as it was");
}

/// Reading a file of 16 MiB at most begins with as much memory, so it is done with one input in sixteen.
void check_file(std::string_view text) {
    static const config_folder folder;
    const auto path = folder.file("config.yml", text);
    static_cast<void>(complaint_of([&] {
        // With a URL of its own no name is looked up.
        const auto read = load_config(path, "http://127.0.0.1:8005");
        require(read.cluster_id.size() == 5, "a cluster's id has five characters");
        require(!read.postgresql.empty(), "there is a database to read");
        check_shown(read);
    }));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const auto text = fuzz::as_text(data, size);
    if (size > 0 && data[size - 1] % 16 == 0)
        check_file(text);
    config read;
    try {
        const auto cluster = parsed(text);
        const auto why = complaint_of([&] { read_settings(read, cluster); });
        if (why.empty())
            check_shown(read);
    } catch (const YAML::Exception &) {
        // read_yaml_file says so as a config_error.
    }
    return 0;
}
