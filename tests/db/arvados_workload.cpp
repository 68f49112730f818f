#include "tests/db/arvados_workload.hpp"

#include "tests/db/arvados_scripts.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <pqxx/pqxx>
#include <stdexcept>
#include <utility>

namespace walcast::testing {

namespace {

std::string filled(std::string statement, unsigned worker, unsigned round) {
    for (const auto &[mark, number] : {std::pair{"$W", worker}, std::pair{"$N", round}})
        for (auto at = statement.find(mark); at != std::string::npos; at = statement.find(mark))
            statement.replace(at, 2, std::to_string(number));
    return statement;
}

constexpr unsigned worker_count = 4;

} // namespace

arvados_workload::arvados_workload(std::string connection)
    : connection_(std::move(connection)) {
    for (const auto &each : arvados_scripts())
        rounds_[each.name] = 0;
    for (unsigned worker = 1; worker <= worker_count; ++worker)
        workers_.emplace_back([this, worker] { work(worker); });
}

arvados_workload::~arvados_workload() {
    stop_ = true;
}

void arvados_workload::work(unsigned worker) {
    pqxx::connection connection(connection_);
    const auto &scripts = arvados_scripts();
    for (unsigned round = 1; !stop_; ++round) {
        for (std::size_t place = 0; place < scripts.size() && !stop_; ++place) {
            // Workers start at different scripts; those for one worker fall to different ones.
            const auto number = (place + worker * 5) % scripts.size();
            const auto &todo = scripts[number];
            if (todo.workers == 1 && number % worker_count != worker - 1)
                continue;
            std::string statement;
            try {
                const auto run = [&](pqxx::transaction_base &in) {
                    for (const auto &each : todo.statements) {
                        statement = filled(each, worker, round);
                        in.exec(statement);
                    }
                };
                if (todo.how == arvados_script::mode::transaction) {
                    pqxx::work in(connection);
                    run(in);
                    statement = "commit";
                    in.commit();
                } else {
                    pqxx::nontransaction in(connection);
                    run(in);
                }
                const std::scoped_lock lock(mutex_);
                ++rounds_[todo.name];
            } catch (const std::exception &problem) {
                const std::scoped_lock lock(mutex_);
                failures_.push_back(fmt::format("{}: {}: {}", todo.name, statement, problem.what()));
            }
        }
    }
}

void arvados_workload::await_rounds(unsigned times) {
    const auto before = rounds();
    const auto done = [&] {
        const auto now = rounds();
        return std::all_of(before.begin(), before.end(),
                           [&](const auto &each) { return now.at(each.first) >= each.second + times; });
    };
    for (const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60); !done();) {
        if (std::chrono::steady_clock::now() > until)
            throw std::runtime_error("the workload does not get on");
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

std::map<std::string, unsigned> arvados_workload::rounds() {
    const std::scoped_lock lock(mutex_);
    return rounds_;
}

std::vector<std::string> arvados_workload::failures() {
    const std::scoped_lock lock(mutex_);
    return failures_;
}

} // namespace walcast::testing
