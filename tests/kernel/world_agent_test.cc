// An agent that is killed and started again finds its host as it left it: it keeps its lease,
// touches no row that is right, and no packet notices.
//
//   h1, h2, h3 with a pod each on one switch; every pod asks every other one all the time
#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "real/base/sandbox.h"
#include "real/traffic/blackhole_probe.h"
#include "real/world/kernel_world.h"
#include "tests/support/kernel_lab.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

const Duration patience = seconds(20);
/// For those who answer the probes.
const Duration head_start = milliseconds(200);

Scenario three_hosts(const std::string& backend) {
    return test::scenario_of(fmt::format(
        R"({{"overlab": 1, "name": "three", "duration": "60s",
             "network": {{"Network": "10.244.0.0/16", "Backend": {{"Type": "{}"}}}},
             "underlay": {{"generate": {{"star": {{"hosts": 3}}}}}},
             "pods": {{"per_host": 1}}, "traffic": []}})",
        backend));
}

// ---- what the kernel tells of changes ----

/// Everything that happens to a namespace's links, addresses, neighbours, FDB and routes from now
/// on, but for what the kernel learns by itself.
class RowWatch {
   public:
    explicit RowWatch(const Netns& netns) {
        const NetnsScope scope(netns);
        socket_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
        sockaddr_nl address{};
        address.nl_family = AF_NETLINK;
        address.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE;
        const int room = 4 << 20;
        (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
        if (::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("netlink groups cannot be joined");
    }

    /// `RTM_DELROUTE`, ..., in order; `lost` if the kernel could not tell all.
    std::vector<std::string> events() {
        std::vector<std::string> all;
        for (std::vector<char> block(1 << 16);;) {
            const ssize_t size = ::recv(socket_.get(), block.data(), block.size(), 0);
            if (size < 0 && errno == ENOBUFS) {
                all.emplace_back("lost");
                continue;
            }
            if (size <= 0) return all;
            auto left = static_cast<unsigned>(size);
            for (const auto* message = reinterpret_cast<const nlmsghdr*>(block.data());
                 NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
                if (const std::string text = text_of(*message); !text.empty()) all.push_back(text);
            }
        }
    }

   private:
    static std::string text_of(const nlmsghdr& message) {
        switch (message.nlmsg_type) {
            case RTM_NEWLINK:
                return "RTM_NEWLINK";
            case RTM_DELLINK:
                return "RTM_DELLINK";
            case RTM_NEWADDR:
                return "RTM_NEWADDR";
            case RTM_DELADDR:
                return "RTM_DELADDR";
            case RTM_NEWROUTE:
                return "RTM_NEWROUTE";
            case RTM_DELROUTE:
                return "RTM_DELROUTE";
            case RTM_NEWNEIGH:
            case RTM_DELNEIGH: {
                const auto* neighbour = static_cast<const ndmsg*>(NLMSG_DATA(&message));
                if ((neighbour->ndm_state & NUD_PERMANENT) == 0) return {};  // learned by ARP
                return message.nlmsg_type == RTM_NEWNEIGH ? "RTM_NEWNEIGH" : "RTM_DELNEIGH";
            }
            default:
                return fmt::format("type {}", message.nlmsg_type);
        }
    }

    Fd socket_;
};

// ---- the world ----

/// The world of a test, inside its sandbox, with probes between all its pods. What is not as it
/// should be is collected: Catch2 is on the other side of a fork.
class Trial {
   public:
    Trial(const Scenario& scenario, const std::filesystem::path& folder, RunOptions options = {})
        : scenario_(&scenario) {
        options.kernel.scratch_dir = folder.string();
        auto built = KernelWorld::build(scenario, options);
        if (!built) {
            complain(built.error().what);
            return;
        }
        world = std::move(*built);
        if (const auto begun = world->begin(); !begun) complain(begun.error().what);
    }

    bool converge(std::string_view when) {
        if (!complaints.empty()) return false;
        if (!world->run_until_converged(patience))
            complain(fmt::format("{}: not converged in time", when));
        return complaints.empty();
    }

    void start_probes(Duration length) {
        EventLoop& loop = world->loop();
        begun_ = loop.now();
        const Duration now = begun_ - Instant{};
        for (std::size_t from = 0; from < scenario_->pods.size(); ++from) {
            for (std::size_t to = 0; to < scenario_->pods.size(); ++to) {
                if (from == to) continue;
                probes_.push_back({from, to,
                                   BlackholeProbe::create(
                                       loop, {.name = fmt::format("pod {} to pod {}", from, to),
                                              .from = end(from),
                                              .to = end(to),
                                              .index = probes_.size(),
                                              .start = now + head_start,
                                              .stop = now + length,
                                              .interval = milliseconds(10),
                                              .answer_timeout = seconds(2)})});
                probes_.back().probe->start();
            }
        }
        wait(head_start + milliseconds(100));
    }

    /// `may_lose`: whether the pod of a host may be out of reach for a while.
    void end_probes(const std::function<bool(std::size_t pod)>& may_lose) {
        const bool ended = world->loop().run_until(
            [this] {
                return std::ranges::all_of(probes_,
                                           [](const auto& each) { return each.probe->finished(); });
            },
            patience);
        if (!ended) return complain("probes did not end");
        for (const Probe& each : probes_) {
            const BlackholeReport report = each.probe->report();
            const std::string name = fmt::format("pod {} to pod {}", each.from, each.to);
            if (report.answered == 0) complain(name + ": nothing was answered");
            if (report.longest_ns() < 0) complain(name + ": the gap did not end");
            if (report.lost > 0 && !may_lose(each.from) && !may_lose(each.to))
                complain(fmt::format("{}: {} of {} lost, the first at {} ms", name, report.lost,
                                     report.sent,
                                     (report.gaps.front().from_ns - begun_.ns) / 1'000'000));
        }
    }

    void wait(Duration length) {
        (void)world->loop().run_until([] { return false; }, length);
    }

    [[nodiscard]] KernelWorld::Agent& agent(std::size_t index) { return world->agents()[index]; }
    void complain(std::string what) { complaints += what + '\n'; }

    std::unique_ptr<KernelWorld> world;
    std::string complaints;

   private:
    struct Probe {
        std::size_t from, to;
        std::unique_ptr<BlackholeProbe> probe;
    };
    [[nodiscard]] TrafficEnd end(std::size_t pod) const {
        return {.netns = &world->lab().pod(pod),
                .pod = scenario_->pods[pod].name,
                .host = {},
                .address = [this, pod] { return world->lab().pod_address(pod); }};
    }

    const Scenario* scenario_;
    std::vector<Probe> probes_;
    Instant begun_;
};

/// Runs `body` in a sandbox; what it complained of, and what went wrong with the sandbox.
std::string complaints_of(const std::function<std::string(const std::filesystem::path&)>& body) {
    const test::TempFolder folder;
    const auto file = folder.path() / "complaints";
    const auto code = run_in_sandbox([&] {
        std::ofstream(file) << body(folder.path());
        return 0;
    });
    if (!code) return "skipped: " + code.error().what;
    return test::file_text(file) + (*code == 0 ? "" : fmt::format("exit code {}\n", *code));
}

/// Kills h1's agent and starts it again, under traffic, `times` times.
std::string kill_and_restart(const std::string& backend, const std::filesystem::path& folder,
                             int times) {
    const bool data_path_dies = backend == "udp";
    const Scenario scenario = three_hosts(backend);
    Trial trial(scenario, folder);
    if (!trial.converge("at first")) return trial.complaints;
    std::vector<std::string> leases;
    for (const auto& agent : trial.world->agents()) leases.push_back(agent.status->lease);
    trial.start_probes(seconds(3));
    std::vector<RowWatch> watches;
    for (const auto& agent : trial.world->agents())
        watches.emplace_back(trial.world->lab().node(agent.host));

    for (int i = 0; i < times; ++i) {
        trial.world->kill_agent(trial.agent(0));
        trial.wait(milliseconds(100));
        const auto restarted = trial.world->restart_agent(trial.agent(0));
        if (!restarted) trial.complain(restarted.error().what);
        if (!trial.converge("after the restart")) return trial.complaints;
    }

    for (std::size_t i = 0; i < leases.size(); ++i) {
        if (trial.agent(i).status->lease != leases[i])
            trial.complain(
                fmt::format("h{}: {}, before {}", i + 1, trial.agent(i).status->lease, leases[i]));
    }
    trial.end_probes([&](std::size_t pod) {
        return data_path_dies && scenario.pods[pod].host == trial.agent(0).host;
    });
    for (std::size_t i = data_path_dies ? 1 : 0; i < watches.size(); ++i) {
        for (const std::string& event : watches[i].events())
            trial.complain(fmt::format("h{}: {}", i + 1, event));
    }
    return trial.complaints;
}

/// Kills h1's agent `moment` after its start, and starts it again.
std::string kill_at_start(Duration moment, const std::filesystem::path& folder) {
    const Scenario scenario = three_hosts("vxlan");
    Trial trial(scenario, folder);
    if (!trial.complaints.empty()) return trial.complaints;
    trial.wait(moment);
    trial.world->kill_agent(trial.agent(0));
    const auto restarted = trial.world->restart_agent(trial.agent(0));
    if (!restarted) trial.complain(restarted.error().what);
    if (!trial.converge("after the restart")) return trial.complaints;
    trial.start_probes(milliseconds(600));
    trial.end_probes([](std::size_t) { return false; });
    return trial.complaints;
}

/// Agents that were asked for packet filter rules hold them, and a restarted one finds its own.
std::string filter_rules(const std::filesystem::path& folder) {
    const Scenario scenario = three_hosts("host-gw");
    RunOptions options;
    options.kernel.ip_masq = true;
    options.kernel.forward_rules = true;
    Trial trial(scenario, folder, options);
    if (!trial.converge("at first")) return trial.complaints;
    const auto check_rules = [&](std::string_view when) {
        const std::string& rows = trial.agent(0).status->forwarding;
        for (const char* rule :
             {"filter masquerade 10.244.0.0/16", "filter forward 10.244.0.0/16"}) {
            if (!rows.contains(rule))
                trial.complain(fmt::format("{}: no `{}` in\n{}", when, rule, rows));
        }
    };
    check_rules("at first");
    trial.world->kill_agent(trial.agent(0));
    if (auto restarted = trial.world->restart_agent(trial.agent(0)); !restarted)
        trial.complain(restarted.error().what);
    if (trial.converge("after the restart")) check_rules("after the restart");
    return trial.complaints;
}

}  // namespace

TEST_CASE("agents write packet filter rules when they are asked for them", "[world]") {
    const std::string complaints = complaints_of(filter_rules);

    if (complaints.starts_with("skipped: ")) {
        WARN(complaints);
        return;
    }
    CHECK(complaints == "");
}

TEST_CASE("an agent that is killed and started again touches nothing that is right", "[world]") {
    const std::string backend = GENERATE("vxlan", "host-gw", "udp");
    CAPTURE(backend);

    const std::string complaints = complaints_of(
        [&](const std::filesystem::path& folder) { return kill_and_restart(backend, folder, 2); });

    if (complaints.starts_with("skipped: ")) {
        WARN(complaints);
        return;
    }
    CHECK(complaints == "");
}

TEST_CASE("an agent that is killed while it sets its host up finishes when it is started again",
          "[world]") {
    constexpr std::uint64_t seed = 20240229;
    constexpr std::uint64_t longest_us = 150'000;
    Rng rng = Rng::stream(seed, "kill-at-start");
    for (int i = 0; i < 8; ++i) {
        const Duration moment = microseconds(static_cast<std::int64_t>(rng.below(longest_us)));
        CAPTURE(i, moment.ns);

        const std::string complaints = complaints_of(
            [&](const std::filesystem::path& folder) { return kill_at_start(moment, folder); });

        if (complaints.starts_with("skipped: ")) {
            WARN(complaints);
            return;
        }
        CHECK(complaints == "");
    }
}
