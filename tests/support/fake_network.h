// FakeNetwork: HostSockets for tests. Every host reaches every other over a path with a delay, a
// seeded loss of real segments (aggregates are cut, as real queues do), an MTU that swallows what
// is larger, and isolation of single hosts. Keeps order. Programs on it run in virtual time.
//
//      host A --.
//      host B --+-- one switch, delay each way
//      host C --'
#pragma once

#include <ns3/object.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "models/base/rng.h"
#include "models/cost/cost_profile.h"
#include "models/net/bytes.h"
#include "models/net/wire.h"
#include "sim/host_socket.h"
#include "tests/support/virtual_runtime.h"

namespace overlab::test {

class FakeNetwork {
   public:
    using Tap = std::function<void(const sim::Frame& frame, Ipv4Address from, sim::Endpoint to,
                                   sim::Transport transport)>;

    FakeNetwork(VirtualRuntime& runtime, std::uint64_t seed)
        : runtime_(runtime),
          loss_(Rng::stream(seed, "fake-network/loss")),
          engine_(ns3::CreateObject<sim::Engine>()) {}

    Duration delay = microseconds(50);
    unsigned loss_percent = 0;
    std::uint32_t interface_mtu = 1500;
    std::uint32_t path_mtu = 0xffff'ffff;  ///< larger packets vanish without a word
    bool cpu_enabled = false;
    Tap tap;  ///< sees every frame sent, before loss

    sim::HostSockets& add(const std::string& name, Ipv4Address address) {
        auto host = std::make_unique<Host>(*this, name, address);
        sim::HostSockets& sockets = *host;
        hosts_[address] = std::move(host);
        return sockets;
    }
    void isolate(Ipv4Address address) { isolated_.insert(address); }
    void join(Ipv4Address address) { isolated_.erase(address); }

    [[nodiscard]] std::uint64_t frames() const { return frames_; }
    [[nodiscard]] std::uint64_t packets() const { return packets_; }
    [[nodiscard]] std::uint64_t lost() const { return lost_; }

   private:
    class Host final : public sim::HostSockets {
       public:
        Host(FakeNetwork& network, std::string name, Ipv4Address address)
            : network_(network),
              name_(std::move(name)),
              address_(address),
              cpu_(*network.engine_, network.profile_, 2, network.cpu_enabled) {}

        [[nodiscard]] Ipv4Address address() const override { return address_; }
        [[nodiscard]] const std::string& host_name() const override { return name_; }
        [[nodiscard]] sim::HostCpu& cpu() override { return cpu_; }
        void bind(sim::Transport transport, std::uint16_t port,
                  std::function<void(sim::FramePtr, sim::Endpoint)> handler) override {
            const auto key = std::pair(transport, port);
            if (handler) {
                CHECK(handlers_.emplace(key, std::move(handler)).second);
            } else {
                handlers_.erase(key);
            }
        }
        void send(sim::FramePtr frame, sim::Transport transport, sim::Endpoint to) override {
            network_.carry(std::move(frame), transport, address_, to);
        }
        [[nodiscard]] std::uint32_t max_segment_bytes() const override {
            return network_.interface_mtu - static_cast<std::uint32_t>(Ipv4Header::bytes);
        }

        void deliver(sim::FramePtr frame, sim::Transport transport, Ipv4Address from,
                     std::uint16_t port) {
            const std::uint16_t from_port = load_be16(frame->data());
            const auto handler = handlers_.find({transport, port});
            if (handler == handlers_.end()) return;
            handler->second(std::move(frame), {from, from_port});
        }

       private:
        FakeNetwork& network_;
        std::string name_;
        Ipv4Address address_;
        sim::HostCpu cpu_;
        std::map<std::pair<sim::Transport, std::uint16_t>,
                 std::function<void(sim::FramePtr, sim::Endpoint)>>
            handlers_;
    };

    void carry(sim::FramePtr frame, sim::Transport transport, Ipv4Address from, sim::Endpoint to) {
        ++frames_;
        if (frame->budget != nullptr) {  // an interface without a queue
            frame->budget->queued_bytes -= frame->budget_bytes;
            frame->budget = nullptr;
        }
        if (tap) tap(*frame, from, to, transport);
        prepend_ip(*frame, transport, from, to.address);
        while (frame != nullptr) {  // the longest runs of segments that are not lost stay together
            sim::FramePtr part = next_run(frame);
            if (part == nullptr) continue;
            const auto held = std::make_shared<sim::FramePtr>(std::move(part));
            runtime_.call_after(delay, [this, held, transport, from, to] {
                (*held)->strip(Ipv4Header::bytes);
                if (isolated_.contains(from) || isolated_.contains(to.address)) return;
                const auto host = hosts_.find(to.address);
                if (host == hosts_.end()) return;
                host->second->deliver(std::move(*held), transport, from, to.port);
            });
        }
    }

    static void prepend_ip(sim::Frame& frame, sim::Transport transport, Ipv4Address from,
                           Ipv4Address to) {
        Ipv4Header ip;
        ip.protocol = static_cast<std::uint8_t>(transport);
        ip.source = from;
        ip.destination = to;
        ip.dont_fragment = true;
        ip.total_length = static_cast<std::uint16_t>(Ipv4Header::bytes + frame.header_bytes() +
                                                     frame.first_payload());
        ip.encode({frame.prepend(Ipv4Header::bytes), Ipv4Header::bytes});
        frame.inner_ip_at = frame.begin;
    }

    /// Takes from the front either one run that gets through or one lost segment (then null).
    sim::FramePtr next_run(sim::FramePtr& frame) {
        std::uint32_t passed = 0;
        bool hit = false;
        while (passed < frame->segments && !(hit = loses(*frame))) ++passed;
        packets_ += passed;
        if (passed == frame->segments) return std::exchange(frame, nullptr);
        if (passed > 0) {
            auto run = frame->split_front(passed);
            drop_first(frame);
            return run;
        }
        drop_first(frame);
        return nullptr;
    }

    void drop_first(sim::FramePtr& frame) {
        ++lost_;
        if (frame->segments == 1) {
            frame = nullptr;
        } else {
            (void)frame->split_front(1);
        }
    }

    bool loses(const sim::Frame& frame) {
        if (frame.first_size() > path_mtu) return true;
        return loss_percent > 0 && loss_.chance(loss_percent, 100);
    }

    VirtualRuntime& runtime_;
    Rng loss_;
    ns3::Ptr<sim::Engine> engine_;
    CostProfile profile_;
    std::map<Ipv4Address, std::unique_ptr<Host>> hosts_;
    std::set<Ipv4Address> isolated_;
    std::uint64_t frames_ = 0, packets_ = 0, lost_ = 0;
};

}  // namespace overlab::test
