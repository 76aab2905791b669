// The classic data path: what flannel's proxy_amd64.c does, system call for system call. It is
// there to be measured against, so nothing here is batched, and nothing is made slow either.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

#include "models/base/check.h"
#include "models/net/bytes.h"
#include "real/tun/data_path.h"
#include "real/tun/ip_packet.h"
#include "real/tun/tun_writer.h"

namespace overlab::real {
namespace {

sockaddr_in to_sockaddr(Endpoint endpoint) {
    return {.sin_family = AF_INET,
            .sin_port = detail::big_endian(endpoint.port),
            .sin_addr = {detail::big_endian(endpoint.address.bits)},
            .sin_zero = {}};
}

class ClassicPath final : public DataPath {
   public:
    explicit ClassicPath(PathSetup setup)
        : setup_(std::move(setup)),
          tun_(setup_.queues.front().tun),
          socket_(setup_.queues.front().socket),
          peers_(setup_.peers),
          tun_writer_(tun_, stop_, TunWriter::Headers::none, tally_) {
        CHECK(setup_.queues.size() == 1);
        thread_ = start_thread([this] { run(); });
    }
    ClassicPath(const ClassicPath&) = delete;
    ClassicPath& operator=(const ClassicPath&) = delete;
    ~ClassicPath() override { ClassicPath::stop(); }

    void stop() override {
        stop_.stop();
        if (thread_.joinable()) thread_.join();
    }

    void add_to(UdpTunnelCounters& sum) const override { tally_.add_to(sum); }

   private:
    void run() {
        while (stop_.wait_readable(tun_, socket_)) {
            // As run_proxy(): no poll() while either side has packets.
            for (bool busy = true; busy && !stop_.stopped();) {
                busy = tun_to_udp();
                busy = udp_to_tun() || busy;
            }
            if (gone_) return stop_.wait_for_stop();
        }
    }

    /// One packet; false if there was none.
    bool tun_to_udp() {
        const ssize_t bytes = ::read(tun_.get(), buffer_.data(), buffer_.size());
        if (bytes <= 0) {
            gone_ = bytes < 0 && errno != EAGAIN && errno != EINTR;
            return false;
        }
        const std::span<std::uint8_t> packet(buffer_.data(), static_cast<std::size_t>(bytes));
        if (packet[0] >> 4 != 4) {
            tally_.not_ipv4.add(1);
            return true;
        }
        const auto ip = IpPacket::read(packet);
        if (!ip) {
            tally_.bad_packet.add(1);
        } else if (packet.size() > setup_.mtu.load(std::memory_order_relaxed)) {
            tally_.too_big.add(1);
        } else if (const auto to = peers_.find(ip->destination); !to) {
            tally_.no_peer.add(1);
            tun_writer_.report_unreachable(packet);
        } else if (ip->ttl <= 1) {
            tally_.ttl_expired.add(1);
        } else {
            decrement_ipv4_ttl(packet.data());
            send(packet, *to);
        }
        return true;
    }

    void send(std::span<const std::uint8_t> packet, Endpoint to) {
        const sockaddr_in address = to_sockaddr(to);
        for (;;) {
            tally_.send_calls.add(1);
            const ssize_t sent =
                ::sendto(socket_.get(), packet.data(), packet.size(), 0,
                         reinterpret_cast<const sockaddr*>(&address), sizeof address);
            if (sent >= 0) break;
            if (errno == EINTR || (errno == EAGAIN && stop_.wait(socket_, POLLOUT))) continue;
            return tally_.send_failed.add(1);
        }
        tally_.sent_packets.add(1);
        tally_.sent_bytes.add(packet.size());
    }

    /// One packet; false if there was none.
    bool udp_to_tun() {
        sockaddr_in from{};
        socklen_t from_bytes = sizeof from;
        tally_.receive_calls.add(1);
        const ssize_t bytes =
            ::recvfrom(socket_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT,
                       reinterpret_cast<sockaddr*>(&from), &from_bytes);
        if (bytes < 0) return false;
        const std::span<std::uint8_t> packet(buffer_.data(), static_cast<std::size_t>(bytes));
        tally_.received_packets.add(1);
        tally_.received_bytes.add(packet.size());
        const Endpoint sender{{detail::big_endian(from.sin_addr.s_addr)},
                              detail::big_endian(from.sin_port)};
        if (!peers_.knows(sender)) tally_.unknown_sender.add(1);
        const auto ip = IpPacket::read(packet);
        if (!ip) {
            tally_.bad_packet.add(1);
        } else if (ip->ttl <= 1) {
            tally_.ttl_expired.add(1);
        } else {
            decrement_ipv4_ttl(packet.data());
            const iovec piece{packet.data(), packet.size()};
            tun_writer_.write({}, {&piece, 1});
        }
        return true;
    }

    const PathSetup setup_;
    const Fd& tun_;
    const Fd& socket_;
    StopSignal stop_;
    PathTally tally_;
    PeerTable::Reader peers_;
    TunWriter tun_writer_;
    std::array<std::uint8_t, 0x10000> buffer_{};
    bool gone_ = false;  ///< the device was deleted
    std::thread thread_;
};

}  // namespace

std::unique_ptr<DataPath> start_classic_path(PathSetup setup) {
    return std::make_unique<ClassicPath>(std::move(setup));
}

}  // namespace overlab::real
