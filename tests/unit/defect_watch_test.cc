// What the defects of watching do at the store's port.
#include <fmt/format.h>

#include "tests/support/catch.h"
#include "tests/support/defect_lab.h"

using namespace overlab;
using namespace overlab::test;

namespace {

/// What a watcher of the leases is told, as text: revision and keys, or the error.
struct Watcher {
    std::string told;

    void watch(KvStore& kv, Revision from) {
        kv.watch(subnets, from, [this](const Result<KvWatchUpdate>& update) {
            if (!update) {
                told += "error ";
                return;
            }
            told += fmt::format("@{}", update->revision);
            for (const KvEvent& event : update->events) {
                told += ' ' + event.entry->key.substr(subnets.size());
            }
            told += "; ";
        });
    }
};

struct WatchLab : LeaseWorld {
    LocalKvStore kv{runtime, server, milliseconds(1)};
    Watcher watcher;

    void pass() { REQUIRE(runtime.run_for(seconds(1))); }
    void write_two() {
        KvTxn txn;
        txn.puts = {{subnets + "a", "1", {}}, {subnets + "b", "2", {}}};
        (void)server.apply([&](MvccStore& s, Instant now) { return s.txn(txn, now); });
    }
};

}  // namespace

TEST_CASE("watch-first-event-only: of two events in a response one is told", "[defect]") {
    WatchLab lab;
    DefectLab defects(lab.runtime, {"watch-first-event-only"});
    lab.watcher.watch(defects.layers.around(lab.kv), 2);
    lab.pass();

    lab.write_two();
    lab.pass();

    CHECK(lab.watcher.told == "@2 a; ");
}

TEST_CASE("watch-ignores-compaction: nobody learns that the revision is gone", "[defect]") {
    WatchLab lab;
    lab.write_two();
    lab.write(subnets + "c", "3");
    lab.compact();
    DefectLab defects(lab.runtime, {"watch-ignores-compaction"});

    Watcher plain;
    plain.watch(lab.kv, 2);
    lab.watcher.watch(defects.layers.around(lab.kv), 2);
    lab.pass();

    CHECK(plain.told == "error ");
    CHECK(lab.watcher.told.empty());
}

TEST_CASE("store-loss-ignored: what a store says that counts anew is not told", "[defect]") {
    WatchLab lab;
    DefectLab defects(lab.runtime, {"store-loss-ignored"});
    KvStore& kv = defects.layers.around(lab.kv);
    for (int i = 0; i < 5; ++i) lab.write(subnets + "a", std::to_string(i));
    Revision seen = 0;
    const auto read = [&] {
        kv.range(subnets, [&](const Result<KvRange>& range) { seen = range->revision; });
        lab.pass();
        return seen;
    };
    REQUIRE(read() == 6);

    lab.server.restore(MvccStore{});

    CHECK(read() == 6);
    lab.watcher.watch(kv, 6);  // what it knows, and what follows
    lab.pass();
    CHECK(lab.watcher.told == "@6 a; ");
    for (int i = 0; i < 5; ++i) lab.write(subnets + "b", std::to_string(i));
    lab.pass();
    CHECK(lab.watcher.told == "@6 a; ");
    lab.write(subnets + "c", "1");  // revision 7
    lab.pass();
    CHECK(lab.watcher.told == "@6 a; @7 c; ");
}
