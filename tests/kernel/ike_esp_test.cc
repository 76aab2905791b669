// ipsec end to end: policies by NetlinkStack, SAs by strongSwan, a pod's bytes through ESP:
//
//   pod 10.244.1.2 --- left ==== wire ==== right --- pod 10.244.2.2
//
// Needs a kernel with ESP; tests/vm/ike_guest_test.cc runs this in a guest that has it.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "real/base/fd.h"
#include "real/doctor/kernel_probes.h"
#include "real/ike/vici_client.h"
#include "real/lab/captures.h"
#include "real/netlink/netlink_stack.h"
#include "tests/support/catch.h"
#include "tests/support/ike_lab.h"
#include "tests/support/tshark.h"

using namespace overlab;
using namespace overlab::real;
using test::eventually;
using test::IkeHost;
using test::IkeLab;

namespace {

const std::string secret = "only-for-this-test-" + std::string(96, 'k');
const std::string marker = "these-are-the-pods-own-clear-bytes";
constexpr Ipv4Address left_pod{0x0af40102}, right_pod{0x0af40202};
constexpr std::uint16_t port = 7000;

/// Empty: this kernel has it.
std::string why_no_esp() {
    auto netns = Netns::create();
    if (!netns) return netns.error().what;
    const NetnsScope scope(*netns);
    for (const KernelProbe& probe : kernel_probes()) {
        if (probe.feature != Feature::esp) continue;
        const auto outcome = probe.run();
        return outcome ? "" : "this kernel has no ESP: " + outcome.error().what;
    }
    return "no probe";
}

#define NEEDS_ESP()                                                       \
    if (const std::string reason = why_no_esp(); !reason.empty()) {       \
        WARN("skipped: " << reason << "; tests/vm runs this in a guest"); \
        return;                                                           \
    }

void must(const Result<void>& outcome) {
    if (!outcome) FAIL(outcome.error().what);
}

/// A host with its pod and its policies, as a node would have made them.
class Side {
   public:
    Side(IkeHost& host, IkeConnection connection)
        : host_(&host), connection_(std::move(connection)), pod_(Netns::create().value()) {
        add_pod();
        stack_ = NetlinkStack::open(host.netns,
                                    {.name = "host",
                                     .external_link = "eth0",
                                     .external_address = connection_.local,
                                     .external_mtu = 1500},
                                    nullptr)
                     .value();
        using Direction = PolicyRow::Direction;
        const auto [ours, theirs] = std::pair(connection_.local_subnet, connection_.remote_subnet);
        const auto [here, there] = std::pair(connection_.local, connection_.remote);
        const std::vector<RowChange> changes{
            {RowChange::Action::install, PolicyRow{Direction::out, ours, theirs, here, there, 11}},
            {RowChange::Action::install, PolicyRow{Direction::in, theirs, ours, there, here, 11}},
            {RowChange::Action::install, PolicyRow{Direction::fwd, theirs, ours, there, here, 11}},
        };
        for (const Result<void>& outcome : stack_->apply(changes)) must(outcome);
    }

    void load() { must(host_->daemon.load(connection_)); }
    void unload() { must(host_->daemon.unload(connection_.name())); }
    [[nodiscard]] bool established() {
        return host_->daemon.established().value() == std::vector{connection_.name()};
    }
    [[nodiscard]] std::vector<SaRow> associations() {
        return stack_->security_associations().value();
    }
    /// A new CHILD_SA in place of the old one, as happens every hour.
    void rekey() {
        auto client = ViciClient::connect(host_->charon->socket(), seconds(5)).value();
        ViciSection which;
        which.add("ike", connection_.name());
        which.add("child", connection_.local_subnet.to_string() + '-' +
                               connection_.remote_subnet.to_string());
        must(client.command("rekey", which));
    }
    [[nodiscard]] const Netns& pod() const { return pod_; }

