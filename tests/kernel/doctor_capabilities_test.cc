// Probing this machine: whatever it has, the answers are complete, true and leave nothing.
#include "real/doctor/capabilities.h"

#include <net/if.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "real/base/netns.h"
#include "real/base/process.h"
#include "real/base/sandbox.h"
#include "real/doctor/kernel_probes.h"
#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::real;

namespace {

const FeatureState& state_of(const std::vector<FeatureState>& states, Feature feature) {
    return states.at(static_cast<std::size_t>(feature));
}

std::vector<std::string> interface_names() {
    std::vector<std::string> names;
    struct if_nameindex* const all = ::if_nameindex();
    for (const struct if_nameindex* one = all; one->if_index != 0; ++one) {
        names.emplace_back(one->if_name);
    }
    ::if_freenameindex(all);
    return names;
}

}  // namespace

TEST_CASE("every feature has an answer, and what is missing a reason and a remedy") {
    const std::vector<std::string> before = interface_names();

    const std::vector<FeatureState> states = probe_features();

    REQUIRE(states.size() == static_cast<std::size_t>(Feature::tshark) + 1);
    for (const FeatureState& state : states) {
        CAPTURE(to_string(state.feature), state.why, state.remedy);
        CHECK(state.why.empty() == state.available);
        CHECK(state.remedy.empty() == (state.available && state.note.empty()));
    }
    CHECK(interface_names() == before);
}

TEST_CASE("probing again answers the same") {
    const std::vector<FeatureState> first = probe_features();
    const std::vector<FeatureState> second = probe_features();

    CHECK(
        std::ranges::equal(first, second, {}, &FeatureState::available, &FeatureState::available));
}

TEST_CASE("without namespaces the kernel's features are unknown, and the remedy is to allow them") {
    static constexpr uid_t nobody = 65534;
    static constexpr int cannot_test = 77;
    Process ordinary =
        Process::fork([] {
            const bool root = ::geteuid() == 0;
            // With none left to give, making one fails as where they are forbidden.
            if (!root || ::setgid(nobody) != 0 || ::setuid(nobody) != 0) return cannot_test;
            if (::prctl(PR_SET_DUMPABLE, 1) != 0) return cannot_test;
            const auto code = run_in_sandbox([] {
                const auto forbidden =
                    output_of({.argv = {"sh", "-c",
                                        "echo 0 >/proc/sys/user/max_user_namespaces; "
                                        "echo 0 >/proc/sys/user/max_net_namespaces"}});
                if (!forbidden) return cannot_test;
                const std::vector<FeatureState> states = probe_features();
                const FeatureState& vxlan = state_of(states, Feature::vxlan);
                const auto able = can_run("host-gw", states);
                if (vxlan.available || able) return 1;
                if (!vxlan.remedy.contains("unprivileged user namespaces")) return 2;
                return able.error().what.starts_with("host-gw: no network namespaces") ? 0 : 3;
            });
            return code.value_or(cannot_test);
        }).value();

    const auto ended = ordinary.wait(seconds(60));

    REQUIRE(ended);
    if (ended->code == cannot_test) {
        WARN("skipped: not root, or no user namespaces");
        return;
    }
    CHECK(ended->code == 0);
}

TEST_CASE("without /dev/net/tun the udp backend cannot run, and says how it could") {
    const auto code = run_in_sandbox([] {
        if (::mount("none", "/dev/net", "tmpfs", 0, nullptr) != 0) return 0;  // Nothing to hide.
        const auto able = can_run("udp", probe_features());
        return !able && able.error().what ==
                            "udp: no TUN devices: /dev/net/tun: No such file or directory; "
                            "modprobe tun; in a container, pass /dev/net/tun in; or --world vm"
                   ? 0
                   : 1;
    });
    if (!code) {
        WARN("skipped: " << code.error().what);
        return;
    }
    CHECK(*code == 0);
}
