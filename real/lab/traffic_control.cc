#include "real/lab/traffic_control.h"

#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "real/netlink/attributes.h"

namespace overlab::real {
namespace {

/// What a queueing discipline is for shows in its handle.
constexpr std::uint32_t line_handle = 1U << 16, queue_handle = 10U << 16;
/// Of Linux 6.7; older headers lack it, and older kernels ignore it.
constexpr std::uint16_t netem_prng_seed = 14;

nlmsghdr* qdisc_message(NetlinkBatch& batch, std::uint16_t type, std::uint16_t flags,
                        std::uint32_t interface) {
    nlmsghdr* const message = batch.add(type, flags, sizeof(tcmsg));
    auto& header = NetlinkBatch::family_header<tcmsg>(message);
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = static_cast<int>(interface);
    header.tcm_parent = TC_H_ROOT;
    return message;
}

nlmsghdr* new_qdisc(NetlinkBatch& batch, std::uint32_t interface, std::string_view kind,
                    std::uint32_t parent, std::uint32_t handle) {
    nlmsghdr* const message =
        qdisc_message(batch, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, interface);
    auto& header = NetlinkBatch::family_header<tcmsg>(message);
    header.tcm_parent = parent;
    header.tcm_handle = handle;
    put_text(message, TCA_KIND, kind);
    return message;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span(&value, 1));
}

void add_tbf(NetlinkBatch& batch, std::uint32_t interface, const LinkShape& shape,
             std::uint32_t parent) {
    const std::uint64_t rate_bytes = shape.rate_bps / 8;
    tc_tbf_qopt options{};
    options.rate.linklayer = TC_LINKLAYER_ETHERNET;
    options.rate.overhead = wire_overhead_bytes;
    options.rate.mpu = smallest_wire_bytes;
    options.rate.rate = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(rate_bytes, std::numeric_limits<std::uint32_t>::max()));
    options.limit = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(shape.queue_bytes, std::numeric_limits<std::uint32_t>::max()));
    nlmsghdr* const message = new_qdisc(batch, interface, "tbf", parent, queue_handle);
    const Nest nest(message, TCA_OPTIONS);
    put_bytes(message, TCA_TBF_PARMS, bytes_of(options));
    put_u32(message, TCA_TBF_BURST, shape.burst_bytes);
    put_bytes(message, TCA_TBF_RATE64, bytes_of(rate_bytes));
}

/// netem's options begin with a structure that is no attribute.
void put_netem_options(nlmsghdr* message, const tc_netem_qopt& options) {
    std::memcpy(reinterpret_cast<char*>(message) + message->nlmsg_len, &options, sizeof options);
    message->nlmsg_len += static_cast<std::uint32_t>(NLMSG_ALIGN(sizeof options));
}

/// netem as a queue: a packet leaves when its last bit has, after those before it. It has no least
/// length of a packet.
void add_serialiser(NetlinkBatch& batch, std::uint32_t interface, const LinkShape& shape,
                    std::uint32_t parent) {
    const std::uint64_t rate_bytes = shape.rate_bps / 8;
    tc_netem_rate rate{};
    rate.packet_overhead = wire_overhead_bytes;
    rate.rate = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(rate_bytes, std::numeric_limits<std::uint32_t>::max()));
    tc_netem_qopt options{};
    options.limit = shape.queue_packets;
    nlmsghdr* const message = new_qdisc(batch, interface, "netem", parent, queue_handle);
    const Nest nest(message, TCA_OPTIONS);
    put_netem_options(message, options);
    put_bytes(message, TCA_NETEM_RATE, bytes_of(rate));
    if (rate_bytes > rate.rate) put_bytes(message, TCA_NETEM_RATE64, bytes_of(rate_bytes));
}

void add_queue(NetlinkBatch& batch, std::uint32_t interface, const LinkShape& shape) {
    const std::uint32_t parent = shape.has_line() ? line_handle | 1 : TC_H_ROOT;
    if (shape.queue_packets > 0) {
        add_serialiser(batch, interface, shape, parent);
    } else {
        add_tbf(batch, interface, shape, parent);
    }
}

/// netem's probabilities are shares of 2^32.
std::uint32_t share_of(std::uint32_t per_billion) {
    return static_cast<std::uint32_t>(
        std::min<std::uint64_t>((std::uint64_t{per_billion} << 32) / 1'000'000'000,
                                std::numeric_limits<std::uint32_t>::max()));
}

