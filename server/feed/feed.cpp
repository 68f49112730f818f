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
        low_water_ = std::max(low_water_, end_of(run_.front()->commit()));
        run_.pop_front();
        ++first_;
    }
}

void feed::decoded(lsn up_to) {
    decoded_ = std::max(decoded_, up_to);
}

void feed::begins(lsn at) {
    low_water_ = before(at);
}

} // namespace walcast
