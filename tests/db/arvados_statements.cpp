// Prints the scripts of arvados_scripts(), one JSON object a line, for test programs in other languages.

#include "tests/db/arvados_scripts.hpp"

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <string>

namespace {

using walcast::testing::arvados_script;

std::string to_json(const arvados_script &what) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const auto text = [&](const std::string &value) {
        writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    writer.StartObject();
    writer.Key("name");
    text(what.name);
    writer.Key("one_transaction");
    writer.Bool(what.how == arvados_script::mode::transaction);
    writer.Key("workers");
    writer.Uint(what.workers);
    writer.Key("statements");
    writer.StartArray();
    for (const auto &statement : what.statements)
        text(statement);
    writer.EndArray();
    writer.EndObject();
    return buffer.GetString();
}

} // namespace

int main() {
    for (const auto &script : walcast::testing::arvados_scripts())
        fmt::print("{}\n", to_json(script));
}
