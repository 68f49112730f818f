#pragma once

#include "server/protocol/resume_token.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace walcast {

/// Where a stream of several topics stands: what the id of a server-sent event says.
///
/// A browser keeps one id for a stream and sends it when it connects again, while each topic has a resume
/// token of its own. This is all of them without what they have in common, so that an id is about as long as
/// one token for a few topics, and bounded for many. Driven by what v1's messages say: note() their tokens,
/// and text() is the id; read() one that came back, and token_of() is the `after` of each topic.
///
/// What token_seal::seal_bytes seals, numbers being big endian:
///
///     system identifier (8) · timeline (4) · subject (8) · hash of what was asked for (8) · commit, index
///     (8, 4), then of each topic one byte, 0 if it stands nowhere, else 1 and
///         2: commit and index (8, 4) follow; else it stands where is said above
///         4: the schema (4) follows; else it is that of the topic before, or 0
///         8: the row id (8) follows; else it is 0
class stream_place {
  public:
    static constexpr std::size_t most_topics = 100;
    /// Characters of the longest id: less than the 4 KiB that any proxy takes for a header.
    static constexpr std::size_t most_characters = (58 + most_topics * 25) * 4 / 3 + 1;

    /// Of so many topics, none of which stands anywhere. `asked_for`: stable_hash of the request.
    stream_place(std::size_t topics, std::uint64_t asked_for)
        : topics_(topics)
        , asked_for_(asked_for) {}

    /// Takes over what an id says; false if it is none of ours. If it is of another request, each topic is
    /// given a token that v1 answers with `reset`, for the reason `filter`.
    [[nodiscard]] bool read(const token_seal &by, std::string_view id);
    /// The resume token of a topic; empty if it stands nowhere.
    [[nodiscard]] std::string token_of(std::size_t topic, const token_seal &by) const;

    /// A message about this topic had a token that says this.
    void note(std::size_t topic, const resume_point &said);
    /// A ping's: good for every topic that stands somewhere.
    void note_all(const resume_point &said);
    /// What the topic was sent before means nothing any more.
    void forget(std::size_t topic) { topics_[topic] = {}; }

    /// Empty if no topic stands anywhere.
    [[nodiscard]] std::string text(const token_seal &by) const;

  private:
    struct standing {
        bool known = false;
        position at;
        std::int64_t row_id = 0;
        std::uint32_t schema = 0;
    };
    void belongs_to(const resume_point &said);

    std::vector<standing> topics_;
    std::uint64_t asked_for_;
    bool of_another_ = false;    ///< the id that was read belongs to another request
    resume_point common_;        ///< its system identifier, timeline and subject
    position most_ = before({}); ///< where most of the topics stand, or at least did when the last ping came
};

} // namespace walcast
