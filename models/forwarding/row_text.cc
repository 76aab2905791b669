// parse_row: the inverse of to_string(Row). Words are separated by single or more spaces; the order
// of the parts is fixed, as to_string writes it.
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "models/forwarding/rows.h"

namespace overlab {
namespace {

/// Takes words off a line. The first failure is remembered and all later reads are harmless, so
/// that a row's grammar reads as one list of expectations.
class Words {
   public:
    explicit Words(std::string_view line) : line_(line), rest_(line) {}

    std::string_view next() {
        const std::size_t start = std::min(rest_.find_first_not_of(' '), rest_.size());
        rest_.remove_prefix(start);
        const std::string_view word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(word.size());
        return word;
    }

    /// Takes `word` if it comes next.
    bool maybe(std::string_view word) {
        const std::string_view before = rest_;
        if (next() == word) return true;
        rest_ = before;
        return false;
    }

    void keyword(std::string_view word) {
        const std::string_view found = next();
        if (found != word) complain(fmt::format("expected `{}`, found `{}`", word, found));
    }

    LinkName name() {
        const std::string_view word = next();
        if (word.empty()) complain("expected an interface name");
        return LinkName(word);
    }

    Ipv4Address address() { return value<Ipv4Address>(next()); }
    Ipv4Prefix prefix() { return value<Ipv4Prefix>(next()); }
    MacAddress mac() { return value<MacAddress>(next()); }
    WireguardKey key() { return value<WireguardKey>(next()); }

    /// `192.0.2.2:8285`.
    std::pair<Ipv4Address, std::uint16_t> socket() {
        const std::string_view word = next();
        const std::size_t colon = word.find(':');
        const Result<Ipv4Address> host = Ipv4Address::parse(word.substr(0, colon));
        if (!host || colon == std::string_view::npos) {
            complain(fmt::format("`{}` is no address:port", word));
            return {};
        }
        return {*host, number<std::uint16_t>(word.substr(colon + 1))};
    }

    /// A hexadecimal number after `prefix`; `name` says what it is.
    std::uint32_t hexadecimal(std::string_view prefix, std::string_view name) {
        const std::string_view word = next();
        if (word.starts_with(prefix)) {
            return number<std::uint32_t>(word.substr(prefix.size()), 16);
        }
        complain(fmt::format("`{}` is no {}", word, name));
        return 0;
    }

    template <typename Number>
    Number number(std::string_view word, int base = 10) {
        Number result{};
        const auto [end, code] = std::from_chars(word.begin(), word.end(), result, base);
        if (code != std::errc{} || end != word.end() || word.empty()) {
            complain(fmt::format("`{}` is no number in range", word));
        }
        return result;
    }
    template <typename Number>
    Number number() {
        return number<Number>(next());
    }

    void complain(std::string problem) {
        if (!problem_) problem_ = std::move(problem);
    }

    [[nodiscard]] Result<Row> finish(Row row) {
        const std::string_view left = next();
        if (!left.empty()) complain(fmt::format("`{}` is left over", left));
        if (!problem_) return row;
        return fail(ErrorKind::invalid_argument, fmt::format("row `{}`: {}", line_, *problem_));
    }

   private:
    template <typename T>
    T value(std::string_view word) {
        Result<T> parsed = T::parse(word);
        if (parsed) return *parsed;
        complain(parsed.error().what);
        return {};
    }

