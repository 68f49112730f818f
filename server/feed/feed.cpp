#include "server/feed/feed.hpp"

#include <algorithm>
#include <utility>

namespace walcast {

void feed::append(transaction_ptr next) {
    bytes_ += next->footprint();
    decoded(next->end());
    run_.push_back(std::move(next));
}

void feed::trim(std::int64_t now_us) {
    while (run_.size() > 1 &&
           (bytes_ > bounds_.bytes || run_.front()->committed_at() < now_us - bounds_.age_us)) {
        bytes_ -= run_.front()->footprint();
        run_.pop_front();
        ++first_;
    }
}

void feed::decoded(lsn up_to) {
    decoded_ = std::max(decoded_, up_to);
}

} // namespace walcast
