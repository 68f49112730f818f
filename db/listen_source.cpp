#include "db/listen_source.hpp"

#include "db/connection.hpp"
#include "db/logs_row.hpp"
#include "server/ops/clock.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <pthread.h>
#include <stdexcept>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>
#include <unordered_map>
#include <utility>

namespace walcast {

using namespace std::chrono_literals;

namespace {

/// Rows read at a time, at most.
constexpr std::size_t fetch_rows = 200;
/// A connection that nothing was heard of is asked whether it lives.
constexpr auto idle_check = 10s;
/// And an answer that has not come by then does not come.
constexpr auto answer_limit = 20s;
/// So long a row that can be seen may be ahead of its notification; a row without any is not waited for
/// longer.
constexpr auto notification_limit = 2s;

lsn log_end(pqxx::connection_base &on) {
    pqxx::read_transaction in(on);
    const auto text = in.exec1("SELECT pg_catalog.pg_current_wal_insert_lsn()::text")[0].as<std::string>();
    in.commit();
    return parse_lsn(text).value_or(lsn{});
}

} // namespace

/// Collects the ids that NOTIFY carries, in order.
class listen_source::id_receiver : public pqxx::notification_receiver {
  public:
    id_receiver(pqxx::connection_base &on, logger &log)
        : notification_receiver(on, "logs")
        , log_(log) {}

    void operator()(const std::string &payload, int) override {
        std::int64_t id = 0;
        const auto [end, error] = std::from_chars(payload.data(), payload.data() + payload.size(), id);
        if (error == std::errc() && end == payload.data() + payload.size())
            ids.push_back(id);
        else
            log_.debug("ignored a notification that is no id", {{"bytes", payload.size()}});
    }

    std::vector<std::int64_t> ids;

  private:
    logger &log_;
};

listen_source::listen_source(listen_options options, batch_sink sink, std::function<bool()> overloaded,
                             logger &log)
    : options_(std::move(options))
    , sink_(std::move(sink))
    , overloaded_(std::move(overloaded))
    , log_(log)
    , wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    , memory_(options_.memory, log) {
    if (wake_fd_ < 0)
        throw std::system_error(errno, std::generic_category(), "eventfd");
    status_.kind = "listener";
    status_.reason = options_.reason;
    status_.state = "connecting";
}

listen_source::~listen_source() {
    stop();
    ::close(wake_fd_);
}

void listen_source::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "walcast-listen");
        run();
    });
}

void listen_source::stop() {
    if (!thread_.joinable())
        return;
    stopping_ = true;
    wake();
    thread_.join();
}

void listen_source::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void listen_source::request_position(lsn target) {
    auto known = target_.load();
    while (known < target.value && !target_.compare_exchange_weak(known, target.value)) {
    }
    wake();
}

source_status listen_source::status() const {
    const std::scoped_lock lock(status_mutex_);
    return status_;
}

void listen_source::report(std::string state, std::string problem) {
    const std::scoped_lock lock(status_mutex_);
    status_.state = std::move(state);
    status_.problem = std::move(problem);
}

void listen_source::run() {
    backoff patience(100ms, 10s);
    while (!stopping_) {
        const auto before = last_;
        try {
            listen();
        } catch (const std::exception &error) {
            if (stopping_)
                break;
            if (last_ > before) // it got as far as to hand something over
                patience.reset();
            const auto delay = patience.next();
            const auto problem = one_line(error.what());
            log_.warning("listening interrupted", {{"problem", problem}, {"retry_in_ms", delay.count()}});
            report("connecting", problem);
            {
                const std::scoped_lock lock(status_mutex_);
                ++status_.reconnects;
            }
            pollfd woken{wake_fd_, POLLIN, 0};
            const auto until = std::chrono::steady_clock::now() + delay;
            while (!stopping_ && std::chrono::steady_clock::now() < until) {
                (void)::poll(&woken, 1, 50);
                std::uint64_t count = 0;
                [[maybe_unused]] const auto drained = ::read(wake_fd_, &count, sizeof count);
            }
        }
    }
    report("stopped");
}

void listen_source::listen() {
    const auto opened = open_connection(options_.connection + source_parameters);
    auto &connection = *opened;
    std::optional<id_receiver> receiver;
    {
        const stall_guard::watch within(guard_, connection.sock(), answer_limit);
        receiver.emplace(connection, log_);
    }
    // The scan comes after LISTEN has been committed: what its snapshot does not show will be notified.
    if (ready_)
        hand_over(connection, look(connection));
    else
        begin(connection);
    log_.info("listening", {{"channel", "logs"}});
    report("streaming");
    while (!stopping_) {
        if (overloaded_()) {
            std::this_thread::sleep_for(20ms);
            continue;
        }
        if (connection.get_notifs() == 0 && receiver->ids.empty()) {
            if (target_.exchange(0) != 0)
                catch_up(connection, *receiver);
            else if (!wait(connection.sock()))
                check(connection);
            continue;
        }
        fetch(connection, std::exchange(receiver->ids, {}));
    }
}

void listen_source::check(pqxx::connection_base &on) {
    const stall_guard::watch within(guard_, on.sock(), answer_limit);
    (void)log_end(on); // throws if the connection is dead
}

