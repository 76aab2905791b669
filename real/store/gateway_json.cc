#include "real/store/gateway_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "real/store/etcd_json.h"

namespace overlab::real {
namespace {

using Json = nlohmann::json;

std::unexpected<Error> malformed(std::string message) {
    return fail(ErrorKind::invalid_argument, std::move(message));
}
std::unexpected<Error> not_served(std::string_view what) {
    return fail(ErrorKind::unsupported, fmt::format("{}: this gateway does not serve it", what));
}

const Json& member(const Json& object, const char* name) {
    static const Json none;
    const auto found = object.find(name);
    return found == object.end() ? none : *found;
}

/// As etcd, an empty body is an empty object.
Result<Json> object_of(std::string_view body) {
    if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) return Json::object();
    Json parsed = Json::parse(body, nullptr, false);
    if (parsed.is_discarded()) return malformed("body: not JSON");
    if (!parsed.is_object()) return malformed("body: expected a JSON object");
    return parsed;
}

/// 64-bit numbers come as strings or as numbers; absent is 0.
Result<std::int64_t> number(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_null()) return 0;
    if (value.is_number_integer()) return value.get<std::int64_t>();
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        std::int64_t out = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (error == std::errc() && end == text.data() + text.size()) return out;
    }
    return malformed(fmt::format("{}: expected a 64-bit integer", name));
}

Result<std::string> bytes(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_null()) return std::string();
    if (value.is_string()) {
        auto out = base64_decode(value.get_ref<const std::string&>());
        if (out) return std::move(*out);
    }
    return malformed(fmt::format("{}: expected base64 text", name));
}

Result<bool> flag(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_null()) return false;
    if (value.is_boolean()) return value.get<bool>();
    return malformed(fmt::format("{}: expected true or false", name));
}

/// Refuses every field of `names` that asks for something.
Result<void> without(const Json& object, std::initializer_list<const char*> names) {
    static const std::vector<Json> idle{nullptr, false, 0, "0", "", "NONE", "KEY", Json::array()};
    for (const char* name : names) {
        if (std::ranges::find(idle, member(object, name)) == idle.end()) return not_served(name);
    }
    return {};
}

/// The list `name` of `object`; absent is empty.
Result<std::vector<Json>> list(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_null()) return std::vector<Json>();
    if (!value.is_array()) return malformed(fmt::format("{}: expected a list", name));
    std::vector<Json> out(value.begin(), value.end());
    const bool objects = std::ranges::all_of(out, [](const Json& one) { return one.is_object(); });
    if (!objects) return malformed(fmt::format("{}: expected a list of objects", name));
    return out;
}

Result<KeySelection> selection(const Json& object) {
    OVERLAB_TRY(std::string key, bytes(object, "key"));
    OVERLAB_TRY(std::string end, bytes(object, "range_end"));
    if (key.empty()) return malformed("etcdserver: key is not provided");
    return KeySelection{std::move(key), std::move(end)};
}

Result<std::string> single_key(const Json& object, const char* of) {
    OVERLAB_TRY(KeySelection keys, selection(object));
    if (!keys.end.empty()) return not_served(fmt::format("{} of many keys", of));
    return std::move(keys.key);
}

Result<KvPut> put_of(const Json& object) {
    if (auto plain = without(object, {"prev_kv", "ignore_value", "ignore_lease"}); !plain)
        return std::unexpected(plain.error());
    OVERLAB_TRY(std::string key, single_key(object, "put"));
    OVERLAB_TRY(std::string value, bytes(object, "value"));
    OVERLAB_TRY(const std::int64_t lease, number(object, "lease"));
    return KvPut{.key = std::move(key), .value = std::move(value), .lease = {lease}};
}

Result<KvCompare> compare_of(const Json& object) {
    const Json& result = member(object, "result");
    if (!result.is_null() && result != "EQUAL" && result != 0) return not_served("compare result");
    OVERLAB_TRY(std::string key, single_key(object, "compare"));
    KvCompare out{.key = std::move(key)};
    const Json& target = member(object, "target");
    const char* field = "version";
    if (target == "CREATE" || target == 1) {
        out.target = KvCompare::Target::create_revision;
        field = "create_revision";
    } else if (target == "MOD" || target == 2) {
        out.target = KvCompare::Target::mod_revision;
        field = "mod_revision";
    } else if (target == "LEASE" || target == 4) {
        out.target = KvCompare::Target::lease;
        field = "lease";
    } else if (!target.is_null() && target != "VERSION" && target != 0) {
        return not_served("compare target");
    }
    OVERLAB_TRY(out.equals, number(object, field));
    return out;
}

