#pragma once

#include "server/watch/watch_options.hpp"

namespace CLI {
class App;
}

namespace walcast {

/// Adds the verb `watch` with its options and help to a command line; parsing fills `options`, which must
/// live until then.
void add_watch_command(CLI::App &app, watch_options &options);

/// `walcast watch`: prints the events of a v0 server on standard output, and what happens to the connection
/// on standard error, until a signal or as many events as wanted. After a disconnect it goes on behind the
/// last event. Returns the exit code: 0 when it was ended, 1 when it cannot go on (the first connect has one
/// try), with the reason on standard error in one line.
[[nodiscard]] int watch(const watch_options &options);

} // namespace walcast
