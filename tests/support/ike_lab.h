// IkeLab: two hosts of this machine's kernel, each with a strongSwan of its own, and a switch:
//
//   left (eth0 192.0.2.1/24) ---- left [wire: br0] right ---- right (eth0 192.0.2.2/24)
//
// A capture on the switch sees what is on the wire. On a host's eth0 it would also see what comes
// out of ESP: the kernel hands inner packets to the same interface once more.
//
// Include before tests/support/catch.h.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "real/base/event_loop.h"
#include "real/base/netns.h"
#include "real/ike/charon.h"
#include "real/ike/strongswan_daemon.h"
#include "real/netlink/links.h"
#include "tests/support/temp_folder.h"

namespace overlab::test {

/// Asks every few milliseconds; false if `limit` passed first.
inline bool eventually(const std::function<bool()>& holds, Duration limit = seconds(30)) {
    real::EventLoop loop;
    const Instant end = loop.now() + limit;
    while (loop.now() < end) {
        if (holds()) return true;
        loop.run_until([] { return false; }, milliseconds(10));
    }
    return holds();
}

inline std::string file_text(const std::filesystem::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class IkeHost {
   public:
    explicit IkeHost(real::Netns there) : netns(std::move(there)) {}

    [[nodiscard]] Result<void> start() {
        charon.reset();
        auto started = real::Charon::start({.netns = &netns, .folder = folder.path()});
        if (!started) return std::unexpected(started.error());
        charon.emplace(std::move(*started));
        return {};
    }
    [[nodiscard]] std::string log() const { return file_text(folder.path() / "charon.log"); }
    /// Whether any file of the daemon's contains the text.
    [[nodiscard]] bool wrote(const std::string& text) const {
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
            if (entry.is_regular_file() && file_text(entry.path()).contains(text)) return true;
        }
        return false;
    }

    real::Netns netns;
    TempFolder folder;
    std::optional<real::Charon> charon;
    real::StrongswanDaemon daemon{folder.path() / "vici"};
};

struct IkeLab {
    real::Netns wire;
    std::unique_ptr<IkeHost> left, right;

    /// Errors: those of Netns::create and Charon::start (unsupported, not_found: a test skips with
    /// the message).
    [[nodiscard]] static Result<IkeLab> make() {
        OVERLAB_TRY(real::Netns between, real::Netns::create());
        OVERLAB_TRY(real::Netns here, real::Netns::create());
        OVERLAB_TRY(real::Netns there, real::Netns::create());
        IkeLab lab{std::move(between), std::make_unique<IkeHost>(std::move(here)),
                   std::make_unique<IkeHost>(std::move(there))};
        OVERLAB_TRY(real::Links wire, real::Links::open(lab.wire));
        std::vector<Result<void>> steps;
        steps.push_back(wire.add_bridge("br0"));
        steps.push_back(wire.set_up("br0", true));
        steps.push_back(plug_in(wire, "left", *lab.left, left_address));
        steps.push_back(plug_in(wire, "right", *lab.right, right_address));
        steps.push_back(lab.left->start());
        steps.push_back(lab.right->start());
        for (const Result<void>& step : steps) {
            if (!step) return std::unexpected(step.error());
        }
        return lab;
    }

    [[nodiscard]] static Result<void> plug_in(real::Links& wire, const std::string& port,
                                              IkeHost& host, Ipv4Address address) {
        OVERLAB_TRY(real::Links links, real::Links::open(host.netns));
        std::vector<Result<void>> steps;
        steps.push_back(wire.add_veth({.name = port}, {.name = "eth0"}, host.netns));
        steps.push_back(wire.set_master(port, "br0"));
        steps.push_back(wire.set_up(port, true));
        steps.push_back(links.set_up("eth0", true));
        steps.push_back(links.add_address("eth0", address, 24));
        for (const Result<void>& step : steps) {
            if (!step) return step;
        }
        return {};
    }

    static constexpr Ipv4Address left_address{0xc0000201}, right_address{0xc0000202};

    [[nodiscard]] static IkeConnection from_left(std::string key) {
        return {.local = left_address,
                .remote = right_address,
                .local_subnet = Ipv4Prefix::of({0x0af40100}, 24),
                .remote_subnet = Ipv4Prefix::of({0x0af40200}, 24),
                .psk = std::move(key),
                .esp_proposal = "aes128gcm16-sha256-prfsha256-ecp256"};
    }
    [[nodiscard]] static IkeConnection from_right(std::string key) {
        IkeConnection connection = from_left(std::move(key));
        std::swap(connection.local, connection.remote);
        std::swap(connection.local_subnet, connection.remote_subnet);
        return connection;
    }
};

}  // namespace overlab::test

/// In a TEST_CASE: `OVERLAB_IKE_LAB(lab)` makes one, or leaves the test with the reason.
#define OVERLAB_IKE_LAB(name)                                                             \
    auto name##_made = ::overlab::test::IkeLab::make();                                   \
    if (!name##_made && (name##_made.error().kind == ::overlab::ErrorKind::unsupported || \
                         name##_made.error().kind == ::overlab::ErrorKind::not_found)) {  \
        WARN("skipped: " << name##_made.error().what);                                    \
        return;                                                                           \
    }                                                                                     \
    if (!name##_made) FAIL(name##_made.error().what);                                     \
    ::overlab::test::IkeLab& name = *name##_made