void add_line(NetlinkBatch& batch, std::uint32_t interface, const LinkShape& shape) {
    tc_netem_qopt options{};
    options.limit = shape.delay_line_packets;
    options.loss = share_of(shape.loss_ppb);
    options.duplicate = share_of(shape.duplicate_ppb);
    if (shape.reorder_ppb > 0) options.gap = 1;  // else nothing is reordered
    nlmsghdr* const message = new_qdisc(batch, interface, "netem", TC_H_ROOT, line_handle);
    const Nest nest(message, TCA_OPTIONS);
    put_netem_options(message, options);
    put_bytes(message, TCA_NETEM_LATENCY64, bytes_of(shape.delay.ns));
    if (shape.corrupt_ppb > 0) {
        const tc_netem_corrupt corrupt{.probability = share_of(shape.corrupt_ppb)};
        put_bytes(message, TCA_NETEM_CORRUPT, bytes_of(corrupt));
    }
    if (shape.reorder_ppb > 0) {
        const tc_netem_reorder reorder{.probability = share_of(shape.reorder_ppb)};
        put_bytes(message, TCA_NETEM_REORDER, bytes_of(reorder));
    }
    put_bytes(message, netem_prng_seed, bytes_of(shape.seed));
}

/// What keeps the interface from having the queue is gone with it; there may be none.
Result<void> remove_root(NetlinkSocket& socket, std::uint32_t interface) {
    NetlinkBatch batch;
    qdisc_message(batch, RTM_DELQDISC, 0, interface);
    Result<void> done = socket.execute_one(batch);
    if (!done && (done.error().os_errno == ENOENT || done.error().os_errno == EINVAL)) return {};
    return done;
}

/// An unknown kind of queue is ENOENT.
Result<void> as_unsupported(Result<void> outcome, std::string_view kind) {
    if (outcome || outcome.error().kind != ErrorKind::not_found) return outcome;
    return fail(ErrorKind::unsupported, "this kernel lacks " + std::string(kind),
                outcome.error().os_errno);
}

std::uint64_t drops_of(const Attributes& attributes) {
    const auto bytes = attributes.nested(TCA_STATS2).bytes(TCA_STATS_QUEUE);
    gnet_stats_queue stats{};
    std::memcpy(&stats, bytes.data(), std::min(bytes.size(), sizeof stats));
    return stats.drops;
}

}  // namespace

Result<void> set_shape(NetlinkSocket& socket, std::uint32_t interface, const LinkShape& shape) {
    if (Result<void> removed = remove_root(socket, interface); !removed) return removed;
    if (shape.has_line()) {
        NetlinkBatch batch;
        add_line(batch, interface, shape);
        Result<void> done = as_unsupported(socket.execute_one(batch), "netem");
        if (!done) return done;
    }
    if (shape.rate_bps == 0) return {};
    NetlinkBatch batch;
    add_queue(batch, interface, shape);
    return as_unsupported(socket.execute_one(batch), shape.queue_packets > 0 ? "netem" : "tbf");
}

Result<void> set_black_hole(NetlinkSocket& socket, std::uint32_t interface) {
    if (Result<void> removed = remove_root(socket, interface); !removed) return removed;
    NetlinkBatch batch;
    new_qdisc(batch, interface, "blackhole", TC_H_ROOT, line_handle);
    return as_unsupported(socket.execute_one(batch), "blackhole");
}

Result<std::map<std::uint32_t, QueueDrops>> queue_drops(NetlinkSocket& socket) {
    NetlinkBatch batch;
    batch.add(RTM_GETQDISC, NLM_F_DUMP, sizeof(tcmsg));
    std::map<std::uint32_t, std::uint64_t> line, queue;
    const Result<void> asked = socket.query(batch, [&](const nlmsghdr& message) {
        const auto* const header = family_header_of<tcmsg>(message);
        if (message.nlmsg_type != RTM_NEWQDISC || header == nullptr) return;
        const Attributes attributes(message, sizeof(tcmsg));
        const auto interface = static_cast<std::uint32_t>(header->tcm_ifindex);
        const std::string_view kind = attributes.text(TCA_KIND);
        if (kind != "netem" && kind != "tbf") return;
        if (header->tcm_handle == line_handle) line[interface] = drops_of(attributes);
        if (header->tcm_handle == queue_handle) queue[interface] = drops_of(attributes);
    });
    if (!asked) return std::unexpected(asked.error());
    std::map<std::uint32_t, QueueDrops> all;
    for (const auto& [interface, drops] : queue) all[interface].queue = drops;
    // netem counts what its child drops as dropped by itself, too (netem_dequeue).
    for (const auto& [interface, drops] : line) {
        QueueDrops& entry = all[interface];
        entry.loss = drops - std::min(drops, entry.queue);
    }
    return all;
}

}  // namespace overlab::real
