#include "server/config_describe.hpp"

#include "tests/unit/config/config_file.hpp"

#include <cstdio>
#include <doctest/doctest.h>
#include <memory>

using namespace walcast;

namespace {

struct outcome {
    int code;
    std::string out, error;
};

outcome check(const config_folder &folder, const config_check_files &files) {
    char *out = nullptr, *error = nullptr;
    std::size_t out_size = 0, error_size = 0;
    std::FILE *const out_stream = ::open_memstream(&out, &out_size);
    std::FILE *const error_stream = ::open_memstream(&error, &error_size);
    const int code = config_check(files, out_stream, error_stream);
    std::fclose(out_stream);
    std::fclose(error_stream);
    const std::unique_ptr<char, decltype(&std::free)> own_out(out, &std::free), own_error(error, &std::free);
    return {code, folder.without_folder({out, out_size}), folder.without_folder({error, error_size})};
}

bool contains(const std::string &text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("config check prints what is in force, and no secret") {
    const config_folder folder;
    const auto path = folder.file("config.yml", R"(Clusters:
  zzzzz:
    SystemRootToken: hush1
    Users: {AnonymousUserToken: hush2}
    PostgreSQL: {Connection: {host: db, Password: hush3, sslpassword: hush4}}
    Services: {Websocket: {InternalURLs: {"https://ws.example:8005": {ListenURL: "http://[::1]:8005"}}}}
    TLS: {Key: "-----BEGIN PRIVATE KEY-----\nhush5"}
    Walcast: {Connection: {password: hush6}, FeedBytes: 1000000000, FeedAge: 90m, Slot: walcast}
)");
    const auto [code, out, error] = check(folder, {path, {}, {}});
    CHECK(code == 0);
    CHECK(error.empty());
    CHECK_FALSE(contains(out, "hush"));
    CHECK(contains(out, "file     DIR/config.yml\n"));
    CHECK(contains(out, "cluster  zzzzz\nlisten   http://[::1]:8005\n"));
    CHECK(contains(out,
                   "* PostgreSQL.Connection             host='db' password='(set)' sslpassword='(set)'\n"));
    CHECK(
        contains(out, "* Services.Websocket.InternalURLs   https://ws.example:8005 at http://[::1]:8005\n"));
    CHECK(contains(out, "* SystemRootToken                   (set)\n"));
    CHECK(contains(out, "  ManagementToken                   (not set)\n"));
    CHECK(contains(out, "* Users.AnonymousUserToken          (set)\n"));
    CHECK(contains(out, "* TLS.Key                           (PEM text)\n"));
    CHECK(contains(out, "* Walcast.FeedBytes                 1000000000\n"));
    CHECK(contains(out, "* Walcast.FeedAge                   1h30m\n"));
    CHECK(contains(out, "  Walcast.Slot                      walcast\n"));
    CHECK(contains(out, "  Walcast.RetentionBytes            256MiB\n"));
}

TEST_CASE("config check says in one line what is wrong and ends with EX_CONFIG") {
    const config_folder folder;
    const auto [code, out, error] =
        check(folder, {folder.file("config.yml", std::string(enough) + "    Walcast: {Slott: a}\n"), {}, {}});
    CHECK(code == 78);
    CHECK(out.empty());
    CHECK(error ==
          "walcast: DIR/config.yml:7: Clusters.zzzzz.Walcast.Slott: unknown key (did you mean Slot?)\n");
}

TEST_CASE("config check looks at an old file and at $ARVADOS_SERVICE_INTERNAL_URL, and prints warnings") {
    const config_folder folder;
    const auto path = folder.file("config.yml", enough);
    const auto [code, out, error] =
        check(folder, {path, folder.file("ws.yml", "Listen: :8765\n"), "http://127.0.0.1:1"});
    CHECK(code == 0);
    CHECK(contains(out, "listen   http://127.0.0.1:1\n"));
    CHECK(contains(error, "walcast: warning: DIR/ws.yml has the old format"));
    CHECK(contains(
        error, "walcast: warning: listening on http://127.0.0.1:1 as $ARVADOS_SERVICE_INTERNAL_URL says"));
}