Result<void> add_write(const Json& operation, TxnQuery& out) {
    if (const Json& put = member(operation, "request_put"); put.is_object()) {
        OVERLAB_TRY(KvPut write, put_of(put));
        out.txn.puts.push_back(std::move(write));
        out.writes_are_puts.push_back(true);
        return {};
    }
    const Json& gone = member(operation, "request_delete_range");
    if (!gone.is_object()) return not_served("txn success operation");
    if (auto plain = without(gone, {"prev_kv"}); !plain) return plain;
    OVERLAB_TRY(std::string key, single_key(gone, "txn deletion"));
    out.txn.deletes.push_back({std::move(key)});
    out.writes_are_puts.push_back(false);
    return {};
}

Result<void> add_read(const Json& operation, TxnQuery& out) {
    const Json& range = member(operation, "request_range");
    if (!range.is_object()) return not_served("txn failure operation");
    OVERLAB_TRY(std::string key, single_key(range, "txn range"));
    const bool compared =
        std::ranges::find(out.txn.compares, key, &KvCompare::key) != out.txn.compares.end();
    if (!compared) return not_served("txn range of a key that is not compared");
    out.reads.push_back(std::move(key));
    return {};
}

std::string header(Revision revision) {
    return fmt::format(R"("header":{{"revision":"{}"}})", revision);
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
    if (value == 0) return;  // proto3's JSON leaves zeros out
    fmt::format_to(std::back_inserter(out), R"(,"{}":"{}")", name, value);
}

void append_entry(std::string& out, const KeyValue& entry, bool with_value) {
    out += R"({"key":")" + base64_encode(entry.key) + '"';
    append_number(out, "create_revision", entry.create_revision);
    append_number(out, "mod_revision", entry.mod_revision);
    append_number(out, "version", entry.version);
    if (with_value && !entry.value.empty())
        out += R"(,"value":")" + base64_encode(entry.value) + '"';
    append_number(out, "lease", entry.lease.value);
    out += '}';
}

std::string range_response(Revision revision, const std::vector<KeyValuePtr>& entries) {
    std::string out = "{" + header(revision);
    if (!entries.empty()) {
        out += R"(,"kvs":[)";
        for (const KeyValuePtr& entry : entries) {
            if (entry != entries.front()) out += ',';
            append_entry(out, *entry, true);
        }
        out += ']';
    }
    append_number(out, "count", static_cast<std::int64_t>(entries.size()));
    return out + "}";
}

}  // namespace

bool KeySelection::contains(std::string_view candidate) const {
    if (end.empty()) return candidate == key;
    // A single zero byte as key means "from the first key on", and no key is smaller.
    return candidate >= key && (end == std::string_view("\0", 1) || candidate < end);
}

std::string KeySelection::common_prefix() const {
    const std::string_view zero("\0", 1);
    if (end.empty() || (key != zero && prefix_interval(key).end == end)) return key;
    if (end == zero) return {};
    const auto [at, ignored] = std::ranges::mismatch(key, end);
    return {key.begin(), at};
}

Result<RangeQuery> read_range(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    if (auto plain =
            without(object, {"revision", "sort_order", "sort_target", "min_mod_revision",
                             "max_mod_revision", "min_create_revision", "max_create_revision"});
        !plain)
        return std::unexpected(plain.error());
    RangeQuery out;
    OVERLAB_TRY(out.keys, selection(object));
    OVERLAB_TRY(out.limit, number(object, "limit"));
    OVERLAB_TRY(out.count_only, flag(object, "count_only"));
    OVERLAB_TRY(out.keys_only, flag(object, "keys_only"));
    return out;
}

Result<KvPut> read_put(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    return put_of(object);
}

Result<KeySelection> read_delete_range(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    if (auto plain = without(object, {"prev_kv"}); !plain) return std::unexpected(plain.error());
    return selection(object);
}

Result<TxnQuery> read_txn(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    TxnQuery out;
    OVERLAB_TRY(const auto compares, list(object, "compare"));
    for (const Json& one : compares) {
        OVERLAB_TRY(KvCompare compare, compare_of(one));
        out.txn.compares.push_back(std::move(compare));
    }
    OVERLAB_TRY(const auto success, list(object, "success"));
    for (const Json& one : success) {
        if (auto added = add_write(one, out); !added) return std::unexpected(added.error());
    }
    OVERLAB_TRY(const auto failure, list(object, "failure"));
    for (const Json& one : failure) {
        if (auto added = add_read(one, out); !added) return std::unexpected(added.error());
    }
    return out;
}

Result<Revision> read_compaction(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    return number(object, "revision");
}

Result<std::int64_t> read_grant(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    if (auto plain = without(object, {"ID"}); !plain) return std::unexpected(plain.error());
    OVERLAB_TRY(const std::int64_t ttl_s, number(object, "TTL"));
    constexpr std::int64_t longest_s = 9'000'000'000;  // as etcd, lessor.MaxLeaseTTL
    if (ttl_s > longest_s) return malformed("etcdserver: too large lease TTL");
    return std::max<std::int64_t>(ttl_s, 1);
}

Result<KvLeaseId> read_lease(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    OVERLAB_TRY(const std::int64_t id, number(object, "ID"));
    return KvLeaseId{id};
}

