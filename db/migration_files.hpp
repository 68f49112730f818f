#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace walcast {

/// One numbered migration: what NNNN_name.up.sql and NNNN_name.down.sql hold, and their SHA-256 in
/// hexadecimal.
struct migration {
    std::string name; ///< `0001_tables`
    std::string up;
    std::string down;
    std::string up_sha256;
    std::string down_sha256;
};

/// The migrations of a directory, in order of their numbers. Other files are ignored. Throws migrate_error
/// when there are none, one half of a pair is missing or a number occurs twice.
[[nodiscard]] std::vector<migration> read_migrations(const std::filesystem::path &directory);

/// Where the migrations are: $WALCAST_MIGRATIONS, or as data_path() says.
[[nodiscard]] std::filesystem::path migrations_directory();

} // namespace walcast
