#include "server/ops/metrics_json.hpp"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace walcast {

std::string to_json(const std::vector<prometheus::MetricFamily> &families) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    const auto text = [&](const char *key, const std::string &value) {
        writer.Key(key);
        writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
    };
    writer.StartArray();
    for (const auto &family : families) {
        const bool counts = family.type == prometheus::MetricType::Counter;
        writer.StartObject();
        text("name", family.name);
        text("help", family.help);
        text("type", counts ? "COUNTER" : "GAUGE");
        writer.Key("metric");
        writer.StartArray();
        for (const auto &one : family.metric) {
            writer.StartObject();
            writer.Key("label");
            writer.StartArray();
            for (const auto &label : one.label) {
                writer.StartObject();
                text("name", label.name);
                text("value", label.value);
                writer.EndObject();
            }
            writer.EndArray();
            writer.Key(counts ? "counter" : "gauge");
            writer.StartObject();
            writer.Key("value");
            writer.Double(counts ? one.counter.value : one.gauge.value);
            writer.EndObject();
            writer.EndObject();
        }
        writer.EndArray();
        writer.EndObject();
    }
    writer.EndArray();
    return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

} // namespace walcast
