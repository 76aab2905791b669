// What a client of etcd sees when endpoints are dead, etcd is killed, and history is gone.
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "real/base/fd.h"
#include "tests/support/etcd_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;
using Catch::Contains;

namespace {

const std::string dead = "http://127.0.0.1:2300";  // nobody listens there

/// A server that accepts, and never answers.
struct Silent {
    real::Fd fd;
    std::string endpoint;

    explicit Silent(const real::Netns& netns) {
        const real::NetnsScope there(netns);
        fd = real::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in name{};
        name.sin_family = AF_INET;
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof name;
        REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) == 0);
        REQUIRE(::listen(fd.get(), 16) == 0);
        REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) == 0);
        endpoint = "http://127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    }
};

struct Told {
    std::vector<std::string> events;
    std::optional<Error> error;
    Revision seen = 0;

    auto listener() {
        return [this](const Result<KvWatchUpdate>& update) {
            if (!update) {
                error = update.error();
                return;
            }
            seen = update->revision;
            for (const KvEvent& event : update->events)
                events.push_back(event.entry->key + "=" + event.entry->value);
        };
    }
};

}  // namespace

TEST_CASE("A dead endpoint is passed over, by reads, writes and watches") {
    ETCD_LAB(lab);
    real::EtcdOptions options = lab.client_options();
    options.endpoints.insert(options.endpoints.begin(), dead);
    for (const std::string first : {"range", "write", "watch"}) {
        const auto kv = lab.client(options);
        Told told;
        if (first == "range") CHECK(lab.range(*kv, "").has_value());
        if (first == "watch") kv->watch("k", 1, told.listener());
        const auto written = lab.put(*kv, "k", first);
        INFO((written ? "" : written.error().what));
        CHECK(written.has_value());
        if (first != "watch") continue;
        CHECK(lab.loop.run_until([&] { return !told.events.empty(); }, patience));
    }
}

TEST_CASE("A silent endpoint is passed over by reads; a write's outcome is unknown") {
    ETCD_LAB(lab);
    const Silent silent(lab.netns);
    real::EtcdOptions options = lab.client_options();
    options.endpoints.insert(options.endpoints.begin(), silent.endpoint);
    options.request_timeout = milliseconds(200);

    const auto reader = lab.client(options);
    CHECK(lab.range(*reader, "").has_value());

    const auto writer = lab.client(options);
    const auto first = lab.put(*writer, "k", "v");
    REQUIRE_FALSE(first.has_value());
    CHECK(first.error().kind == ErrorKind::unavailable);
    CHECK_THAT(first.error().what,
               Contains(silent.endpoint) && Contains("no answer within 200 ms"));
    CHECK(lab.range(*reader, "k")->entries.empty());

    const auto watcher = lab.client(options);
    Told told;
    watcher->watch("k", 1, told.listener());
    options.request_timeout = seconds(5);
    CHECK(lab.put(*lab.client(), "k", "w").has_value());
    CHECK(lab.loop.run_until([&] { return !told.events.empty(); }, patience));
}

TEST_CASE("With no endpoint left, the error names each of them") {
    ETCD_LAB(lab);
    const Silent silent(lab.netns);
    real::EtcdOptions options = lab.client_options();
    options.endpoints = {dead, silent.endpoint};
    options.request_timeout = milliseconds(200);
    const auto kv = lab.client(options);

    const auto range = lab.range(*kv, "");
    REQUIRE_FALSE(range.has_value());
    CHECK(range.error().kind == ErrorKind::unavailable);
    CHECK_THAT(range.error().what, Contains(dead) && Contains("Connection refused") &&
                                       Contains("--listen-client-urls") &&
                                       Contains(silent.endpoint));
    Told told;
    kv->watch("k", 1, told.listener());
    REQUIRE(lab.loop.run_until([&] { return told.error.has_value(); }, patience));
    CHECK(told.error->kind == ErrorKind::unavailable);
    CHECK_THAT(told.error->what, Contains(dead) && Contains("watch not begun within 200 ms"));
}

TEST_CASE("A watch that a killed etcd broke goes on from where it was") {
    ETCD_LAB(lab);
    const auto kv = lab.client();
    Told told;
    kv->watch("k/", 1, told.listener());
    REQUIRE(lab.put(*kv, "k/1", "one").has_value());
    REQUIRE(lab.loop.run_until([&] { return told.events.size() == 1; }, patience));
    REQUIRE(lab.put(*kv, "l", "elsewhere").has_value());

    lab.kill();
    REQUIRE(lab.loop.run_until([&] { return told.error.has_value(); }, patience));
    CHECK(told.error->kind == ErrorKind::unavailable);
    const auto write = lab.put(*kv, "k/2", "lost");
    REQUIRE_FALSE(write.has_value());
    CHECK(write.error().kind == ErrorKind::unavailable);
    CHECK_THAT(write.error().what, Contains("Connection refused"));

    REQUIRE(lab.start().has_value());
    REQUIRE(lab.put(*kv, "k/2", "two").has_value());
    told.error.reset();
    kv->watch("k/", told.seen + 1, told.listener());
    REQUIRE(lab.loop.run_until([&] { return told.events.size() == 2; }, patience));
    CHECK(told.events == std::vector<std::string>{"k/1=one", "k/2=two"});
    CHECK_FALSE(told.error.has_value());
}

