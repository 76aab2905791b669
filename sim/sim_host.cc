#include "sim/sim_host.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>
#include <utility>

#include "models/net/bytes.h"
#include "models/net/flow_hash.h"
#include "models/net/wire.h"
#include "sim/host_pod.h"

namespace overlab::sim {
namespace {

constexpr std::uint32_t min_path_mtu = 552;  // net.ipv4.route.min_pmtu
constexpr std::uint32_t ip_bytes = 20;

}  // namespace

std::string_view to_string(DropReason reason) {
    static constexpr std::array<std::string_view, static_cast<std::size_t>(DropReason::count)>
        names{"no_route",        "neighbour_unresolved", "fdb_miss",    "tunnel_peer_missing",
              "sa_missing",      "mtu_exceeded",         "ttl_expired", "no_listener",
              "policy_mismatch", "cpu_backlog",          "proxy_queue"};
    return names[static_cast<std::size_t>(reason)];
}

SimHost::SimHost(Engine& engine, const Setup& setup, LinkTransmitter& link,
                 const CostProfile& costs)
    : engine_(&engine),
      name_(setup.name),
      link_(&link),
      cpu_(engine, costs, setup.cores, setup.cpu_model),
      interface_(engine, setup.external, link, [this](FramePtr packet) {
          drop_reporting(DropReason::neighbour_unresolved, IcmpReason::host_unreachable, *packet);
      }) {
    external_link_ = tables_.add_host_link({.name = "eth0",
                                            .kind = TableLink::Kind::ethernet,
                                            .local = setup.external.address,
                                            .mtu = link.mtu(),
                                            .mac = setup.external.mac});
    tables_.add_host_address(external_link_, setup.external.address, setup.external.subnet.length);
    RouteEntry default_route{.link = external_link_};
    if (setup.gateway) {
        default_route.has_gateway = true;
        default_route.gateway = *setup.gateway;
    }
    tables_.add_host_route(Ipv4Prefix{}, default_route);
}

SimHost::~SimHost() = default;

PodPort& SimHost::add_pod(PodEnd& end) {
    pods_.push_back(
        std::make_unique<Pod>(*this, end, to_pod + static_cast<std::uint32_t>(pods_.size())));
    return *pods_.back();
}

void SimHost::set_up_pods(Ipv4Prefix subnet, std::uint32_t mtu) {
    const Ipv4Address gateway = subnet.at(1);
    if (bridge_ == no_link) {
        bridge_ = tables_.add_host_link({.name = "cni0",
                                         .kind = TableLink::Kind::bridge,
                                         .local = gateway,
                                         .mtu = mtu,
                                         .mac = {}});
    } else {
        if (pod_subnet_.length > 0) {
            tables_.remove_host_address(bridge_, pod_subnet_.at(1), pod_subnet_.length);
        }
        tables_.set_host_link_mtu(bridge_, mtu);
    }
    tables_.add_host_address(bridge_, gateway, subnet.length);
    pod_subnet_ = subnet;
    pod_by_address_ = {};
    for (std::uint32_t i = 0; i < pods_.size(); ++i) {
        const Ipv4Address address = subnet.at(i + 2);
        pod_by_address_.put(address.bits, i);
        pods_[i]->address = address;
        pods_[i]->end().configured(address, subnet, gateway, mtu);
    }
}

std::vector<Ipv4Address> SimHost::pod_addresses() const {
    std::vector<Ipv4Address> addresses;
    for (const auto& pod : pods_) {
        if (!pod->address.is_unspecified()) addresses.push_back(pod->address);
    }
    return addresses;
}

// --- faults -----------------------------------------------------------------------------------

void SimHost::power_off() {
    for (const Row& row : tables_.dump(true).rows() | std::views::reverse) {
        const auto withdrawn = tables_.withdraw(row);
        CHECK(withdrawn.has_value());
    }
    while (!foreign_routes_.empty()) remove_foreign_route(foreign_routes_.back());
    if (pod_subnet_.length > 0) {
        tables_.remove_host_address(bridge_, pod_subnet_.at(1), pod_subnet_.length);
    }
    pod_subnet_ = {};
    pod_by_address_.clear();
    for (const auto& pod : pods_) {
        pod->address = {};
        pod->end().powered_off();
    }
    interface_.forget_all();
    path_mtus_.clear();
    esp_sequence_.clear();
    tunnel_mix_.clear();
    reassembler_ = {};
}

void SimHost::set_pods_paused(bool paused) {
    for (const auto& pod : pods_) pod->end().set_paused(paused);
}

void SimHost::set_address(Ipv4Address address) {
    const IpInterface::Identity& before = interface_.identity();
    tables_.remove_host_address(external_link_, before.address, before.subnet.length);
    tables_.add_host_address(external_link_, address, before.subnet.length);
    tables_.set_host_link_address(external_link_, address);
    interface_.set_address(address);
}

Result<void> SimHost::add_foreign_route(Ipv4Prefix destination, Ipv4Address via) {
    if (!external().subnet.contains(via) || via == address()) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: {} via {}: nexthop has invalid gateway", name_,
                                destination.to_string(), via.to_string()));
    }
    tables_.add_host_route(destination,
                           {.link = external_link_, .has_gateway = true, .gateway = via});
    foreign_routes_.push_back(destination);
    return {};
}

