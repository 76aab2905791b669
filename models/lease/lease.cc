// Sources: flannel's pkg/subnet (SubnetLease key, LeaseAttrs) as Go's encoding/json writes and
// reads it: struct order, case-insensitive keys, the last of two equal keys wins, '<', '>' and '&'
// escaped.
#include "models/lease/lease.h"

#include <fmt/format.h>

#include <charconv>
#include <cstddef>
#include <utility>

#include "models/base/check.h"
#include "models/lease/field_reader.h"
#include "models/lease/json_value.h"

namespace overlab {
namespace {

constexpr unsigned max_v4_length = 31;   // flannel reads the length into 5 bits ...
constexpr unsigned max_v6_length = 127;  // ... and into 7

bool is_json_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// One past the end of the string literal that starts at `at`.
std::size_t skip_string(std::string_view json, std::size_t at) {
    for (++at; json[at] != '"'; ++at) {
        if (json[at] == '\\') ++at;
    }
    return at + 1;
}

// Valid JSON without the spaces between its tokens.
std::string compact(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    for (std::size_t at = 0; at < json.size();) {
        if (json[at] == '"') {
            const std::size_t end = skip_string(json, at);
            out += json.substr(at, end - at);
            at = end;
        } else {
            if (!is_json_space(json[at])) out += json[at];
            ++at;
        }
    }
    return out;
}

// The text of member `key` of a valid JSON object, as written, spaces removed. The last one if
// there are several; empty if there is none.
std::string raw_member(std::string_view object, std::string_view key) {
    const std::string text = compact(object);
    const std::string_view view = text;
    std::string found;
    std::size_t at = 1;
    while (view[at] == '"') {
        const std::size_t key_end = skip_string(view, at);
        const std::string_view name = view.substr(at + 1, key_end - at - 2);
        const std::size_t value = key_end + 1;  // after ':'
        std::size_t end = value;
        for (int depth = 0; depth > 0 || (view[end] != ',' && view[end] != '}');) {
            if (view[end] == '"') {
                end = skip_string(view, end);
                continue;
            }
            if (view[end] == '{' || view[end] == '[') ++depth;
            if (view[end] == '}' || view[end] == ']') --depth;
            ++end;
        }
        if (equal_ignoring_case(name, key)) found = view.substr(value, end - value);
        at = end + 1;
        if (view[end] == '}') break;
    }
    return found;
}

// Go's json.Marshal writes these so that JSON may stand inside HTML. They occur only within
// strings.
std::string escape_html(std::string_view json) {
    std::string out;
    for (const char c : json) {
        if (c == '<' || c == '>' || c == '&') {
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    return out;
}

const JsonValue* find_last(const JsonValue& object, std::string_view key) {
    const JsonValue* found = nullptr;
    for (const JsonMember& m : object.members) {
        if (equal_ignoring_case(m.key, key)) found = &m.value;
    }
    return found != nullptr && found->kind == JsonValue::Kind::null ? nullptr : found;
}

Result<std::string> string_field(const JsonValue& object, std::string_view key) {
    const JsonValue* value = find_last(object, key);
    if (value == nullptr) return std::string();
    if (value->kind != JsonValue::Kind::string) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{} must be a string, is {}", key, value->kind_name()));
    }
    return value->text;
}

template <typename Address>
Result<std::optional<Address>> address_field(const JsonValue& object, std::string_view key) {
    OVERLAB_TRY(const std::string text, string_field(object, key));
    if (text.empty()) return std::nullopt;
    const auto address = Address::parse(text);
    if (!address)
        return fail(ErrorKind::invalid_argument, fmt::format("{}: {}", key, address.error().what));
    return std::optional<Address>(*address);
}

std::optional<unsigned> parse_length(std::string_view text, unsigned most) {
    unsigned length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc{} || end != text.data() + text.size() || length > most)
        return std::nullopt;
    return length;
}

// `<address>-<length>` as a prefix; nothing if it is not one or has host bits set.
template <typename Prefix, typename Address>
std::optional<Prefix> parse_part(std::string_view text, unsigned max_length) {
    const std::size_t dash = text.rfind('-');
    if (dash == std::string_view::npos) return std::nullopt;
    const auto address = Address::parse(text.substr(0, dash));
    const auto length = parse_length(text.substr(dash + 1), max_length);
    if (!address || !length) return std::nullopt;
    const Prefix prefix = Prefix::of(*address, *length);
    return prefix.network == *address ? std::optional(prefix) : std::nullopt;
}

}  // namespace

std::string LeaseSubnet::to_string() const {
    if (!v6) return v4.to_string();
    if (v4.length == 0) return v6->to_string();
    return v4.to_string() + ", " + v6->to_string();
}

std::string lease_key(const LeaseSubnet& subnet) {
    std::string key = fmt::format("{}-{}", subnet.v4.network.to_string(), subnet.v4.length);
    if (subnet.v6) key += fmt::format("&{}-{}", subnet.v6->network.to_string(), subnet.v6->length);
    return key;
}

Result<LeaseSubnet> parse_lease_key(std::string_view key_tail) {
    const auto malformed = [&] {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("lease key {:.128}: expected <a.b.c.d>-<len> or "
                                "<a.b.c.d>-<len>&<v6>-<len> with the networks' first addresses",
                                key_tail));
    };
    const std::size_t ampersand = key_tail.find('&');
    const auto v4 =
        parse_part<Ipv4Prefix, Ipv4Address>(key_tail.substr(0, ampersand), max_v4_length);
    if (!v4) return malformed();
    LeaseSubnet subnet{.v4 = *v4, .v6 = std::nullopt};
    if (ampersand != std::string_view::npos) {
        subnet.v6 =
            parse_part<Ipv6Prefix, Ipv6Address>(key_tail.substr(ampersand + 1), max_v6_length);
        if (!subnet.v6 || subnet.v6->length == 0) return malformed();
    }
    // flannel's IPv6-only nodes write 0.0.0.0-0 before the '&'; alone it would be a lease of
    // everything.
    if (subnet.v4.length == 0 && !subnet.v6) return malformed();
    return subnet;
}

