#pragma once

#include "server/watch/watch_options.hpp"

namespace CLI {
class App;
}

namespace walcast {

/// Adds the verb `watch` with its options and help to a command line; parsing fills `options`, which must
/// live until then.
void add_watch_command(CLI::App &app, watch_options &options);

/// `walcast watch`: prints events, or the state and the changes of topics, on standard output, and what
/// happens to the connection on standard error, until a signal or as many of them as wanted. After a
/// disconnect it goes on where it was. Returns the exit code: 0 when it was ended, 1 when it cannot go on
/// (the first connect has one try) or a topic was refused, with the reason on standard error in one line.
[[nodiscard]] int watch(const watch_options &options);

} // namespace walcast