   private:
    void add_pod() {
        Links host = Links::open(host_->netns).value();
        Links pod = Links::open(pod_).value();
        // The subnet's .1 is the host's, .2 the pod's.
        const Ipv4Address gateway{connection_.local_subnet.network.bits + 1};
        const Ipv4Address address{connection_.local_subnet.network.bits + 2};
        must(host.add_veth({.name = "pod0"}, {.name = "eth0", .mtu = 1423}, pod_));
        must(host.set_up("pod0", true));
        must(host.add_address("pod0", gateway, 24));
        must(host.set_sysctl("net/ipv4/ip_forward", "1"));
        // A policy overrides the route, but there must be one.
        const std::vector<NextHop> underlay{{.link = "eth0", .gateway = connection_.remote}};
        must(host.set_route(Ipv4Prefix::of({0}, 0), underlay));
        must(pod.set_up("eth0", true));
        must(pod.add_address("eth0", address, 24));
        const std::vector<NextHop> out{{.link = "eth0", .gateway = gateway}};
        must(pod.set_route(Ipv4Prefix::of({0}, 0), out));
    }

    IkeHost* host_;
    IkeConnection connection_;
    Netns pod_;
    std::unique_ptr<NetlinkStack> stack_;
};

sockaddr_in endpoint(Ipv4Address address) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(address.bits);
    return to;
}

Fd tcp_socket(const Netns& netns) {
    const NetnsScope scope(netns);
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    REQUIRE(fd.valid());
    return fd;
}

bool ready(const Fd& fd, short events, int limit_ms = 20'000) {
    pollfd watch{.fd = fd.get(), .events = events, .revents = 0};
    return ::poll(&watch, 1, limit_ms) == 1;
}

/// A TCP connection from the left pod to the right one.
struct Conversation {
    Fd from, to;

    Conversation(const Side& left, const Side& right) : from(tcp_socket(left.pod())) {
        const Fd listener = tcp_socket(right.pod());
        const sockaddr_in there = endpoint(right_pod);
        const auto* address = reinterpret_cast<const sockaddr*>(&there);
        REQUIRE(::bind(listener.get(), address, sizeof there) == 0);
        REQUIRE(::listen(listener.get(), 1) == 0);
        REQUIRE((::connect(from.get(), address, sizeof there) == 0 || errno == EINPROGRESS));
        REQUIRE(ready(listener, POLLIN));
        to = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        REQUIRE(to.valid());
        REQUIRE(ready(from, POLLOUT));
    }

    /// True if `size` bytes of the marker, again and again, come out as they went in.
    [[nodiscard]] bool carries(std::size_t size) const {
        std::string text;
        while (text.size() < size) text += marker;
        std::string come;
        std::size_t gone = 0;
        std::array<char, 65536> block{};
        while (come.size() < text.size()) {
            const ssize_t sent = ::send(from.get(), text.data() + gone, text.size() - gone, 0);
            if (sent > 0) gone += static_cast<std::size_t>(sent);
            if (!ready(to, POLLIN)) return false;
            const ssize_t count = ::recv(to.get(), block.data(), block.size(), 0);
            if (count > 0) come.append(block.data(), static_cast<std::size_t>(count));
            if (count == 0) return false;
        }
        return come == text;
    }
};

/// Of the ESP packets of the capture, one a line: the protocol of the outermost IPv4 header, and
/// the UDP port. Of any other packet with an address of a pod: `clear`.
std::vector<std::string> esp_packets(const std::filesystem::path& capture) {
    const std::string lines = test::tshark(
        capture.string(),
        "-Y 'esp or ip.addr==10.244.0.0/16' -T fields -E separator=, -e ip.proto -e udp.dstport "
        "-e esp.spi");
    std::vector<std::string> packets;
    std::istringstream stream(lines);
    for (std::string line; std::getline(stream, line);) {
        const std::size_t spi = line.rfind(',');
        packets.push_back(spi + 1 == line.size() ? "clear" : line.substr(0, spi));
    }
    return packets;
}

}  // namespace

