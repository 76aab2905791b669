// The fast data path. What makes it fast: a super-packet of up to 64 KiB crosses the TUN device and
// the socket in one system call each, instead of 45 packets in 90; UDP GRO and the coalescer make
// it whole again on the other side. On the wire each datagram still is one IPv4 packet.
#include <poll.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <thread>
#include <vector>

#include "real/tun/coalescer.h"
#include "real/tun/data_path.h"
#include "real/tun/datagram_batch.h"
#include "real/tun/ip_packet.h"
#include "real/tun/segmenter.h"
#include "real/tun/tun_writer.h"
#include "real/tun/udp_receiver.h"
#include "real/tun/udp_sender.h"

namespace overlab::real {
namespace {

constexpr std::size_t largest_packet = 0xffff;

/// TUN to UDP, one queue.
class Outbound {
   public:
    Outbound(const TunnelQueue& queue, const PathSetup& setup, const StopSignal& stop,
             PathTally& tally)
        : tun_(queue.tun),
          mtu_(setup.mtu),
          stop_(stop),
          tally_(tally),
          peers_(setup.peers),
          sender_(queue.socket, stop, tally),
          tun_writer_(queue.tun, stop, TunWriter::Headers::vnet, tally),
          batch_(capacity) {}

    void run() {
        while (!stop_.stopped()) {
            if (!read_packet()) return stop_.wait_for_stop();
            if (batch_.bytes() >= send_above) send(batch_.finished_runs());
        }
    }

   private:
    /// Room for what is pending, a packet, and what splitting one with MSS 88 (Linux's least,
    /// TCP_MIN_MSS) adds in headers.
    static constexpr std::size_t send_above = 0x10000;
    static constexpr std::size_t capacity = send_above + 4 * largest_packet;

    /// Reads one packet, or sends what is pending and waits for one. False if the device is gone.
    [[nodiscard]] bool read_packet() {
        if (batch_.room().size() < 2 * largest_packet) send(batch_.runs());
        VnetHeader vnet;
        const std::span<std::uint8_t> room = batch_.room();
        const std::array<iovec, 2> parts = {{{&vnet, sizeof vnet}, {room.data(), room.size()}}};
        const ssize_t bytes = ::readv(tun_.get(), parts.data(), parts.size());
        if (bytes < 0) {
            if (errno == EINTR) return true;
            if (errno != EAGAIN) return false;
            send(batch_.runs());
            (void)stop_.wait(tun_, POLLIN);  // run() looks whether to stop.
            return true;
        }
        if (static_cast<std::size_t>(bytes) > sizeof vnet) {
            take(vnet, room.first(static_cast<std::size_t>(bytes) - sizeof vnet));
        }
        return true;
    }

    void take(const VnetHeader& vnet, std::span<std::uint8_t> packet) {
        if (packet[0] >> 4 != 4) return tally_.not_ipv4.add(1);
        const auto ip = IpPacket::read(packet);
        if (!ip) return tally_.bad_packet.add(1);
        const auto to = peers_.find(ip->destination);
        if (!to) {
            tally_.no_peer.add(1);
            return tun_writer_.report_unreachable(packet);
        }
        if (ip->ttl <= 1) return tally_.ttl_expired.add(1);
        decrement_ipv4_ttl(packet.data());
        if (vnet.gso_type == vnet::gso_none) {
            take_single(vnet, packet, *to);
        } else {
            take_super(vnet, packet, *to);
        }
    }

    void take_single(const VnetHeader& vnet, std::span<std::uint8_t> packet, Endpoint to) {
        if (packet.size() > mtu_.load(std::memory_order_relaxed)) return tally_.too_big.add(1);
        if ((vnet.flags & vnet::needs_checksum) != 0 && !complete_checksum(vnet, packet)) {
            return tally_.bad_packet.add(1);
        }
        batch_.commit(to, packet.size());
    }

    void take_super(const VnetHeader& vnet, std::span<std::uint8_t> packet, Endpoint to) {
        const auto plan = plan_split(vnet, packet);
        if (!plan || plan->all_bytes() > batch_.room().size()) return tally_.bad_packet.add(1);
        if (plan->packet_bytes() > mtu_.load(std::memory_order_relaxed)) {
            return tally_.too_big.add(plan->packets);
        }
        split_in_place(*plan, batch_.room().first(plan->all_bytes()));
        for (std::size_t i = 1; i < plan->packets; ++i) batch_.commit(to, plan->packet_bytes());
        batch_.commit(to, plan->last_packet_bytes());
    }