bool listen_source::wait(int socket) {
    if (socket < 0)
        throw std::runtime_error("the connection is closed");
    pollfd watched[] = {{socket, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    const int ready = ::poll(watched, 2, static_cast<int>(std::chrono::milliseconds(idle_check).count()));
    std::uint64_t count = 0;
    [[maybe_unused]] const auto drained = ::read(wake_fd_, &count, sizeof count);
    // A socket that is readable and yet brings no notification may be at its end.
    return ready > 0 && (watched[0].revents & (POLLHUP | POLLERR)) == 0 && (watched[0].revents & POLLIN) == 0;
}

void listen_source::begin(pqxx::connection_base &on) {
    try {
        const stall_guard::watch within(guard_, on.sock(), answer_limit);
        pqxx::read_transaction in(on);
        const auto database = in.exec1("SELECT system_identifier || '/' || current_database()"
                                       " FROM pg_catalog.pg_control_system()")[0]
                                  .as<std::string>();
        in.commit();
        if (auto handed_over = memory_.open(database); !handed_over.empty())
            refill_ = std::move(handed_over);
    } catch (const pqxx::sql_error &error) {
        log_.warning("the database cannot be told from others, so what was sent is not remembered",
                     {{"problem", one_line(error.what())}});
    }
    // A connection that breaks here is gone on from: a feed that ends in the middle looks as if all that it
    // has were news.
    while (!refill_.empty())
        refill_.erase(refill_.begin(), refill_.begin() + read_rows(on, refill_));
    auto found = look(on);
    if (!memory_.begun()) {
        memory_.note(found.missed);
        memory_.begin();
        found.missed.clear();
    }
    hand_over(on, found);
}

listen_source::sight listen_source::look(pqxx::connection_base &on) {
    sight found;
    const stall_guard::watch within(guard_, on.sock(), answer_limit);
    // Read before the snapshot of the rows: what a query with an earlier end of the log could see, is in it.
    found.as_of = log_end(on);
    pqxx::read_transaction in(on);
    const auto greatest = in.exec1("SELECT coalesce(max(id), 0) FROM logs")[0].as<std::int64_t>();
    for (const auto &row :
         in.exec(fmt::format("SELECT id FROM logs WHERE id > {} ORDER BY id", memory_.floor(greatest)))) {
        const auto id = row[0].as<std::int64_t>();
        if (!memory_.contains(id))
            found.missed.push_back(id);
    }
    in.commit();
    return found;
}

void listen_source::catch_up(pqxx::connection_base &on, id_receiver &receiver) {
    // What commits before the snapshot is in it, and its notification comes only when the look is over. Of
    // two such transactions the first may have the greater ids: the notifications tell, the table does not.
    auto found = look(on);
    const auto until = std::chrono::steady_clock::now() + notification_limit;
    while (!found.missed.empty() && !stopping_ && std::chrono::steady_clock::now() < until) {
        (void)on.await_notification(0, 50'000);
        fetch(on, std::exchange(receiver.ids, {}));
        std::erase_if(found.missed, [this](std::int64_t id) { return memory_.contains(id); });
    }
    hand_over(on, found);
}

void listen_source::hand_over(pqxx::connection_base &on, const sight &found) {
    fetch(on, found.missed);
    ready_ = true;
    batch next;
    last_ = std::max(last_, found.as_of);
    next.decoded = last_;
    hand_over(std::move(next));
}

void listen_source::fetch(pqxx::connection_base &on, const std::vector<std::int64_t> &ids) {
    std::vector<std::int64_t> fresh;
    id_set taken; // the same id may come twice in one wake-up
    for (const auto id : ids)
        if (!memory_.contains(id) && taken.insert(id))
            fresh.push_back(id);
    for (auto at = fresh.cbegin(); at != fresh.cend();)
        at += read_rows(on, {at, fresh.cend()});
}

std::ptrdiff_t listen_source::read_rows(pqxx::connection_base &on, std::span<const std::int64_t> ids) {
    ids = ids.first(std::min(fetch_rows, ids.size()));
    pqxx::result rows;
    {
        const stall_guard::watch within(guard_, on.sock(), answer_limit);
        pqxx::read_transaction in(on);
        rows = in.exec(select_page_by_id(ids));
        in.commit();
    }
    ids = ids.first(extent_of(rows).answers(ids));
    std::unordered_map<std::int64_t, pqxx::row> by_id;
    for (const auto &row : rows)
        by_id.emplace(row[0].as<std::int64_t>(), row);
    batch next;
    std::vector<std::int64_t> taken;
    for (const auto id : ids) {
        const auto found = by_id.find(id);
        // Deleted by Arvados meanwhile; or never there, as anybody may notify: then it must not count as
        // seen, or one huge number would push all true ids out of what is remembered.
        if (found == by_id.end())
            continue;
        taken.push_back(id);
        last_.value += 1;
        next.transactions.push_back(to_transaction(found->second, last_, unix_microseconds()));
        next.bytes += next.transactions.back()->footprint();
    }
    memory_.note(taken);
    next.decoded = last_;
    hand_over(std::move(next));
    return std::ssize(ids);
}

void listen_source::hand_over(batch next) {
    const auto count = next.transactions.size();
    const auto decoded = next.decoded;
    next.ready = ready_;
    sink_(std::move(next));
    const std::scoped_lock lock(status_mutex_);
    status_.decoded = decoded;
    status_.log_end = std::max(status_.log_end, decoded);
    status_.transactions += count;
    status_.changes += count;
    status_.ready = ready_;
}

} // namespace walcast