void SimHost::remove_foreign_route(Ipv4Prefix destination) {
    if (std::erase(foreign_routes_, destination) > 0) tables_.remove_host_route(destination);
}

SimHost::Pod* SimHost::find_pod(Ipv4Address address) {
    const std::uint32_t* index = pod_by_address_.find(address.bits);
    return index == nullptr ? nullptr : pods_[*index].get();
}

// --- frames and CPU ---------------------------------------------------------------------------

void SimHost::receive(FramePtr frame, std::uint32_t port) {
    switch (port) {
        case from_nic:
            if (!interface_.accepts(*frame)) return;
            if (guard_ != nullptr && !guard_->lets_in(*frame)) [[unlikely]] {
                guarded_ += frame->segments;
                return;
            }
            if (load_be16(frame->data() + 12) == ether_type::arp) {
                interface_.receive_arp(*frame);
                return;
            }
            frame->strip(EthernetHeader::bytes);
            frame->has_ethernet = false;
            receive_packet(std::move(frame));
            return;
        case to_underlay:
            output(std::move(frame));
            return;
        case to_socket:
            deliver_to_socket(std::move(frame));
            return;
        case to_proxy_out:
            proxy_out(std::move(frame));
            return;
        case to_proxy_in:
            proxy_in(std::move(frame));
            return;
        default: {
            const auto outer = std::exchange(delivering_core_, frame->core);
            pods_[port - to_pod]->end().from_host(std::move(frame));
            delivering_core_ = outer;
        }
    }
}

void SimHost::charge(Work& work, CostStage stage, const Frame& frame) {
    work.cost_ns += cpu_.charge(stage, frame);
}

/// A core's queue is full when max_backlog real packets like these wait for it.
bool SimHost::admit(const Frame& frame, const Work& work) {
    if (work.admitted || !cpu_.enabled()) return true;
    const std::int64_t limit_ns = work.cost_ns * cpu_.profile().max_backlog / frame.segments;
    if (cpu_.wait_ns(work.core) <= limit_ns) return true;
    drop(DropReason::cpu_backlog, frame);
    return false;
}

void SimHost::finish(FramePtr frame, Work work, std::uint32_t resume) {
    if (!admit(*frame, work)) return;
    const std::int64_t done_ns = cpu_.book(work.core, work.ready_ns, work.cost_ns);
    frame->core = static_cast<std::uint16_t>(work.core);
    frame->tail_ns = 0;  // the whole aggregate has been worked on
    if (done_ns == engine_->now_ns()) {
        receive(std::move(frame), resume);
    } else {
        Frame::deliver_at(*engine_, std::move(frame), done_ns, *this, resume);
    }
}

/// The proxy is one process; by convention it runs on the last core.
unsigned SimHost::proxy_core() const { return cpu_.cores() - 1; }

/// Lets in as many of the aggregate's packets as the proxy's queue of `limit` packets has room for.
FramePtr SimHost::admit_to_proxy(FramePtr frame, CostStage stage, std::uint32_t limit) {
    if (!cpu_.enabled()) return frame;
    const std::int64_t each_ns =
        std::max<std::int64_t>(1, cpu_.profile().cost_ns(stage, 1, frame->first_size()));
    const auto waiting = static_cast<std::uint64_t>(cpu_.wait_ns(proxy_core()) / each_ns);
    const std::uint64_t room = waiting < limit ? limit - waiting : 0;
    if (frame->segments <= room) return frame;
    const auto lost = static_cast<std::uint32_t>(frame->segments - room);
    drops_[static_cast<std::size_t>(DropReason::proxy_queue)] += lost;
    return room == 0 ? nullptr : frame->split_front(static_cast<std::uint32_t>(room));
}

