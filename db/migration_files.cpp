#include "db/migration_files.hpp"

#include "db/migrate_error.hpp"
#include "server/ops/data_path.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <map>
#include <openssl/evp.h>
#include <system_error>

namespace walcast {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t number_digits = 4;

std::string sha256(const std::string &bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1)
        throw migrate_error("OpenSSL has no SHA-256 here");
    std::string text;
    for (unsigned at = 0; at < size; ++at)
        fmt::format_to(std::back_inserter(text), "{:02x}", digest[at]);
    return text;
}

std::string read_file(const fs::path &path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    if (!in)
        throw migrate_error(fmt::format("cannot read {}", path.string()));
    return bytes;
}

/// `0001_tables` of `0001_tables.up.sql`; empty for a file that is none of ours.
std::string name_of(const fs::path &path, std::string_view ending) {
    const auto file = path.filename().string();
    if (file.size() <= number_digits + ending.size() || !file.ends_with(ending) ||
        file[number_digits] != '_' ||
        !std::all_of(file.begin(), file.begin() + number_digits, [](char c) { return c >= '0' && c <= '9'; }))
        return {};
    return file.substr(0, file.size() - ending.size());
}

} // namespace

std::vector<migration> read_migrations(const fs::path &directory) {
    std::map<std::string, migration> found;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(directory, error)) {
        if (const auto up = name_of(entry.path(), ".up.sql"); !up.empty())
            found[up].up = read_file(entry.path());
        else if (const auto down = name_of(entry.path(), ".down.sql"); !down.empty())
            found[down].down = read_file(entry.path());
    }
    if (error)
        throw migrate_error(
            fmt::format("cannot read the migrations in {}: {}", directory.string(), error.message()));
    if (found.empty())
        throw migrate_error(
            fmt::format("there are no migrations in {}: set WALCAST_MIGRATIONS", directory.string()));
    std::vector<migration> migrations;
    for (auto &[name, of] : found) {
        if (of.up.empty() || of.down.empty())
            throw migrate_error(fmt::format("migration {} in {} lacks its {}.sql, or it is empty", name,
                                            directory.string(), of.up.empty() ? "up" : "down"));
        const auto number = name.substr(0, number_digits);
        if (!migrations.empty() && migrations.back().name.starts_with(number))
            throw migrate_error(
                fmt::format("two migrations have the number {} in {}", number, directory.string()));
        of.name = name;
        of.up_sha256 = sha256(of.up);
        of.down_sha256 = sha256(of.down);
        migrations.push_back(std::move(of));
    }
    return migrations;
}

fs::path migrations_directory() {
    return data_path("WALCAST_MIGRATIONS", "migrations");
}

} // namespace walcast
