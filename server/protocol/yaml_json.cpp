#include "server/protocol/yaml_json.hpp"

#include "server/protocol/utf8.hpp"
#include "server/protocol/yaml_scalar.hpp"

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <unordered_map>
#include <vector>
#include <yaml-cpp/binary.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

namespace walcast {

namespace {

/// Stops the parser from within its handler; never leaves this file.
class not_convertible : public YAML::Exception {
  public:
    not_convertible()
        : YAML::Exception(YAML::Mark::null_mark(), "no JSON") {}
};

/// Writes JSON while the parser runs, so no tree is built. An anchored node is remembered as a range of what
/// was written, and an alias copies that range: what an alias bomb can do is bounded by the limit on the
/// output alone.
class json_writer : public YAML::EventHandler {
  public:
    explicit json_writer(std::size_t max_bytes)
        : max_bytes_(max_bytes) {}

    [[nodiscard]] std::string take() { return std::move(out_); }

    void OnDocumentStart(const YAML::Mark &) override {}
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark &, YAML::anchor_t anchor) override {
        before(anchor, node::scalar);
        if (is_key())
            throw not_convertible();
        out_.append("null");
        after();
    }

    void OnAlias(const YAML::Mark &, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end())
            throw not_convertible(); // an alias within the node that it names
        const auto [first, last] = found->second;
        const char kind = out_[first];
        before(YAML::NullAnchor, kind == '{' || kind == '[' ? node::container : node::scalar);
        const bool bare_key = is_key() && kind != '"';
        if (bare_key && out_.compare(first, last - first, "null") == 0)
            throw not_convertible();
        if (out_.size() + (last - first) > max_bytes_)
            throw not_convertible();
        if (bare_key)
            out_.push_back('"');
        out_.append(std::string(out_, first, last - first));
        if (bare_key)
            out_.push_back('"');
        after();
    }

    void OnScalar(const YAML::Mark &, const std::string &tag, YAML::anchor_t anchor,
                  const std::string &text) override {
        before(anchor, node::scalar);
        if (tag == "tag:yaml.org,2002:binary" || tag == "!binary") {
            // yaml-cpp 0.7 looks bytes beyond ASCII up far outside its table.
            if (std::any_of(text.begin(), text.end(), [](char byte) { return byte < 0; }))
                throw not_convertible();
            const auto bytes = YAML::DecodeBase64(text);
            append_json_string(out_, {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
        } else {
            append_plain(resolves(tag) ? resolve_yaml_scalar(text) : yaml_scalar{}, text);
        }
        after();
    }

    void OnSequenceStart(const YAML::Mark &, const std::string &, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(anchor, '[');
    }
    void OnSequenceEnd() override { close(']'); }
    void OnMapStart(const YAML::Mark &, const std::string &, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(anchor, '{');
    }
    void OnMapEnd() override { close('}'); }

  private:
    enum class node : std::uint8_t { scalar, container };

    /// Quoted scalars have the tag `!`, plain ones `?`.
    [[nodiscard]] static bool resolves(std::string_view tag) {
        return tag == "?" || tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" ||
               tag == "tag:yaml.org,2002:bool" || tag == "tag:yaml.org,2002:null";
    }

    void append_plain(const yaml_scalar &scalar, std::string_view text) {
        using kind = yaml_scalar::kind;
        if (scalar.is == kind::not_json || (is_key() && scalar.is == kind::null))
            throw not_convertible();
        if (scalar.is == kind::string)
            append_json_string(out_, text);
        else if (is_key())
            append_json_string(out_, scalar.json);
        else
            out_.append(scalar.json);
    }

    struct container {
        bool map;
        std::size_t children = 0; ///< of a map: keys and values
        YAML::anchor_t anchor;    ///< of the container itself
        std::size_t first;        ///< where it begins in the output
    };

    /// Whether the node being written is a map's key.
    [[nodiscard]] bool is_key() const {
        return !open_.empty() && open_.back().map && open_.back().children % 2 == 0;
    }

    /// What goes between the node before and this one.
    void before(YAML::anchor_t anchor, node kind) {
        if (is_key() && kind == node::container)
            throw not_convertible();
        if (!open_.empty() && open_.back().children != 0)
            out_.push_back(open_.back().map && !is_key() ? ':' : ',');
        anchor_ = anchor;
        first_ = out_.size();
    }

    /// The node that began at `first_` is complete.
    void after() {
        if (out_.size() > max_bytes_)
            throw not_convertible();
        if (anchor_ != YAML::NullAnchor)
            anchors_[anchor_] = {first_, out_.size()};
        if (!open_.empty())
            ++open_.back().children;
    }

    void open(YAML::anchor_t anchor, char bracket) {
        before(anchor, node::container);
        open_.push_back({bracket == '{', 0, anchor_, first_});
        out_.push_back(bracket);
    }

    void close(char bracket) {
        out_.push_back(bracket);
        anchor_ = open_.back().anchor;
        first_ = open_.back().first;
        open_.pop_back();
        after();
    }

    std::size_t max_bytes_;
    std::string out_;
    std::vector<container> open_;
    YAML::anchor_t anchor_ = YAML::NullAnchor; ///< of the node being written
    std::size_t first_ = 0;
    std::unordered_map<YAML::anchor_t, std::pair<std::size_t, std::size_t>> anchors_; ///< ranges of out_
};

} // namespace

std::optional<std::string> yaml_to_json(std::string_view yaml, std::size_t max_bytes) {
    if (yaml.find('\0') != yaml.npos)
        return std::nullopt; // YAML has no such character, and yaml-cpp takes it for a backslash
    json_writer writer(max_bytes);
    try {
        std::istringstream input{std::string(yaml)};
        YAML::Parser parser(input);
        if (!parser.HandleNextDocument(writer))
            return "null"; // nothing but white space and comments
    } catch (const YAML::Exception &) {
        return std::nullopt;
    }
    return writer.take();
}

} // namespace walcast