std::string lease_value(const LeaseAttributes& attributes) {
    std::string out =
        fmt::format(R"({{"PublicIP":"{}","PublicIPv6":)", attributes.public_ip.to_string());
    out += attributes.public_ipv6 ? fmt::format("\"{}\"", attributes.public_ipv6->to_string())
                                  : "null";
    if (!attributes.backend_type.empty()) {
        // Backend types are our own constants (backend_name): nothing in them needs escaping.
        CHECK(attributes.backend_type.find_first_of("\"\\<>&") == std::string::npos);
        out += fmt::format(R"(,"BackendType":"{}")", attributes.backend_type);
    }
    const auto add_data = [&](std::string_view key, const std::string& data) {
        if (data.empty()) return;
        CHECK(parse_json(data).has_value());
        out += fmt::format(R"(,"{}":{})", key, escape_html(compact(data)));
    };
    add_data("BackendData", attributes.backend_data);
    add_data("BackendV6Data", attributes.backend_v6_data);
    return out + "}";
}

Result<LeaseAttributes> parse_lease_value(std::string_view json) {
    OVERLAB_TRY(const JsonValue object, parse_json(json));
    if (object.kind != JsonValue::Kind::object) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("value must be an object, is {}", object.kind_name()));
    }
    LeaseAttributes attributes;
    OVERLAB_TRY(const auto v4, address_field<Ipv4Address>(object, "PublicIP"));
    OVERLAB_TRY(attributes.public_ipv6, address_field<Ipv6Address>(object, "PublicIPv6"));
    if (!v4 && !attributes.public_ipv6) {
        return fail(ErrorKind::invalid_argument, "neither PublicIP nor PublicIPv6 is given");
    }
    attributes.public_ip = v4.value_or(Ipv4Address{});
    OVERLAB_TRY(attributes.backend_type, string_field(object, "BackendType"));
    const std::size_t begin = json.find('{');
    const std::string_view body = json.substr(begin, json.rfind('}') + 1 - begin);
    attributes.backend_data = raw_member(body, "BackendData");
    attributes.backend_v6_data = raw_member(body, "BackendV6Data");
    return attributes;
}

Result<Lease> parse_lease(const KeyValue& entry) {
    const std::string_view key = entry.key;
    const std::size_t slash = key.rfind('/');
    const std::string_view tail = slash == std::string_view::npos ? key : key.substr(slash + 1);
    OVERLAB_TRY(const LeaseSubnet subnet, parse_lease_key(tail));
    auto attributes = parse_lease_value(entry.value);
    if (!attributes) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("lease {}: {}", subnet.to_string(), attributes.error().what));
    }
    return Lease{.subnet = subnet,
                 .attributes = std::move(*attributes),
                 .kv_lease = entry.lease,
                 .mod_revision = entry.mod_revision};
}

}  // namespace overlab
