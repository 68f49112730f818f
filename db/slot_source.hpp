#pragma once

#include "db/async_connection.hpp"
#include "db/drain_pacer.hpp"
#include "db/event_memory.hpp"
#include "db/retention.hpp"
#include "db/source.hpp"
#include "db/transaction_assembler.hpp"
#include "server/ops/log.hpp"

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace walcast {

struct slot_options {
    std::string connection; ///< libpq parameters, without `replication`
    replication_settings replication;
    retention::limits keep;
    std::string spill_directory = "/var/tmp";
    std::string memory; ///< the file of event_memory; empty: none
    /// What was committed before this position, and handed over, is visible to queries.
    std::function<lsn()> settled = [] { return lsn{~std::uint64_t{0}}; };
    /// A stream on which nothing was heard for so long, in spite of asking, is given up; and so is a query
    /// without an answer.
    std::chrono::milliseconds silence{20'000};
    /// A position that another connection has seen must be reached within this time, or data must flow. Twice
    /// the time after each attempt, as the server may be working through something large that is not for us.
    std::chrono::milliseconds stall{30'000};
    /// Of what has been read, what the receivers have really got (see visibility_gate): no more is confirmed.
    std::function<lsn(lsn)> received = [](lsn decoded) { return decoded; };
};

/// The source that reads a logical replication slot.
///
/// One coroutine on a thread of its own: connect, lead the dialogue (replication_fsm), then drain what the
/// socket has, assemble it into transactions, and hand each drain over as one batch; reconnect after any
/// trouble and go on where the assembler stands, so that what was handed over is not handed over again. A
/// slot that is lost or was dropped is made again, and what it would have brought is read from the table
/// (slot_catch_up). While another relay reads the slot this one stands by. While `overloaded` says so it does
/// not read, and the server waits. The slot is confirmed by retention: it lags behind on purpose.
class slot_source : public source {
  public:
    slot_source(slot_options options, batch_sink sink, std::function<bool()> overloaded, logger &log);
    ~slot_source() override;

    void start() override;
    void stop() override;
    [[nodiscard]] source_status status() const override;
    void resume() override;
    void request_position(lsn target) override;
    /// The log has reached this far, says another connection: a stream that does not get there within its
    /// time has stalled, however alive its connection looks, and is begun anew. From any thread.
    void expect_position(lsn log_end);
    /// New retention budgets.
    void retain(retention::limits bounds);

  private:
    template <class T>
    using awaitable = async_connection::awaitable<T>;

    /// How often a standby looks whether the slot is free.
    static constexpr std::chrono::milliseconds standby_interval{300};

    [[nodiscard]] awaitable<void> run();
    /// One connection's life. Returns what to do next, or throws connection_error.
    [[nodiscard]] awaitable<replication_failure> converse();
    /// The dialogue, up to where the stream begins; returns what ends it otherwise.
    [[nodiscard]] awaitable<std::optional<replication_failure>> lead(async_connection &connection,
                                                                     replication_fsm &dialogue);
    [[nodiscard]] awaitable<query_result> ask(async_connection &connection, std::string text);
    /// Makes the memory know this database.
    [[nodiscard]] awaitable<void> look_at_past(async_connection &connection, const replication_fsm &dialogue);
    /// Waits its turn while somebody else reads the slot.
    [[nodiscard]] awaitable<void> stand_by(const std::string &reader);
    [[nodiscard]] awaitable<void> begin_new_slot(async_connection &connection,
                                                 const replication_fsm &dialogue);
    /// The new slot is kept, and what it will not bring is handed over.
    void began_new_slot(const replication_fsm &dialogue);
    [[nodiscard]] awaitable<void> hand_over_rows(std::vector<transaction_ptr> rows);
    void began(const replication_fsm &dialogue);
    /// Where the stream comes from now. `with_hole`: it does not go on where it was.
    void note_origin(const replication_fsm &dialogue, bool with_hole);
    /// Returns when the stream has ended, with what to do next.
    [[nodiscard]] awaitable<replication_failure> stream(async_connection &connection,
                                                        const replication_fsm &dialogue);
    /// What the server warns of is logged; what ends the stream, if it is that.
    [[nodiscard]] std::optional<replication_failure> look_at_warnings(async_connection &connection,
                                                                      const replication_fsm &dialogue);
    [[nodiscard]] awaitable<void> consume(async_connection &connection, std::string_view payload);
    /// The disk took nothing of a message: holds the server back until the disk takes it. After a while gives
    /// the connection up, to read large transactions whole instead.
    [[nodiscard]] awaitable<boost::system::result<void>>
    wait_for_disk(async_connection &connection, std::string_view payload, std::string problem);
    [[nodiscard]] awaitable<void> confirm(async_connection &connection);
    [[nodiscard]] awaitable<void> pause(std::chrono::milliseconds delay);
    /// Ends waits for the stream now and then, so that there is always something that looks at the time; and
    /// waits that have lasted too long for good.
    void tick();
    /// Throws when the stream brings nothing although it should.
    void watch_progress(std::chrono::steady_clock::time_point now);
    [[nodiscard]] std::chrono::milliseconds confirm_after() const;
    [[nodiscard]] bool over_budget() const;

    void heard(const keepalive &from);
    /// Hands over what there is, if there is anything to tell.
    void emit(bool always = false);
    void report(std::string state, std::string problem = {});
    void note_streams(bool waiting = false);

    slot_options options_;
    batch_sink sink_;
    std::function<bool()> overloaded_;
    logger &log_;
    boost::asio::io_context io_{1};
    drain_pacer pacer_;
    transaction_assembler assembler_;
    retention retention_;
    event_memory memory_;
    std::vector<std::int64_t> sent_before_; ///< by an earlier process: wanted if the slot is a new one
    batch pending_;
    replication_past past_;
    bool looked_at_past_ = false;
    std::chrono::steady_clock::time_point standing_since_; ///< by: somebody else has the slot
    std::uint64_t caught_up_ = 0;                          ///< rows read for the newest slot
    repeated_fault faults_;
    std::uint64_t epoch_ = 0; ///< slots made again
    stream_origin origin_;
    lsn decoded_;  ///< as far as handed over or about to be
    lsn ready_at_; ///< where the log ended when the process first looked
    bool ready_ = false;
    lsn target_;               ///< somebody waits for this position
    bool reply_wanted_ = true; ///< send a status update now
    lsn confirmed_;
    std::chrono::steady_clock::time_point answer_by_; ///< the query under way is given up then
    lsn expected_; ///< the log reached so far, says who else asks the database
    lsn progress_; ///< decoded_, when it was last seen to move
    std::chrono::steady_clock::time_point progress_at_; ///< and when that was, or data came
    std::chrono::milliseconds stall_limit_;
    std::uint64_t keep_cap_ = 0; ///< half of max_slot_wal_keep_size; 0: none
    std::chrono::steady_clock::time_point heard_at_;
    std::chrono::steady_clock::time_point confirmed_at_;
    async_connection *connection_ = nullptr; ///< the one that is being waited on
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>,
                                      async_connection::executor>
        timer_{io_.get_executor()};
    boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                      boost::asio::wait_traits<std::chrono::steady_clock>,
                                      async_connection::executor>
        ticker_{io_.get_executor()};
    std::string warned_;     ///< by the server, last
    bool streaming_ = false; ///< the connection is past its dialogue
    /// The disk was full: until then connections ask for large transactions whole.
    std::chrono::steady_clock::time_point whole_until_;
    std::string disk_problem_; ///< why they do; empty when they do not
    std::atomic<bool> stopping_{false};
    std::thread thread_;
    mutable std::mutex status_mutex_; ///< guards status_
    source_status status_;
};

} // namespace walcast
