#pragma once

#include "server/watch/watch_words.hpp"

#include <cstdint>
#include <rapidjson/document.h>
#include <string>
#include <string_view>

namespace walcast {

/// One topic that is watched: where it stands, and what is known of it. It outlives connections.
class watched_topic {
  public:
    enum class standing : std::uint8_t {
        asked,    ///< on this connection, and not answered yet
        settled,  ///< live, or silenced
        finished, ///< refused: it is not asked for again
    };

    /// `wishes` are the members of the subscribe that are always the same, each with a comma before it:
    /// `,"select":["name"]`.
    watched_topic(std::string name, std::string wishes, std::string after);

    [[nodiscard]] const std::string &name() const { return name_; }
    [[nodiscard]] topic_kind kind() const { return kind_; }
    [[nodiscard]] standing is() const { return is_; }

    /// The subscribe for a new connection. Its id is the topic itself.
    [[nodiscard]] std::string subscribe();

    /// Everything up to the token has been shown. Nothing if it is empty.
    void reached(std::string_view token);
    [[nodiscard]] const std::string &token() const { return token_; }
    void settle() { is_ = standing::settled; }
    void finish() { is_ = standing::finished; }
    /// A state will follow, whatever was before.
    void begin_anew() { token_.clear(); }

    /// The record as it was shown last, an object; null if there is none, or none was seen.
    [[nodiscard]] const rapidjson::Value &record() const { return record_; }
    /// The record is another. The columns that are named as unchanged are as they were.
    void keep(const rapidjson::Value &record, const rapidjson::Value *unchanged);

  private:
    std::string name_;
    topic_kind kind_;
    std::string wishes_;
    std::string token_; ///< where to go on; empty: with the state
    standing is_ = standing::asked;
    rapidjson::Document record_;
};

} // namespace walcast
