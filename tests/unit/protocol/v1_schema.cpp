#include "tests/unit/protocol/v1_schema.hpp"

#include "tests/unit/protocol/support.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

namespace walcast::test {

bool v1_schema::allows(std::string_view message) const {
    rapidjson::Document read;
    if (!valid_json(message, read))
        return false;
    rapidjson::SchemaValidator validator(document_);
    return read.Accept(validator);
}

rapidjson::SchemaDocument v1_schema::load(const std::string &definition) {
    std::ifstream in(std::string(WALCAST_TESTS) + "/../schema/v1.schema.json", std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(in), {}};
    for (auto at = text.find("$defs"); at != text.npos; at = text.find("$defs", at))
        text.replace(at, 5, "definitions");
    rapidjson::Document all;
    if (!valid_json(text, all) || !all["definitions"].HasMember(definition.c_str()))
        throw std::runtime_error("schema/v1.schema.json has no " + definition);
    auto &choices = all["oneOf"];
    const auto reference = "#/definitions/" + definition;
    while (choices.Size() > 1)
        choices.PopBack();
    choices[0]["$ref"].SetString(reference.c_str(), all.GetAllocator());
    return rapidjson::SchemaDocument(all);
}

} // namespace walcast::test
