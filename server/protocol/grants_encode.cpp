#include "server/protocol/grants_encode.hpp"

#include "server/protocol/json_time.hpp"

#include <fmt/format.h>

namespace walcast {

namespace {
void append_uuids(std::string &into, std::string_view key, const encoded_targets &of) {
    into.append(",\"").append(key).append("\":[");
    for (std::size_t at = 0; at < of.uuids.size(); ++at)
        into.append(at == 0 ? "\"" : ",\"").append(of.uuids[at]).push_back('"');
    into.push_back(']');
}
} // namespace

std::string encode_grants_count(std::size_t count, bool all) {
    return fmt::format(R"("record":{{"count":{},"all":{}}}}})", count, all);
}

std::string encode_grants_change(const encoded_targets &gained, const encoded_targets &lost, bool all,
                                 std::int64_t committed_at_us) {
    auto made = fmt::format(R"("type":"update","record":{{"gained":{},"lost":{})", gained.count, lost.count);
    append_uuids(made, "gained_uuids", gained);
    append_uuids(made, "lost_uuids", lost);
    made += fmt::format(R"(,"all":{}}},"at":)", all);
    append_json_time(made, committed_at_us);
    made.push_back('}');
    return made;
}

} // namespace walcast