TEST_CASE("A compaction while a watcher was away is reported as that") {
    ETCD_LAB(lab);
    const auto kv = lab.client();
    Revision last = 0;
    for (int i = 0; i < 4; ++i) last = lab.put(*kv, "k", std::to_string(i))->revision;
    const auto compacted = lab.wait<Revision>([&](auto done) { kv->compact(last, done); });
    CHECK(compacted.value() == last);
    for (const auto& [at, kind] : {std::pair(last - 1, ErrorKind::compacted),
                                   std::pair(last + 9, ErrorKind::invalid_argument)}) {
        const auto again = lab.wait<Revision>([&, at = at](auto done) { kv->compact(at, done); });
        REQUIRE_FALSE(again.has_value());
        CHECK(again.error().kind == kind);
    }

    Told told;
    kv->watch("k", last - 1, told.listener());
    REQUIRE(lab.loop.run_until([&] { return told.error.has_value(); }, patience));
    CHECK(told.error->kind == ErrorKind::compacted);
    CHECK(told.events.empty());
}

TEST_CASE("A callback may destroy the store it came from, and cancel its own watch") {
    ETCD_LAB(lab);
    auto kv = lab.client();
    REQUIRE(lab.put(*kv, "k", "one").has_value());
    REQUIRE(lab.put(*kv, "k", "two").has_value());
    int updates = 0;
    KvWatchId watch = 0;
    watch = kv->watch("k", 1, [&](const Result<KvWatchUpdate>&) {
        ++updates;
        kv->cancel_watch(watch);
    });
    REQUIRE(lab.loop.run_until([&] { return updates > 0; }, patience));
    REQUIRE(lab.put(*kv, "k", "three").has_value());
    CHECK(updates == 1);

    int answers = 0;
    kv->watch("k", 1, [&](const Result<KvWatchUpdate>&) {
        ++answers;
        kv.reset();
    });
    for (int i = 0; i < 8; ++i) {
        kv->range("k", [&](const Result<KvRange>&) {
            ++answers;
            kv.reset();
        });
    }
    REQUIRE(lab.loop.run_until([&] { return kv == nullptr; }, patience));
    CHECK_FALSE(lab.loop.run_until([&] { return answers > 1; }, milliseconds(300)));
    CHECK(answers == 1);
}

TEST_CASE("A large range and a transaction of many watch events come whole") {
    ETCD_LAB(lab);
    const auto kv = lab.client();
    const std::string value(20'000, 'x');
    std::size_t told = 0;
    for (int batch = 0; batch < 20; ++batch) {
        KvTxn txn;
        for (int i = 0; i < 50; ++i)
            txn.puts.push_back({"k/" + std::to_string(batch * 50 + i), value, {}});
        const auto done = lab.wait<KvTxnResult>([&](auto answer) { kv->txn(txn, answer); });
        INFO((done ? "" : done.error().what));
        REQUIRE(done.has_value());
    }
    kv->watch("k/", 1, [&](const Result<KvWatchUpdate>& update) {
        REQUIRE(update.has_value());
        // Whole revisions, also where etcd cuts its messages.
        CHECK(update->events.size() % 50 == 0);
        told += update->events.size();
    });
    const auto range = lab.range(*kv, "k/");
    REQUIRE(range.has_value());
    CHECK(range->entries.size() == 1000);
    CHECK(range->entries.back()->value == value);
    CHECK(lab.loop.run_until([&] { return told == 1000; }, patience));
    CHECK(kv->counters().bytes_received > 2 * 1000 * value.size());
    CHECK(kv->counters().responses + 1 == kv->counters().requests);  // the watch goes on
}

TEST_CASE("A port in use is named, with the remedy") {
    ETCD_LAB(lab);
    TempFolder folder;
    real::EtcdServerOptions options;
    options.netns = &lab.netns;
    options.address = Ipv4Address::parse("127.0.0.1").value();
    options.folder = folder.path();
    const auto second = real::EtcdServer::start(options, patience);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().kind == ErrorKind::already_exists);
    CHECK_THAT(second.error().what, Contains("127.0.0.1:2379") && Contains("choose another port"));

    options.address = Ipv4Address::parse("192.0.2.1").value();
    const auto elsewhere = real::EtcdServer::start(options, patience);
    REQUIRE_FALSE(elsewhere.has_value());
    CHECK(elsewhere.error().kind == ErrorKind::invalid_argument);

    options.address = Ipv4Address::parse("127.0.0.1").value();
    options.port = 3379;
    options.peer_port = 3380;
    options.metrics_port = 3381;
    options.arguments = {"--no-such-flag"};
    const auto wrong = real::EtcdServer::start(options, patience);
    REQUIRE_FALSE(wrong.has_value());
    CHECK(wrong.error().kind == ErrorKind::unavailable);
    CHECK_THAT(wrong.error().what, Contains("etcd.log"));
}
