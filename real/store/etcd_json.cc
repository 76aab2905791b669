#include "real/store/etcd_json.h"

#include <fmt/format.h>
#include <nettle/base64.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace overlab::real {
namespace {

using Json = nlohmann::json;

const std::uint8_t* as_bytes(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::unexpected<Error> not_etcd(std::string_view text) {
    constexpr std::size_t shown = 120;
    return fail(ErrorKind::unavailable,
                fmt::format("answer is not etcd's: `{}`; is this the address of an etcd v3 server?",
                            text.substr(0, shown)));
}

/// An object, or null where the text is none.
Json parse_object(std::string_view text) {
    Json parsed = Json::parse(text, nullptr, false);
    if (!parsed.is_object()) return nullptr;
    return parsed;
}

const Json& member(const Json& object, const char* name) {
    static const Json none;
    if (!object.is_object()) return none;
    const auto found = object.find(name);
    return found == object.end() ? none : *found;
}

/// proto3's JSON: 64-bit numbers are strings, smaller ones are not, zeros are left out.
std::int64_t number(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (!value.is_string()) return 0;
    const auto& text = value.get_ref<const std::string&>();
    std::int64_t out = 0;
    std::from_chars(text.data(), text.data() + text.size(), out);
    return out;
}

bool flag(const Json& object, const char* name) {
    const Json& value = member(object, name);
    return value.is_boolean() && value.get<bool>();
}

std::string text_of(const Json& object, const char* name) {
    const Json& value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::optional<std::string> bytes(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (!value.is_string()) return std::string();
    return base64_decode(value.get_ref<const std::string&>());
}

Revision header_revision(const Json& answer) {
    return number(member(answer, "header"), "revision");
}

/// Null if it is none.
KeyValuePtr key_value(const Json& kv) {
    auto key = bytes(kv, "key");
    auto value = bytes(kv, "value");
    if (!key || !value || key->empty()) return nullptr;
    return std::make_shared<const KeyValue>(
        KeyValue{.key = std::move(*key),
                 .value = std::move(*value),
                 .create_revision = number(kv, "create_revision"),
                 .mod_revision = number(kv, "mod_revision"),
                 .version = number(kv, "version"),
                 .lease = {number(kv, "lease")}});
}

/// Appends; false if one of them is no key-value.
bool append_entries(const Json& range, std::vector<KeyValuePtr>& out) {
    const Json& kvs = member(range, "kvs");
    for (std::size_t i = 0; kvs.is_array() && i < kvs.size(); ++i) {
        out.push_back(key_value(kvs[i]));
        if (!out.back()) return false;
    }
    return true;
}

Json base64_member(std::string_view text) { return base64_encode(text); }

Json compare_json(const KvCompare& compare) {
    Json out{{"key", base64_member(compare.key)}, {"result", "EQUAL"}};
    const auto expect = [&](const char* target, const char* field) {
        out["target"] = target;
        out[field] = std::to_string(compare.equals);
    };
    switch (compare.target) {
        case KvCompare::Target::version:
            expect("VERSION", "version");
            break;
        case KvCompare::Target::create_revision:
            expect("CREATE", "create_revision");
            break;
        case KvCompare::Target::mod_revision:
            expect("MOD", "mod_revision");
            break;
        case KvCompare::Target::lease:
            expect("LEASE", "lease");
            break;
    }
    return out;
}

Json put_json(const KvPut& put) {
    Json out{{"key", base64_member(put.key)}, {"value", base64_member(put.value)}};
    if (put.lease.value != 0) out["lease"] = std::to_string(put.lease.value);
    return Json{{"request_put", std::move(out)}};
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string out(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
    base64_encode_raw(out.data(), bytes.size(), as_bytes(bytes));
    return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
    base64_decode_ctx context{};
    base64_decode_init(&context);
    std::string out(BASE64_DECODE_LENGTH(text.size()), '\0');
    std::size_t size = out.size();
    const bool good =
        base64_decode_update(&context, &size, reinterpret_cast<std::uint8_t*>(out.data()),
                             text.size(), text.data()) == 1 &&
        base64_decode_final(&context) == 1;
    if (!good) return std::nullopt;
    out.resize(size);
    return out;
}

KeyInterval prefix_interval(const std::string& prefix) {
    const std::string zero(1, '\0');
    if (prefix.empty()) return {zero, zero};
    std::string end = prefix;
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (end.empty()) return {prefix, zero};
    end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
    return {prefix, end};
}

std::string range_request(const std::string& prefix) {
    const auto [key, end] = prefix_interval(prefix);
    return Json{{"key", base64_member(key)}, {"range_end", base64_member(end)}}.dump();
}

std::string revision_request() {
    return Json{{"key", base64_member(std::string_view("\0", 1))}, {"count_only", true}}.dump();
}

std::string txn_request(const KvTxn& txn) {
    Json compare = Json::array();
    Json success = Json::array();
    Json failure = Json::array();
    std::set<std::string_view> asked;
    for (const KvCompare& one : txn.compares) {
        compare.push_back(compare_json(one));
        if (!asked.insert(one.key).second) continue;
        failure.push_back(Json{{"request_range", Json{{"key", base64_member(one.key)}}}});
    }
    for (const KvPut& put : txn.puts) success.push_back(put_json(put));
    for (const KvDelete& gone : txn.deletes) {
        success.push_back(Json{{"request_delete_range", Json{{"key", base64_member(gone.key)}}}});
    }
    return Json{{"compare", std::move(compare)},
                {"success", std::move(success)},
                {"failure", std::move(failure)}}
        .dump();
}

std::string grant_request(std::int64_t ttl_s) { return fmt::format(R"({{"TTL":"{}"}})", ttl_s); }

std::string lease_request(KvLeaseId lease) { return fmt::format(R"({{"ID":"{}"}})", lease.value); }

std::string compaction_request(Revision revision) {
    // `physical`: the answer comes when it is done, so that what follows sees it.
    return fmt::format(R"({{"revision":"{}","physical":true}})", revision);
}

std::string watch_request(const std::string& prefix, Revision from) {
    const auto [key, end] = prefix_interval(prefix);
    Json create{{"key", base64_member(key)},
                {"range_end", base64_member(end)},
                {"progress_notify", true},
                {"fragment", true}};
    if (from != 0) create["start_revision"] = std::to_string(from);
    return Json{{"create_request", std::move(create)}}.dump();
}

std::string authentication_request(const std::string& user, const std::string& password) {
    // Bytes that are not UTF-8 cannot be in JSON; replaced, they are simply a wrong password.
    return Json{{"name", user}, {"password", password}}.dump(-1, ' ', false,
                                                             Json::error_handler_t::replace);
}

Result<KvRange> parse_range(std::string_view text) {
    const Json answer = parse_object(text);
    KvRange out{.revision = header_revision(answer), .entries = {}};
    if (out.revision == 0 || !append_entries(answer, out.entries)) return not_etcd(text);
    return out;
}

Result<KvTxnResult> parse_txn(std::string_view text) {
    const Json answer = parse_object(text);
    KvTxnResult out{
        .succeeded = flag(answer, "succeeded"), .revision = header_revision(answer), .current = {}};
    if (out.revision == 0) return not_etcd(text);
    const Json& responses = member(answer, "responses");
    for (std::size_t i = 0; responses.is_array() && i < responses.size(); ++i) {
        if (!append_entries(member(responses[i], "response_range"), out.current))
            return not_etcd(text);
    }
    return out;
}

Result<KvLeaseId> parse_grant(std::string_view text) {
    const KvLeaseId lease{number(parse_object(text), "ID")};
    if (lease.value == 0) return not_etcd(text);
    return lease;
}

Result<Duration> parse_keep_alive(std::string_view text) {
    const Json answer = parse_object(text);
    const Json& result = member(answer, "result");
    const std::int64_t lease = number(result, "ID");
    if (lease == 0) return not_etcd(text);
    const std::int64_t ttl_s = number(result, "TTL");
    if (ttl_s <= 0) {
        return fail(ErrorKind::not_found,
                    fmt::format("lease {}: requested lease not found", lease));
    }
    return seconds(ttl_s);
}

Result<Revision> parse_revision(std::string_view text) {
    const Revision revision = header_revision(parse_object(text));
    if (revision == 0) return not_etcd(text);
    return revision;
}

Result<std::string> parse_token(std::string_view text) {
    std::string token = text_of(parse_object(text), "token");
    // Not the text: it may be a token in another field.
    if (token.empty()) return not_etcd("no token");
    return token;
}

std::optional<GrpcError> parse_error(std::string_view text) {
    const Json answer = parse_object(text);
    const Json& error = member(answer, "error");
    const bool streamed = error.is_object();
    if (!streamed && !error.is_string()) return std::nullopt;
    std::int64_t code = number(answer, "code");
    if (streamed) code = number(error, error.contains("grpc_code") ? "grpc_code" : "code");
    std::string message = streamed ? text_of(error, "message") : error.get<std::string>();
    constexpr std::int64_t last_code = 16;
    if (code <= 0 || code > last_code) code = static_cast<int>(GrpcCode::unknown);
    return GrpcError{static_cast<GrpcCode>(code), std::move(message)};
}

Result<WatchMessage> parse_watch(std::string_view line) {
    const Json message = parse_object(line);
    const Json& result = member(message, "result");
    if (!result.is_object()) return not_etcd(line);
    WatchMessage out{.created = flag(result, "created"),
                     .canceled = flag(result, "canceled"),
                     .fragment = flag(result, "fragment"),
                     .revision = header_revision(result),
                     .compact_revision = number(result, "compact_revision"),
                     .cancel_reason = text_of(result, "cancel_reason"),
                     .events = {}};
    const Json& events = member(result, "events");
    for (std::size_t i = 0; events.is_array() && i < events.size(); ++i) {
        const bool removed = text_of(events[i], "type") == "DELETE";
        KeyValuePtr entry = key_value(member(events[i], "kv"));
        if (!entry) return not_etcd(line);
        out.events.push_back({.type = removed ? KvEvent::Type::remove : KvEvent::Type::put,
                              .entry = std::move(entry)});
    }
    return out;
}

}  // namespace overlab::real
