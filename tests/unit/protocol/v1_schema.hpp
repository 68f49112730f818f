#pragma once

#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <string>
#include <string_view>

namespace walcast::test {

/// schema/v1.schema.json, for messages of one direction: the name of a definition, such as `from_server`.
/// RapidJSON knows draft 4 alone, where `$defs` is `definitions`; the schema has no other later keywords.
class v1_schema {
  public:
    explicit v1_schema(const std::string &definition)
        : document_(load(definition)) {}

    [[nodiscard]] bool allows(std::string_view message) const;

  private:
    static rapidjson::SchemaDocument load(const std::string &definition);

    rapidjson::SchemaDocument document_;
};

} // namespace walcast::test
