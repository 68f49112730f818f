#include "server/watch/watch_printer.hpp"

#include "server/ops/clock.hpp"
#include "server/watch/safe_text.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <unistd.h>

namespace walcast {

namespace {

bool is_set(const char *name, const char *to = nullptr) {
    const char *value = std::getenv(name);
    return value != nullptr && (to == nullptr ? *value != '\0' : std::strcmp(value, to) == 0);
}

line_color choose_color(const watch_options &options) {
    if (options.output == watch_output::json || options.color == color_mode::never)
        return line_color::off;
    const bool wanted = options.color == color_mode::always ||
                        (::isatty(STDOUT_FILENO) == 1 && !is_set("NO_COLOR") && !is_set("TERM", "dumb"));
    return wanted ? line_color::on : line_color::off;
}

} // namespace

void notice(std::string_view text) {
    fmt::print(stderr, "walcast watch: {}\n", text);
}

watch_printer::watch_printer(const watch_options &options)
    : json_(options.output == watch_output::json)
    , color_(choose_color(options))
    , clock_(options.clock) {}

line_style watch_printer::style() const {
    return {color_, clock_, unix_microseconds()};
}

frame_verdict watch_printer::print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0)
        return frame_verdict::go_on;
    if (errno != EPIPE)
        failure_ = fmt::format("standard output: {}", std::strerror(errno));
    return frame_verdict::stop;
}

frame_verdict watch_printer::print_json(std::string_view message) {
    return print(safe_json_line(message) + '\n');
}

} // namespace walcast
