#include "server/access_service.hpp"

#include "db/access_reader.hpp"
#include "server/ops/clock.hpp"

#include <chrono>
#include <pthread.h>
#include <utility>

namespace walcast {

namespace {
/// One may be reading the hundred thousand rows of one user while the other answers for the rest.
constexpr unsigned connections = 2;
constexpr std::chrono::seconds tick_interval{1};
} // namespace

access_service::access_service(bool roles_visible_to_all, std::string connection, verdict_sink sink,
                               std::function<void(lsn)> request_position, access_probe &probe, logger &log)
    : probe_(probe)
    , sink_(std::move(sink))
    , judge_(reader_rules(roles_visible_to_all),
             {.ask = [this](access_query query) { ask(std::move(query)); },
              .judged =
                  [this](judgement made) {
                      if (following_ == nullptr)
                          return sink_(std::make_shared<const judgement>(std::move(made)));
                      following_->append(std::move(made));
                  },
              .request_position = std::move(request_position),
              .ready =
                  [this](reader_id who) {
                      auto &one = members_.at(users_.at(who));
                      one.ready = true;
                      for (const auto &then : std::exchange(one.waiting, {}))
                          then(who);
                  }})
    , queries_(std::move(connection), connections, log) {}

access_service::~access_service() {
    stop();
}

void access_service::start() {
    ticker_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "walcast-access");
        std::unique_lock lock(mutex_);
        while (!stopped_.wait_for(lock, tick_interval, [this] { return stopping_; }))
            tick();
    });
}

void access_service::stop() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    stopped_.notify_all();
    if (ticker_.joinable())
        ticker_.join();
    queries_.stop();
}

void access_service::follow(const batch &next, const std::function<void(judgement_ptr)> &deliver) {
    const std::scoped_lock lock(mutex_);
    const auto made = std::make_shared<judgement>();
    following_ = made.get();
    judge_.follow(next, unix_microseconds());
    following_ = nullptr;
    made->transactions = judge_.transactions();
    deliver(made);
    note();
}

void access_service::tick() {
    judge_.tick(unix_microseconds());
    const auto used = judge_.used();
    probe_.held(used.readers, used.origins, used.entries, used.bytes);
    note();
}

std::unique_ptr<access_service::membership> access_service::join(const uuid_text &user,
                                                                 std::function<void(reader_id)> ready) {
    auto made = std::make_unique<membership>(*this, user);
    const std::scoped_lock lock(mutex_);
    auto &one = members_[user];
    ++one.sessions;
    if (one.ready) {
        ready(one.id);
        return made;
    }
    one.waiting.push_back(std::move(ready));
    if (one.sessions == 1) {
        // The judge may find it ready at once, and calls back then: it has to be known by its number before.
        one.id = judge_.next_reader();
        users_[one.id] = user;
        (void)judge_.add_reader(user);
    }
    return made;
}

void access_service::leave(const uuid_text &user) {
    const std::scoped_lock lock(mutex_);
    const auto found = members_.find(user);
    if (found == members_.end() || --found->second.sessions > 0)
        return;
    judge_.remove_reader(found->second.id);
    users_.erase(found->second.id);
    members_.erase(found);
}

void access_service::decide(reader_id who, std::vector<uuid_text> objects,
                            std::function<void(std::vector<bool>)> then) {
    const std::scoped_lock lock(mutex_);
    judge_.decide({who, std::move(objects), std::move(then)}, unix_microseconds());
    note();
}

std::unique_ptr<access_service::watching> access_service::watch(reader_id who, const uuid_text &object) {
    auto made = std::make_unique<watching>(*this, who, object);
    const std::scoped_lock lock(mutex_);
    judge_.watch(who, object, unix_microseconds());
    note();
    return made;
}

void access_service::unwatch(reader_id who, const uuid_text &object) {
    const std::scoped_lock lock(mutex_);
    judge_.unwatch(who, object);
}

std::unique_ptr<access_service::grants_watching> access_service::watch_grants(const uuid_text &user,
                                                                              std::uint64_t &ticket) {
    auto made = std::make_unique<grants_watching>(*this, join(user, [](reader_id) {}));
    const std::scoped_lock lock(mutex_);
    made->who_ = members_.at(user).id;
    ticket = judge_.watch_grants(made->who_, user);
    note();
    return made;
}

void access_service::unwatch_grants(reader_id who) {
    const std::scoped_lock lock(mutex_);
    judge_.unwatch_grants(who);
}

void access_service::ask(access_query query) {
    auto shared = std::make_shared<access_query>(std::move(query));
    queries_.submit(
        [this, shared](pqxx::connection_base &on) {
            auto given = read_access(on, *shared);
            const std::scoped_lock lock(mutex_);
            judge_.answer(std::move(given), unix_microseconds());
            note();
        },
        [this, shared] {
            const std::scoped_lock lock(mutex_);
            judge_.failed(*shared);
        });
}

void access_service::note() {
    backlog_bytes_.store(judge_.backlog_bytes(), std::memory_order_relaxed);
    const auto &now = judge_.counted();
    probe_.judged(now.judged - noted_.judged);
    probe_.loaded(now.loads - noted_.loads);
    probe_.looked_up(now.lookups - noted_.lookups);
    probe_.asked_again(now.retries - noted_.retries);
    probe_.guessed(now.guesses - noted_.guesses);
    if (now.last_change_us != noted_.last_change_us)
        probe_.changed(static_cast<double>(now.last_change_us) / 1e6);
    noted_ = now;
}

} // namespace walcast