    std::string_view line_;
    std::string_view rest_;
    std::optional<std::string> problem_;
};

/// What follows the kind: `local 192.0.2.1`, `port 8285`, `mtu 1472`, where it has them.
void parse_tunnel_link(Words& words, LinkRow& row) {
    if (row.kind != LinkRow::Kind::wireguard) {
        words.keyword("local");
        row.local = words.address();
    }
    if (row.kind != LinkRow::Kind::ipip) {
        words.keyword("port");
        row.port = words.number<std::uint16_t>();
    }
    words.keyword("mtu");
    row.mtu = words.number<std::uint32_t>();
}

Row parse_link(Words& words) {
    LinkRow row;
    row.name = words.name();
    for (const auto& [name, kind] : {std::pair("tun", LinkRow::Kind::tun),
                                     {"ipip", LinkRow::Kind::ipip},
                                     {"wireguard", LinkRow::Kind::wireguard}}) {
        if (!words.maybe(name)) continue;
        row.kind = kind;
        parse_tunnel_link(words, row);
        return row;
    }
    words.keyword("vxlan");
    words.keyword("vni");
    row.vni = words.number<std::uint32_t>();
    words.keyword("local");
    row.local = words.address();
    words.keyword("dev");
    row.lower = words.name();
    words.keyword("port");
    row.port = words.number<std::uint16_t>();
    words.keyword("mtu");
    row.mtu = words.number<std::uint32_t>();
    words.keyword("mac");
    row.mac = words.mac();
    row.learning = words.maybe("learning");
    return row;
}

Row parse_address(Words& words) {
    AddressRow row;
    row.prefix = words.prefix();
    words.keyword("dev");
    row.link = words.name();
    return row;
}

Row parse_neighbour(Words& words) {
    NeighbourRow row;
    row.address = words.address();
    words.keyword("lladdr");
    row.mac = words.mac();
    words.keyword("dev");
    row.link = words.name();
    return row;
}

Row parse_fdb(Words& words) {
    FdbRow row;
    row.mac = words.mac();
    words.keyword("dst");
    row.destination = words.address();
    words.keyword("dev");
    row.link = words.name();
    return row;
}

Row parse_tunnel(Words& words) {
    TunnelPeerRow row;
    row.subnet = words.prefix();
    words.keyword("to");
    std::tie(row.destination, row.port) = words.socket();
    words.keyword("dev");
    row.link = words.name();
    return row;
}

Row parse_peer(Words& words) {
    WireguardPeerRow row;
    row.public_key = words.key();
    words.keyword("endpoint");
    std::tie(row.endpoint, row.port) = words.socket();
    words.keyword("allowed");
    row.allowed = words.prefix();
    words.keyword("dev");
    row.link = words.name();
    if (words.maybe("keepalive")) row.keepalive_s = words.number<std::uint16_t>();
    if (words.maybe("psk")) row.psk.fingerprint = words.hexadecimal("#", "fingerprint");
    return row;
}

Row parse_sa(Words& words) {
    SaRow row;
    row.source = words.address();
    words.keyword("->");
    row.destination = words.address();
    words.keyword("spi");
    row.spi = words.hexadecimal("0x", "hexadecimal SPI");
    words.keyword("reqid");
    row.reqid = words.number<std::uint32_t>();
    if (words.maybe("encap")) row.encap_port = words.number<std::uint16_t>();
    return row;
}

Row parse_policy(Words& words) {
    PolicyRow row;
    const std::string_view direction = words.next();
    if (direction == "in") {
        row.direction = PolicyRow::Direction::in;
    } else if (direction == "fwd") {
        row.direction = PolicyRow::Direction::fwd;
    } else if (direction != "out") {
        words.complain(fmt::format("expected `out`, `in` or `fwd`, found `{}`", direction));
    }
    row.source = words.prefix();
    words.keyword("->");
    row.destination = words.prefix();
    words.keyword("tunnel");
    row.tunnel_source = words.address();
    words.keyword("->");
    row.tunnel_destination = words.address();
    words.keyword("reqid");
    row.reqid = words.number<std::uint32_t>();
    return row;
}

Row parse_filter(Words& words) {
    FilterRow row;
    if (words.maybe("masquerade")) {
        row.kind = FilterRow::Kind::masquerade;
        row.network = words.prefix();
        words.keyword("subnet");
        row.subnet = words.prefix();
        row.fully_random = words.maybe("fully-random");
        return row;
    }
    words.keyword("forward");
    row.network = words.prefix();
    return row;
}

Row parse_route(Words& words) {
    RouteRow row;
    row.destination = words.prefix();
    if (words.maybe("via")) row.gateway = words.address();
    words.keyword("dev");
    row.link = words.name();
    row.onlink = words.maybe("onlink");
    return row;
}

}  // namespace

Result<Row> parse_row(std::string_view line) {
    Words words(line);
    const std::string_view kind = words.next();
    if (kind == "link") return words.finish(parse_link(words));
    if (kind == "addr") return words.finish(parse_address(words));
    if (kind == "neigh") return words.finish(parse_neighbour(words));
    if (kind == "fdb") return words.finish(parse_fdb(words));
    if (kind == "tunnel") return words.finish(parse_tunnel(words));
    if (kind == "peer") return words.finish(parse_peer(words));
    if (kind == "sa") return words.finish(parse_sa(words));
    if (kind == "policy") return words.finish(parse_policy(words));
    if (kind == "filter") return words.finish(parse_filter(words));
    if (kind == "route") return words.finish(parse_route(words));
    return fail(ErrorKind::invalid_argument,
                fmt::format("row `{}`: expected link, addr, neigh, fdb, tunnel, peer, sa, policy, "
                            "filter or route",
                            line));
}

}  // namespace overlab
