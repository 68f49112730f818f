#include "db/drain_pacer.hpp"

#include <algorithm>
#include <thread>

namespace walcast {

bool drain_pacer::drained(clock::time_point at) {
    // After a breath the next drain comes that much later, and what it took in counts as well.
    const auto allowed = in_a_row_ >= run ? dense + 2 * breath : dense;
    in_a_row_ = at - last_ <= allowed ? std::min(in_a_row_ + 1, run) : 0;
    last_ = at;
    return in_a_row_ >= run;
}

void drain_pacer::rest() {
    if (drained(clock::now()))
        std::this_thread::sleep_for(breath);
}

} // namespace walcast