// --- drops and errors -------------------------------------------------------------------------

void SimHost::drop(DropReason reason, const Frame& frame) {
    drops_[static_cast<std::size_t>(reason)] += frame.segments;
}

void SimHost::drop_reporting(DropReason reason, IcmpReason icmp, const Frame& frame,
                             std::uint32_t mtu, std::optional<Ipv4Address> reporter) {
    drop(reason, frame);
    const Ipv4Address from = reporter.value_or(speaking_address(ip_source(frame)));
    FramePtr error = make_icmp_error(frame, icmp, from, mtu);
    if (error == nullptr) return;
    const Work work{.core = cpu_.softirq_core(frame.flow_hash), .ready_ns = engine_->now_ns()};
    forward(std::move(error), work, Origin::host);
}

/// icmp_send() speaks with the address of the interface towards the sender.
Ipv4Address SimHost::speaking_address(Ipv4Address towards) const {
    const auto match = tables_.route(towards);
    if (!match) return address();
    if (match->entry.link == bridge_) return pod_subnet_.at(1);
    return tables_.row_address(match->entry.link).value_or(address());
}

std::uint32_t SimHost::path_mtu(Ipv4Address destination) const {
    const std::uint32_t* learned = path_mtus_.find(destination.bits);
    return learned == nullptr ? link_->mtu() : std::min(*learned, link_->mtu());
}

/// A router says that a packet of this host's own (proxy, ESP, socket) was too big: as
/// ipv4_update_pmtu().
void SimHost::learn_path_mtu(const Frame& icmp) {
    const std::uint8_t* header = icmp.data() + ip_bytes;
    const bool needed = header[0] == 3 && header[1] == 4;
    if (!needed || icmp.header_bytes() < ip_bytes + 8 + ip_bytes) return;
    const std::uint32_t mtu = std::max<std::uint32_t>(load_be16(header + 6), min_path_mtu);
    const std::uint32_t destination = load_be32(header + 8 + ipv4_offset::destination);
    const std::uint32_t* known = path_mtus_.find(destination);
    if (known == nullptr || mtu < *known) path_mtus_.put(destination, mtu);
}

// --- sockets ----------------------------------------------------------------------------------

void SimHost::bind(Transport transport, std::uint16_t port,
                   std::function<void(FramePtr frame, Endpoint from)> handler) {
    const std::uint32_t key = socket_key(transport, port);
    if (!handler) {
        sockets_.erase(key);
        return;
    }
    CHECK(!sockets_.contains(key));
    sockets_.emplace(key, std::move(handler));
}

std::uint32_t SimHost::max_segment_bytes() const { return link_->mtu() - ip_bytes; }

void SimHost::send(FramePtr frame, Transport transport, Endpoint to) {
    const std::uint8_t* ports = frame->data();
    const std::uint64_t hash =
        flow_hash(address(), to.address, static_cast<std::uint8_t>(transport), load_be16(ports),
                  load_be16(ports + 2));
    push_ipv4(*frame, {.source = address(),
                       .destination = to.address,
                       .protocol = static_cast<IpProtocol>(transport),
                       .id = next_ip_id_,
                       .dont_fragment = frame->first_size() + ip_bytes <= path_mtu(to.address)});
    next_ip_id_ = static_cast<std::uint16_t>(next_ip_id_ + frame->segments);
    frame->inner_ip_at = frame->begin;
    frame->refresh_lengths();
    frame->flow_hash = frame->outer_hash = hash;
    Work work{.core = cpu_.application_core(hash), .ready_ns = engine_->now_ns()};
    charge(work, CostStage::app_send, *frame);
    charge(work, CostStage::nic_tx, *frame);
    finish(std::move(frame), work, to_underlay);
}

void SimHost::deliver_to_socket(FramePtr frame) {
    const std::uint8_t* ip = frame->data();
    const Endpoint from{ip_source(*frame), load_be16(ip + ip_bytes)};
    const auto transport = static_cast<Transport>(ip_protocol(*frame));
    const auto found = sockets_.find(socket_key(transport, load_be16(ip + ip_bytes + 2)));
    if (found == sockets_.end()) {
        drop(DropReason::no_listener, *frame);
        return;
    }
    frame->strip(ip_bytes);
    const auto handler = found->second;  // it may unbind itself
    handler(std::move(frame), from);
}

}  // namespace overlab::sim