    void send(std::span<const DatagramBatch::Run> runs) {
        sender_.send(batch_, runs);
        batch_.remove(runs.size());
    }

    const Fd& tun_;
    const std::atomic<std::uint32_t>& mtu_;
    const StopSignal& stop_;
    PathTally& tally_;
    PeerTable::Reader peers_;
    UdpSender sender_;
    TunWriter tun_writer_;
    DatagramBatch batch_;
};

/// UDP to TUN, one queue.
class Inbound final : private Coalescer::Sink {
   public:
    Inbound(const TunnelQueue& queue, const PathSetup& setup, const StopSignal& stop,
            PathTally& tally)
        : socket_(queue.socket),
          stop_(stop),
          tally_(tally),
          peers_(setup.peers),
          receiver_(queue.socket),
          tun_writer_(queue.tun, stop, TunWriter::Headers::vnet, tally),
          coalescer_(*this) {}

    void run() {
        while (!stop_.stopped()) {
            const auto arrivals = receiver_.receive();
            tally_.receive_calls.add(1);
            if (arrivals.empty()) {
                (void)stop_.wait(socket_, POLLIN);  // The loop looks whether to stop.
                continue;
            }
            for (const UdpReceiver::Arrival& arrival : arrivals) take(arrival);
            coalescer_.flush();
        }
    }

   private:
    void take(const UdpReceiver::Arrival& arrival) {
        // Counted before delivery: who sees a packet arrive finds it counted.
        const std::size_t size = arrival.datagram_bytes;
        const std::size_t count = (arrival.bytes.size() + size - 1) / size;
        tally_.received_packets.add(count);
        tally_.received_bytes.add(arrival.bytes.size());
        // Not refused, as by flannel: a peer's first packets may come before its lease.
        if (!peers_.knows(arrival.from)) tally_.unknown_sender.add(count);
        for (auto rest = arrival.bytes; !rest.empty();) {
            const auto packet = rest.first(std::min(size, rest.size()));
            rest = rest.subspan(packet.size());
            take_packet(packet);
        }
    }

    void take_packet(std::span<std::uint8_t> packet) {
        const auto ip = IpPacket::read(packet);
        if (!ip) return tally_.bad_packet.add(1);
        if (ip->ttl <= 1) return tally_.ttl_expired.add(1);
        decrement_ipv4_ttl(packet.data());
        coalescer_.add(packet);
    }

    void deliver(const VnetHeader& vnet, std::span<const iovec> pieces) override {
        tun_writer_.write(vnet, pieces);
    }

    const Fd& socket_;
    const StopSignal& stop_;
    PathTally& tally_;
    PeerTable::Reader peers_;
    UdpReceiver receiver_;
    TunWriter tun_writer_;
    Coalescer coalescer_;
};

class FastPath final : public DataPath {
   public:
    explicit FastPath(PathSetup setup)
        : setup_(std::move(setup)), tallies_(2 * setup_.queues.size()) {
        for (std::size_t i = 0; i < setup_.queues.size(); ++i) {
            start<Outbound>(setup_.queues[i], tallies_[2 * i]);
            start<Inbound>(setup_.queues[i], tallies_[2 * i + 1]);
        }
    }
    FastPath(const FastPath&) = delete;
    FastPath& operator=(const FastPath&) = delete;
    ~FastPath() override { FastPath::stop(); }

    void stop() override {
        stop_.stop();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    void add_to(UdpTunnelCounters& sum) const override {
        for (const PathTally& tally : tallies_) tally.add_to(sum);
    }

   private:
    template <typename Direction>
    void start(const TunnelQueue& queue, PathTally& tally) {
        auto direction = std::make_shared<Direction>(queue, setup_, stop_, tally);
        threads_.push_back(start_thread([direction] { direction->run(); }));
    }

    const PathSetup setup_;
    StopSignal stop_;
    std::vector<PathTally> tallies_;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<DataPath> start_fast_path(PathSetup setup) {
    return std::make_unique<FastPath>(std::move(setup));
}

}  // namespace overlab::real