TEST_CASE("pods talk through ESP, and nothing of theirs is readable on the wire") {
    NEEDS_ESP();
    OVERLAB_IKE_LAB(lab);
    const bool encap = GENERATE(false, true);
    CAPTURE(encap);
    IkeConnection from_left = IkeLab::from_left(secret);
    IkeConnection from_right = IkeLab::from_right(secret);
    from_left.udp_encap = from_right.udp_encap = encap;
    Side left(*lab.left, from_left);
    Side right(*lab.right, from_right);
    const test::TempFolder folder;
    const std::filesystem::path capture = folder.path() / "wire.pcapng";
    auto captures =
        Captures::start(
            {{.netns = &lab.wire, .interface = "left", .name = "wire-left", .file = capture}},
            EventLoop::monotonic_ns())
            .value();

    right.load();
    left.load();
    REQUIRE(eventually([&] { return left.established() && right.established(); }));
    const Conversation conversation(left, right);
    const bool carried = conversation.carries(300'000);

    CHECK(carried);
    for (const SaRow& sa : left.associations()) {
        CHECK(sa.reqid == 11);
        CHECK(sa.encap_port == (encap ? 4500 : 0));
    }
    const auto complete = captures->stop();
    if (!complete) FAIL(complete.error().what);
    const std::vector<std::string> packets = esp_packets(capture);
    CHECK(packets.size() > 200);
    CHECK(std::ranges::count(packets, encap ? "17,4500" : "50,") == std::ssize(packets));
    CHECK_FALSE(test::file_text(capture).contains(marker));
    CHECK_FALSE(lab.left->wrote(secret));
    CHECK_FALSE(lab.right->wrote(secret));
}

TEST_CASE("rekeying loses no byte of a conversation") {
    NEEDS_ESP();
    OVERLAB_IKE_LAB(lab);
    IkeConnection from_left = IkeLab::from_left(secret);
    IkeConnection from_right = IkeLab::from_right(secret);
    // Without the curve of flannel's default, which needs a strongSwan plugin of its own.
    from_left.esp_proposal = from_right.esp_proposal = "aes128gcm16";
    Side left(*lab.left, from_left);
    Side right(*lab.right, from_right);
    right.load();
    left.load();
    REQUIRE(eventually([&] { return left.established() && right.established(); }));
    const Conversation conversation(left, right);
    REQUIRE(conversation.carries(10'000));
    const std::vector<SaRow> before = left.associations();

    left.rekey();

    REQUIRE(eventually([&] {
        return std::ranges::any_of(left.associations(), [&](const SaRow& sa) {
            return std::ranges::find(before, sa) == before.end();
        });
    }));
    CHECK(conversation.carries(100'000));
}

TEST_CASE("unloading removes the SAs; loading again brings new ones") {
    NEEDS_ESP();
    OVERLAB_IKE_LAB(lab);
    Side left(*lab.left, IkeLab::from_left(secret));
    Side right(*lab.right, IkeLab::from_right(secret));
    right.load();
    left.load();
    REQUIRE(eventually([&] { return left.established() && right.established(); }));

    left.unload();
    right.unload();

    CHECK(eventually([&] { return left.associations().empty() && right.associations().empty(); }));

    right.load();
    left.load();
    REQUIRE(eventually([&] { return left.established() && right.established(); }));
    CHECK(Conversation(left, right).carries(10'000));
}

TEST_CASE("a daemon that died and came back is loaded again, and pods talk on") {
    NEEDS_ESP();
    OVERLAB_IKE_LAB(lab);
    Side left(*lab.left, IkeLab::from_left(secret));
    Side right(*lab.right, IkeLab::from_right(secret));
    right.load();
    left.load();
    REQUIRE(eventually([&] { return left.established() && right.established(); }));
    const Conversation conversation(left, right);
    REQUIRE(conversation.carries(10'000));

    lab.right->charon->process().signal(SIGKILL);
    must(lab.right->start());
    right.load();

    REQUIRE(eventually([&] { return right.established(); }));
    CHECK(conversation.carries(10'000));
}
