#include "sim/traffic_raw.h"

#include <span>
#include <utility>

#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"

namespace overlab::sim {

RawGenerator::RawGenerator(Engine& engine, PodPort& port, Spec spec)
    : engine_(&engine),
      port_(&port),
      spec_(std::move(spec)),
      rng_(Rng::stream(spec_.seed, spec_.name)) {
    CHECK(!spec_.destinations.empty());
    CHECK(spec_.interval.ns > 0);
    const auto bytes = static_cast<std::uint16_t>(header_bytes + spec_.payload_bytes);
    const Ipv4Header ip{.total_length = bytes, .dont_fragment = true, .protocol = ip_protocol::udp};
    const UdpHeader udp{.source_port = spec_.port,
                        .destination_port = spec_.port,
                        .length = static_cast<std::uint16_t>(bytes - Ipv4Header::bytes)};
    ip.encode(template_);
    udp.encode(std::span(template_).subspan(Ipv4Header::bytes));
}

void RawGenerator::run(Instant begin, Instant end) {
    CHECK(end_ns_ == 0);
    end_ns_ = end.ns;
    engine_->schedule(begin.ns, *this);
}

void RawGenerator::fire() {
    if (engine_->now_ns() >= end_ns_) return;
    if (!address().is_unspecified()) send();
    engine_->schedule(engine_->now_ns() + spec_.interval.ns, *this);
}

Ipv4Address RawGenerator::next_destination() {
    const std::size_t count = spec_.destinations.size();
    return spec_.destinations[spec_.random ? rng_.below(count) : sent_ % count];
}

void RawGenerator::send() {
    const Ipv4Address destination = next_destination();
    auto frame = std::make_unique<Frame>();
    std::uint8_t* ip = frame->prepend(header_bytes);
    std::memcpy(ip, template_.data(), header_bytes);
    store_be16(ip + ipv4_offset::id, static_cast<std::uint16_t>(sent_));
    store_be32(ip + ipv4_offset::source, address().bits);
    store_be32(ip + ipv4_offset::destination, destination.bits);
    write_ipv4_header_checksum(ip);
    frame->inner_ip_at = frame->begin;
    frame->payload_bytes = spec_.payload_bytes;
    frame->flow_hash =
        overlab::flow_hash(address(), destination, ip_protocol::udp, spec_.port, spec_.port);
    frame->outer_hash = frame->flow_hash;
    frame->flow_id = spec_.flow_id;
    frame->sent_ns = engine_->now_ns();
    ++sent_;
    port_->to_host(std::move(frame));
}

}  // namespace overlab::sim