Result<WatchQuery> read_watch(std::string_view body) {
    OVERLAB_TRY(const Json object, object_of(body));
    const Json& create = member(object, "create_request");
    if (!create.is_object()) return malformed("create_request: expected an object");
    if (auto plain = without(create, {"prev_kv", "filters"}); !plain)
        return std::unexpected(plain.error());
    WatchQuery out;
    OVERLAB_TRY(out.keys, selection(create));
    OVERLAB_TRY(out.from, number(create, "start_revision"));
    if (out.from < 0) return malformed("start_revision: expected 0 or more");
    return out;
}

Refusal refuse(const Error& error) {
    int status = 400;
    auto code = GrpcCode::invalid_argument;
    switch (error.kind) {
        case ErrorKind::not_found:
            status = 404;
            code = GrpcCode::not_found;
            break;
        case ErrorKind::compacted:
            code = GrpcCode::out_of_range;
            break;
        case ErrorKind::unsupported:
            status = 501;
            code = GrpcCode::unimplemented;
            break;
        case ErrorKind::unavailable:
            status = 503;
            code = GrpcCode::unavailable;
            break;
        default:
            break;
    }
    const Json body{
        {"error", error.what}, {"message", error.what}, {"code", static_cast<int>(code)}};
    return {.status = status, .body = body.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

std::string write_header(Revision revision) { return "{" + header(revision) + "}"; }

std::string write_range(const RangeQuery& query, const KvRange& range) {
    std::string out = "{" + header(range.revision);
    std::int64_t count = 0;
    std::int64_t shown = 0;
    bool more = false;
    for (const KeyValuePtr& entry : range.entries) {
        if (!query.keys.contains(entry->key)) continue;
        ++count;
        more = query.limit > 0 && count > query.limit;
        if (query.count_only || more) continue;
        out += ++shown == 1 ? R"(,"kvs":[)" : ",";
        append_entry(out, *entry, !query.keys_only);
    }
    if (shown > 0) out += ']';
    if (more && !query.count_only) out += R"(,"more":true)";
    append_number(out, "count", count);
    return out + "}";
}

std::string write_deleted(Revision revision, std::size_t count) {
    std::string out = "{" + header(revision);
    append_number(out, "deleted", static_cast<std::int64_t>(count));
    return out + "}";
}

std::string write_txn(const TxnQuery& query, const KvTxnResult& result) {
    std::string responses;
    const auto add = [&](std::string_view name, const std::string& response) {
        if (!responses.empty()) responses += ',';
        fmt::format_to(std::back_inserter(responses), R"({{"{}":{}}})", name, response);
    };
    for (std::size_t i = 0; result.succeeded && i < query.writes_are_puts.size(); ++i) {
        add(query.writes_are_puts[i] ? "response_put" : "response_delete_range",
            write_header(result.revision));
    }
    for (std::size_t i = 0; !result.succeeded && i < query.reads.size(); ++i) {
        std::vector<KeyValuePtr> found;
        std::ranges::copy_if(result.current, std::back_inserter(found),
                             [&](const auto& entry) { return entry->key == query.reads[i]; });
        add("response_range", range_response(result.revision, found));
    }
    std::string out = "{" + header(result.revision);
    if (result.succeeded) out += R"(,"succeeded":true)";
    if (!responses.empty()) out += R"(,"responses":[)" + responses + "]";
    return out + "}";
}

std::string write_grant(Revision revision, KvLeaseId lease, std::int64_t ttl_s) {
    return fmt::format(R"({{{},"ID":"{}","TTL":"{}"}})", header(revision), lease.value, ttl_s);
}

std::string write_keep_alive(Revision revision, KvLeaseId lease, std::optional<Duration> ttl) {
    std::string out = fmt::format(R"({{"result":{{{})", header(revision));
    append_number(out, "ID", lease.value);
    if (ttl) append_number(out, "TTL", ttl->ns / seconds(1).ns);
    return out + "}}\n";
}

std::string write_created(Revision revision) {
    return fmt::format("{{\"result\":{{{},\"created\":true}}}}\n", header(revision));
}

std::string write_events(const KeySelection& keys, const KvWatchUpdate& update) {
    std::string events;
    for (const KvEvent& event : update.events) {
        if (!keys.contains(event.entry->key)) continue;
        if (!events.empty()) events += ',';
        events += event.type == KvEvent::Type::remove ? R"({"type":"DELETE","kv":)" : R"({"kv":)";
        append_entry(events, *event.entry, true);
        events += '}';
    }
    if (events.empty()) return events;
    return fmt::format("{{\"result\":{{{},\"events\":[{}]}}}}\n", header(update.revision), events);
}

std::string write_compacted(Revision revision, Revision at_least) {
    return fmt::format("{{\"result\":{{{},\"canceled\":true,\"compact_revision\":\"{}\"}}}}\n",
                       header(revision), at_least);
}

}  // namespace overlab::real
