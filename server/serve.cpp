#include "server/serve.hpp"

#include "server/config.hpp"
#include "server/descriptor_limit.hpp"
#include "server/ops/log.hpp"
#include "server/relay.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <malloc.h>
#include <systemd/sd-daemon.h>
#include <utility>

namespace walcast {

namespace {

constexpr int exit_config = 78;
/// Larger pieces of memory go back to the system when they are freed. Left to itself, glibc raises the limit
/// to the largest piece that it saw, and a hundred clients with messages of 2 MiB leave 200 MB behind for
/// good.
constexpr int returned_bytes = 256 * 1024;

config load(const serve_options &options) {
    const char *url = std::getenv("ARVADOS_SERVICE_INTERNAL_URL");
    const std::string internal_url = url ? url : "";
    return options.legacy_path.empty()
               ? load_config(options.config_path, internal_url)
               : load_legacy_config(options.legacy_path, options.config_path, internal_url);
}

void log_warnings(logger &log, const config &settings) {
    for (const auto &line : settings.warnings)
        log.warning(line);
}

} // namespace

int serve(const serve_options &options) {
    logger log;
    config settings;
    try {
        settings = load(options);
    } catch (const config_error &error) {
        log.error(error.what());
        return exit_config;
    }
    log.set(settings.format, settings.level);
    log_warnings(log, settings);

    // The signals are taken before there are threads, so that none of them is ended by one.
    std::signal(SIGPIPE, SIG_IGN);
    // A limit on the size of files is a full disk like any other: an error of write, and no end.
    std::signal(SIGXFSZ, SIG_IGN);
    ::mallopt(M_MMAP_THRESHOLD, returned_bytes);
    raise_descriptor_limit();
    boost::asio::io_context io{1};
    boost::asio::signal_set ends(io, SIGTERM, SIGINT);
    boost::asio::signal_set hangups(io, SIGHUP);

    auto inherited = take_inherited_sockets();
    try {
        relay running(settings, log);
        (void)running.start(std::move(inherited));
        std::function<void()> await_hangup = [&] {
            hangups.async_wait([&](boost::system::error_code error, int) {
                if (error)
                    return;
                ::sd_notify(0, "RELOADING=1");
                try {
                    const auto next = load(options);
                    log_warnings(log, next);
                    running.reload(next);
                    settings.drain_timeout = next.drain_timeout;
                    log.info("configuration read again", {{"path", options.config_path}});
                } catch (const std::exception &problem) {
                    log.error("the configuration stays as it was", {{"problem", problem.what()}});
                }
                ::sd_notify(0, "READY=1");
                await_hangup();
            });
        };
        await_hangup();
        ends.async_wait([&](boost::system::error_code, int number) {
            log.info("stopping", {{"signal", number}});
            io.stop();
        });
        ::sd_notify(0, "READY=1");
        io.run();
        ::sd_notify(0, "STOPPING=1");
        running.stop(settings.drain_timeout);
    } catch (const std::exception &error) {
        log.error(error.what());
        return 1;
    }
    log.info("stopped");
    return 0;
}

} // namespace walcast
