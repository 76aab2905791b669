// An etcd that dozes: stopped while nobody talks to it, there as soon as somebody does.
#include <fmt/format.h>

#include <fstream>
#include <memory>
#include <string>

#include "real/store/etcd_doze.h"
#include "tests/support/etcd_lab.h"

using namespace overlab;
using namespace overlab::real;
using namespace overlab::test;

namespace {

/// A process' state as /proc/PID/stat has it: S asleep, T stopped.
char state_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    std::getline(file, line);
    const std::size_t end = line.rfind(')');
    return end + 2 < line.size() ? line[end + 2] : '?';
}

bool falls_asleep(EtcdLab& lab) {
    const pid_t pid = lab.server->process().pid();
    for (int tries = 0; tries < 300; ++tries) {
        if (state_of(pid) == 'T') return true;
        (void)lab.loop.run_until([] { return false; }, milliseconds(100));
    }
    return false;
}

Result<EtcdDoze> doze(EtcdLab& lab, Duration look_every) {
    return EtcdDoze::start(lab.server->process(), lab.netns, 2379, look_every);
}

}  // namespace

TEST_CASE("a dozing etcd is stopped, answers whoever asks, and is stopped again") {
    ETCD_LAB(lab);
    const auto dozing = doze(lab, minutes(10));
    REQUIRE(dozing.has_value());
    REQUIRE(falls_asleep(lab));

    const auto kv = lab.client();
    REQUIRE(lab.put(*kv, "/key", "value").has_value());
    const auto range = lab.range(*kv, "/key");
    REQUIRE(range.has_value());
    CHECK(range->entries.size() == 1);
    CHECK(falls_asleep(lab));
}

TEST_CASE("a lease that expires while etcd dozes is found at the next look, and a watch told") {
    ETCD_LAB(lab);
    const auto kv = lab.client();
    const auto lease = lab.wait<KvLeaseId>([&](auto done) { kv->grant(seconds(2), done); });
    REQUIRE(lease.has_value());
    const auto put = lab.put(*kv, "/leased", "value", *lease);
    REQUIRE(put.has_value());
    bool removed = false;
    kv->watch("/leased", put->revision + 1, [&removed](const Result<KvWatchUpdate>& update) {
        removed = removed || (update && !update->events.empty() &&
                              update->events.front().type == KvEvent::Type::remove);
    });

    const auto dozing = doze(lab, seconds(3));
    REQUIRE(dozing.has_value());

    CHECK(lab.loop.run_until([&removed] { return removed; }, patience));
}
