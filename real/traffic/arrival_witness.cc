#include "real/traffic/arrival_witness.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <limits>

#include "models/net/wire.h"
#include "real/traffic/prober_socket.h"

namespace overlab::real {
namespace {

constexpr std::size_t copied_bytes = 96;
/// iperf3's control messages are shorter, its data is longer (or the path MTU is absurd).
constexpr std::uint32_t shortest_data_bytes = 500;
/// A delay beyond this is no delay: the sender's clock is another one.
constexpr std::int64_t longest_delay_ns = 60'000'000'000;

/// The program's first word says what it does; jumps count instructions to skip.
sock_filter say(unsigned code, unsigned value, unsigned char if_true = 0,
                unsigned char if_false = 0) {
    return {static_cast<std::uint16_t>(code), if_true, if_false, value};
}

constexpr unsigned ancillary(int what) { return static_cast<unsigned>(SKF_AD_OFF + what); }

/// Classic BPF: incoming packets of the flow that count, a sample of them.
std::array<sock_filter, 14> make_filter(const WitnessTask& task) {
    const std::uint64_t wanted = std::max(task.packets_per_s, witnessed_per_s);
    constexpr std::uint64_t whole = std::numeric_limits<std::uint32_t>::max();
    const auto threshold = static_cast<std::uint32_t>(whole * witnessed_per_s / wanted);
    const unsigned protocol = task.udp ? ip_protocol::udp : ip_protocol::tcp;
    const unsigned shortest =
        task.udp ? Ipv4Header::bytes + UdpHeader::bytes + message_head_bytes : shortest_data_bytes;
    return {say(BPF_LD | BPF_B | BPF_ABS, ancillary(SKF_AD_PKTTYPE)),
            say(BPF_JMP | BPF_JEQ | BPF_K, PACKET_HOST, 0, 11),
            say(BPF_LD | BPF_B | BPF_ABS, 9),
            say(BPF_JMP | BPF_JEQ | BPF_K, protocol, 0, 9),
            say(BPF_LD | BPF_H | BPF_ABS, 2),
            say(BPF_JMP | BPF_JGE | BPF_K, shortest, 0, 7),
            say(BPF_LD | BPF_H | BPF_ABS, 6),
            say(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 5, 0),  // only first fragments have ports
            say(BPF_LDX | BPF_B | BPF_MSH, 0),
            say(BPF_LD | BPF_H | BPF_IND, 2),
            say(BPF_JMP | BPF_JEQ | BPF_K, task.port, 0, 2),
            say(BPF_LD | BPF_W | BPF_ABS, ancillary(SKF_AD_RANDOM)),
            say(BPF_JMP | BPF_JGT | BPF_K, threshold, 0, 1),
            say(BPF_RET | BPF_K, 0)};
}

Fd open_witness(const WitnessTask& task) {
    Fd fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd.valid()) return fd;
    const auto head = make_filter(task);
    std::array<sock_filter, 15> whole{};
    std::ranges::copy(head, whole.begin());
    whole.back() = say(BPF_RET | BPF_K, copied_bytes);
    const sock_fprog program{.len = whole.size(), .filter = whole.data()};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
        return Fd();
    }
    sockaddr_ll any{};  // from here on it hears: the filter came first
    any.sll_family = AF_PACKET;
    any.sll_protocol = htons(ETH_P_IP);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return Fd();
    return fd;
}

/// The instant at which iperf3 says that it sent this packet, on the monotonic clock.
std::int64_t sent_monotonic_ns(std::span<const std::uint8_t> packet) {
    const std::size_t payload = std::size_t{4} * (packet[0] & 0xF) + UdpHeader::bytes;
    if (packet.size() < payload + 8) return 0;
    const auto word = [&](std::size_t offset) {
        return std::int64_t{load_be32(packet.data() + payload + offset)};
    };
    return word(0) * 1'000'000'000 + word(4) * 1000;
}

class ArrivalWitness {
   public:
    ArrivalWitness(const WitnessTask& task, int control)
        : task_(task), clock_(task), control_(control), socket_(open_witness(task)) {
        if (socket_.valid()) return;
        tally_.remarks.push_back(
            fmt::format("traffic {}: no packet socket in the receiving pod ({}): {}", task.name,
                        std::strerror(errno),
                        task.udp ? "one-way latency was not measured"
                                 : "the first delivery is known to a tenth of a second only"));
    }

    FlowTally run() {
        for (bool told = false; !told;) {
            std::array<pollfd, 2> fds{pollfd{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                                      pollfd{.fd = control_, .events = POLLIN, .revents = 0}};
            (void)::poll(fds.data(), fds.size(), -1);
            take();
            told = fds[1].revents != 0;
        }
        tally_.latency = delays_.summary();
        if (unbelievable_ > delays_.summary().count) {
            tally_.latency = {};
            tally_.remarks.push_back(
                fmt::format("traffic {}: this iperf3 does not stamp its datagrams with the "
                            "monotonic clock: one-way latency was not measured",
                            task_.name));
        }
        return std::move(tally_);
    }

   private:
    void take() {
        std::array<std::uint8_t, copied_bytes> packet;
        for (;;) {
            const ssize_t size = ::recv(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
            if (size < static_cast<ssize_t>(Ipv4Header::bytes)) return;
            const std::int64_t now_ns = clock_.now_ns();
            if (tally_.first_ns < 0) tally_.first_ns = now_ns;
            if (!task_.udp) {
                socket_.close();  // The first one is all there is to see.
                return;
            }
            const std::int64_t delay_ns =
                now_ns + task_.epoch_ns -
                sent_monotonic_ns({packet.data(), static_cast<std::size_t>(size)});
            if (delay_ns >= 0 && delay_ns < longest_delay_ns) {
                delays_.add(delay_ns);
            } else {
                ++unbelievable_;
            }
        }
    }

    const WitnessTask& task_;
    RunClock clock_;
    int control_;
    Fd socket_;
    FlowTally tally_;
    LatencySamples delays_;
    std::uint64_t unbelievable_ = 0;
};

}  // namespace

FlowTally run_arrival_witness(const WitnessTask& task, int control) {
    prepare_to_measure();
    return ArrivalWitness(task, control).run();
}

}  // namespace overlab::real
