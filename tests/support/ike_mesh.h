// IkeMesh: IKE daemons on a FakeNetwork, each with a recording SaSink; full mesh of connections.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/sim_ike_daemon.h"
#include "tests/support/fake_network.h"

namespace overlab::test {

/// Keeps what is installed; knows at once when a tunnel direction is left without an SA.
class RecordingSink final : public sim::SaSink {
   public:
    explicit RecordingSink(Ipv4Address own) : own_(own) {}

    void install(const SaRow& row, const sim::EspKey& key) override {
        CHECK(installed.emplace(row.spi, std::pair(row, key)).second);
        ++count_[direction(row)];
        order.push_back(row);
        history.push_back(std::string(row.source == own_ ? "out+" : "in+"));
    }
    void withdraw(const SaRow& row) override {
        CHECK(installed.erase(row.spi) == 1);
        std::erase(order, row);
        if (--count_[direction(row)] == 0) ++gaps;
        history.push_back(std::string(row.source == own_ ? "out-" : "in-"));
    }
    std::map<std::uint32_t, std::pair<SaRow, sim::EspKey>> installed;  // by SPI
    std::vector<SaRow> order;  ///< what is installed, oldest first
    std::vector<std::string> history;
    std::size_t gaps = 0;

   private:
    static std::pair<Ipv4Address, Ipv4Address> direction(const SaRow& row) {
        return {row.source, row.destination};
    }
    Ipv4Address own_;
    std::map<std::pair<Ipv4Address, Ipv4Address>, std::size_t> count_;
};

class IkeMesh {
   public:
    explicit IkeMesh(std::uint64_t seed = 1, sim::IkeOptions options = {})
        : network(runtime, seed), options_(options) {
        options_.seed = seed;
    }

    static Ipv4Address address(std::size_t index) {
        return {0xc0000201U + static_cast<std::uint32_t>(index)};  // 192.0.2.1 and on
    }
    static Ipv4Prefix subnet(std::size_t index) {
        const auto third = static_cast<std::uint32_t>(index + 1) << 8;
        return Ipv4Prefix::of({0x0af40000U + third}, 24);  // 10.244.1.0/24 and on
    }
    static IkeConnection connection(std::size_t from, std::size_t to, char key = 'k') {
        IkeConnection made;
        made.local = address(from);
        made.remote = address(to);
        made.local_subnet = subnet(from);
        made.remote_subnet = subnet(to);
        made.psk = std::string(96, key);
        made.esp_proposal = "aes128gcm16-sha256-prfsha256-ecp256";
        return made;
    }

    void add_hosts(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t index = sinks.size();
            sockets_.push_back(&network.add("h" + std::to_string(index + 1), address(index)));
            sinks.push_back(std::make_unique<RecordingSink>(address(index)));
            daemons.push_back(nullptr);
            start_daemon(index);
        }
    }
    void start_daemon(std::size_t index) {
        daemons[index] = nullptr;
        daemons[index] =
            std::make_unique<sim::SimIkeDaemon>(*sockets_[index], runtime, *sinks[index], options_);
    }
    /// The daemon and the kernel's SAs are gone, and nobody was told.
    void crash(std::size_t index) {
        daemons[index] = nullptr;
        *sinks[index] = RecordingSink(address(index));
    }
    Result<void> load(std::size_t from, std::size_t to, char key = 'k') {
        return daemons[from]->load(connection(from, to, key));
    }
    void load_all() {
        for (std::size_t i = 0; i < daemons.size(); ++i) {
            for (std::size_t k = 0; k < daemons.size(); ++k) {
                if (i != k) CHECK(load(i, k).has_value());
            }
        }
    }
    void pass(Duration span) { CHECK(runtime.run_for(span)); }

    /// SAs installed at a are exactly those at b, with the same keys: what one seals the other
    /// opens.
    [[nodiscard]] bool agree(std::size_t a, std::size_t b) const {
        const auto between = [&](const RecordingSink& sink) {
            std::map<std::uint32_t, std::pair<SaRow, sim::EspKey>> found;
            for (const auto& [spi, sa] : sink.installed) {
                const std::set<Ipv4Address> ends{sa.first.source, sa.first.destination};
                if (ends == std::set{address(a), address(b)}) found.emplace(spi, sa);
            }
            return found;
        };
        const auto at_a = between(*sinks[a]);
        return at_a.size() == 2 && at_a == between(*sinks[b]);
    }

    VirtualRuntime runtime;
    FakeNetwork network;
    std::vector<std::unique_ptr<RecordingSink>> sinks;
    std::vector<std::unique_ptr<sim::SimIkeDaemon>> daemons;

   private:
    sim::IkeOptions options_;
    std::vector<sim::HostSockets*> sockets_;
};

}  // namespace overlab::test
