#pragma once

#include "db/decode_error.hpp"
#include "db/transaction_assembler.hpp"
#include "tests/support/pgoutput_builder.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace walcast {

/// An assembler that keeps what it hands on, and writes it down in a form that tests can compare:
/// `commit.index kind table new-values | old-values`, with `-` null, `~` unchanged and `.` absent.
struct assembler_fixture {
    explicit assembler_fixture(assembler_options options = {})
        : assembler(std::move(options),
                    [this](transaction_ptr made) { segments.push_back(std::move(made)); }) {}

    boost::system::error_code try_send(const std::string &bytes) {
        auto done = assembler.consume(bytes);
        while (done && assembler.replaying())
            done = assembler.replay_step();
        return done ? boost::system::error_code() : done.error();
    }

    void send(const std::vector<std::string> &messages) {
        for (const auto &each : messages) {
            CAPTURE(each[0]);
            const auto error = try_send(each);
            REQUIRE_MESSAGE(!error, error.message());
        }
    }

    static std::string text(const row &of) {
        std::string made;
        for (int at = 0; at < static_cast<int>(of.size()); ++at) {
            const auto one = of[at];
            made += at == 0 ? "" : ",";
            made += one.kind == value_kind::null        ? "-"
                    : one.kind == value_kind::unchanged ? "~"
                    : one.kind == value_kind::absent    ? "."
                                                        : std::string(one.bytes);
        }
        return made;
    }

    /// Everything handed on since the last call, one line a change, `end` after each whole transaction.
    std::vector<std::string> taken() {
        static const char *const kinds[] = {"insert", "update", "delete", "truncate", "message"};
        std::vector<std::string> lines;
        for (const auto &segment : segments) {
            for (const auto &change : segment->changes()) {
                auto line = std::to_string(segment->commit().value) + '.' + std::to_string(change.index) +
                            ' ' + kinds[static_cast<int>(change.kind)];
                if (change.kind == change_kind::message)
                    line += ' ' + std::string(segment->message_prefix(change)) + ' ' +
                            std::string(segment->message_content(change));
                else
                    line += ' ' + change.table->name() + ' ' + text(segment->new_row(change));
                if (const auto old = segment->old_row(change); !old.empty())
                    line += '|' + text(old);
                lines.push_back(line);
            }
            if (segment->last())
                lines.push_back("end " + std::to_string(segment->end().value));
        }
        segments.clear();
        return lines;
    }

    transaction_assembler assembler;
    std::vector<transaction_ptr> segments;
};

using lines = std::vector<std::string>;

} // namespace walcast
