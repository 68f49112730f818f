#pragma once

#include "db/query_pool.hpp"
#include "server/access/judgement.hpp"
#include "server/access/uuid_text.hpp"
#include "server/feed/batch.hpp"
#include "server/judge/judge.hpp"
#include "server/ops/access_probe.hpp"
#include "server/ops/log.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace walcast {

/// The judge, for all threads: the source's, which it follows, those of the shards, whose sessions it serves,
/// and those of its own connections to the database, which bring answers.
///
/// A user is followed once, however many sessions it has, for as long as one of them holds what join() gave.
/// What it has judged is handed to the sink under the lock, and so in the order of the stream.
class access_service {
  public:
    /// How old permissions may be with a listener, in seconds: the judge's interval, a tick, and the query.
    static constexpr unsigned listener_age_s = 5;
    /// Gets what is judged later than its batch is delivered; must not call back.
    using verdict_sink = std::function<void(judgement_ptr)>;

    access_service(bool roles_visible_to_all, std::string connection, verdict_sink sink,
                   std::function<void(lsn)> request_position, access_probe &probe, logger &log);
    ~access_service();
    access_service(const access_service &) = delete;
    access_service &operator=(const access_service &) = delete;

    /// On the source's thread. Calls `deliver` with what can be judged by now; the rest of the batch comes to
    /// the sink, later.
    void follow(const batch &next, const std::function<void(judgement_ptr)> &deliver);
    void start();
    void stop();

    /// Holds a user's grants; one each session.
    class membership {
      public:
        membership(access_service &of, uuid_text user)
            : of_(of)
            , user_(user) {}
        ~membership() { of_.leave(user_); }
        membership(const membership &) = delete;
        membership &operator=(const membership &) = delete;

      private:
        access_service &of_;
        uuid_text user_;
    };
    /// `ready` is called, on any thread, when the user is part of audiences.
    [[nodiscard]] std::unique_ptr<membership> join(const uuid_text &user,
                                                   std::function<void(reader_id)> ready);
    /// Which of the objects the reader may read now.
    void decide(reader_id who, std::vector<uuid_text> objects, std::function<void(std::vector<bool>)> then);

    /// Holds what is watched; one each subscription.
    class watching {
      public:
        watching(access_service &of, reader_id who, const uuid_text &object)
            : of_(of)
            , who_(who)
            , object_(object) {}
        ~watching() { of_.unwatch(who_, object_); }
        watching(const watching &) = delete;
        watching &operator=(const watching &) = delete;

      private:
        access_service &of_;
        reader_id who_;
        uuid_text object_;
    };
    /// Whether the reader, which is ready, may read the object: the answer and all changes of it are in
    /// judgements, which everybody gets.
    [[nodiscard]] std::unique_ptr<watching> watch(reader_id who, const uuid_text &object);

    /// Holds a user's grants, and has what they come to told; one each topic of a shard.
    class grants_watching {
      public:
        grants_watching(access_service &of, std::unique_ptr<membership> held)
            : of_(of)
            , held_(std::move(held)) {}
        ~grants_watching() {
            if (who_ != reader_id::none)
                of_.unwatch_grants(who_);
        }
        grants_watching(const grants_watching &) = delete;
        grants_watching &operator=(const grants_watching &) = delete;

      private:
        friend class access_service;
        access_service &of_;
        std::unique_ptr<membership> held_;
        reader_id who_ = reader_id::none;
    };
    /// What the user reads by the permission graph: the answer to the ticket and all changes are in
    /// judgements, which everybody gets.
    [[nodiscard]] std::unique_ptr<grants_watching> watch_grants(const uuid_text &user, std::uint64_t &ticket);

    [[nodiscard]] std::size_t backlog_bytes() const { return backlog_bytes_.load(std::memory_order_relaxed); }

  private:
    struct member {
        reader_id id = reader_id::none;
        std::size_t sessions = 0;
        bool ready = false;
        std::vector<std::function<void(reader_id)>> waiting;
    };

    void leave(const uuid_text &user);
    void unwatch(reader_id who, const uuid_text &object);
    void unwatch_grants(reader_id who);
    void ask(access_query query);
    void note();
    void tick();

    access_probe &probe_;
    verdict_sink sink_;
    std::mutex mutex_;               ///< guards what follows
    judgement *following_ = nullptr; ///< where follow() collects what is judged
    std::unordered_map<uuid_text, member> members_;
    std::unordered_map<reader_id, uuid_text> users_;
    judge judge_;
    judge::counts noted_;
    std::atomic<std::size_t> backlog_bytes_{0};
    std::condition_variable stopped_;
    bool stopping_ = false;
    std::thread ticker_;
    query_pool queries_; ///< of its own, so that replays do not keep it waiting; last, as its threads call us
};

} // namespace walcast
