#include "server/net/http_api.hpp"

#include "server/protocol/base64url.hpp"
#include "server/protocol/json_text.hpp"
#include "server/protocol/utf8.hpp"
#include "server/protocol/v1_outline.hpp"

#include <algorithm>
#include <array>
#include <openssl/sha.h>
#include <span>
#include <utility>

namespace walcast {

namespace http = boost::beast::http;

namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view methods = "GET, HEAD, OPTIONS";
/// Arvados' API allows Authorization, Content-Type, Range and X-Http-Method-Override; a page may set the
/// others here.
constexpr std::string_view request_headers =
    "Authorization, Cache-Control, Content-Type, If-None-Match, Last-Event-ID, Range, X-Http-Method-Override";
constexpr std::string_view answer_headers = "ETag, Retry-After, Walcast-Token";
/// As long as Arvados says, in seconds.
constexpr std::string_view preflight_age = "86486400";
/// Of the 32 bytes of SHA-256, those that an ETag has.
constexpr std::size_t etag_bytes = 16;

http::status status_of(v1_error code) {
    switch (code) {
    case v1_error::bad_request:
    case v1_error::too_many_subscriptions:
        return http::status::bad_request;
    case v1_error::unauthorized:
        return http::status::unauthorized;
    case v1_error::not_found:
    case v1_error::unknown_topic:
        return http::status::not_found;
    case v1_error::payload_too_large:
        return http::status::payload_too_large;
    case v1_error::not_allowed:
        return http::status::forbidden;
    case v1_error::unavailable:
        break;
    }
    return http::status::service_unavailable;
}

v1_error error_of(std::string_view code) {
    for (auto one = v1_error::bad_request; one != v1_error::unavailable;
         one = static_cast<v1_error>(static_cast<int>(one) + 1))
        if (to_string(one) == code)
            return one;
    return v1_error::unavailable;
}

/// The first of a list's elements, without the spaces around it; the list loses it.
std::string_view take_element(std::string_view &list) {
    const auto element = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), element.size() + 1));
    const auto begin = element.find_first_not_of(" \t");
    return begin == element.npos ? std::string_view()
                                 : element.substr(begin, element.find_last_not_of(" \t") + 1 - begin);
}

} // namespace

void allow_any_origin(http_response &answer) {
    answer.set(http::field::access_control_allow_origin, "*");
    answer.set(http::field::access_control_expose_headers, answer_headers);
}

http_response make_api_response(const http_request &to, api_answer answer) {
    const bool not_modified = answer.status == http::status::not_modified;
    auto made = make_response(to, answer.status, json_type, std::move(answer.body));
    if (not_modified) {
        made.erase(http::field::content_type);
        made.erase(http::field::content_length); // which would be that of a 200
    }
    allow_any_origin(made);
    made.set(http::field::cache_control, "private, no-cache");
    made.set(http::field::vary, "Authorization");
    if (!answer.etag.empty())
        made.set(http::field::etag, answer.etag);
    if (!answer.token.empty())
        made.set("Walcast-Token", answer.token);
    if (answer.status == http::status::unauthorized)
        made.set(http::field::www_authenticate, "Bearer");
    else if (answer.status == http::status::method_not_allowed)
        made.set(http::field::allow, methods);
    else if (answer.status == http::status::service_unavailable ||
             answer.status == http::status::too_many_requests)
        made.set(http::field::retry_after, "1");
    return made;
}

api_answer api_failure(http::status status, v1_error code, std::string_view message) {
    auto body = v1_failure({}, code, message);
    body.pop_back();
    body += R"(,"errors":[)";
    append_json_string(body, message);
    return {.status = status, .body = body + "]}\n", .etag = {}, .token = {}};
}

api_answer api_failure(v1_error code, std::string_view message) {
    return api_failure(status_of(code), code, message);
}

api_answer api_failure(std::string_view message) {
    const auto said = outline_of(message);
    const auto why = said.message.empty() ? std::string() : decode_json_string(said.message);
    return api_failure(error_of(said.code), why);
}

http_decision route_api(const http_request &request, http_route route) {
    const auto answer = [&](api_answer with) {
        return http_decision{http_route::answered, make_api_response(request, std::move(with))};
    };
    if (request.method() == http::verb::options) {
        auto allowed = make_response(request, http::status::ok, json_type, {});
        allowed.erase(http::field::content_type);
        allow_any_origin(allowed);
        allowed.set(http::field::access_control_allow_methods, methods);
        allowed.set(http::field::access_control_allow_headers, request_headers);
        allowed.set(http::field::access_control_max_age, preflight_age);
        allowed.set(http::field::allow, methods);
        return {http_route::answered, std::move(allowed)};
    }
    if (request.method() != http::verb::get && request.method() != http::verb::head)
        return answer(
            api_failure(http::status::method_not_allowed, v1_error::bad_request, "only GET is answered"));
    if (token_of(request).empty())
        return answer(api_failure(v1_error::unauthorized, "a token is needed"));
    return {route, std::nullopt};
}

std::string etag_of(std::string_view bytes) {
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    SHA256(reinterpret_cast<const unsigned char *>(bytes.data()), bytes.size(), digest.data());
    std::string text(base64url_length(etag_bytes), '\0');
    write_base64url(std::span(digest).first(etag_bytes), text.data());
    return '"' + text + '"';
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
    while (!if_none_match.empty()) {
        auto one = take_element(if_none_match);
        if (one.starts_with("W/")) // a proxy that compresses says so
            one.remove_prefix(2);
        if (one == "*" || one == etag)
            return true;
    }
    return false;
}

} // namespace walcast
