// A private etcd in a namespace of its own, and clients of it, for tests in real time. The
// namespace has nothing but its loopback.
#pragma once

#include <csignal>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "real/base/event_loop.h"
#include "real/base/netns.h"
#include "real/store/etcd_kv_store.h"
#include "real/store/etcd_server.h"
#include "tests/support/temp_folder.h"

#include "tests/support/catch.h"

namespace overlab::test {

/// A deadline, not a measurement: the machine may be busy.
constexpr Duration patience = seconds(30);

class EtcdLab {
   public:
    /// Errors: unsupported, not_found: a test skips with the message.
    [[nodiscard]] static Result<std::unique_ptr<EtcdLab>> make(
        real::EtcdServerOptions options = {}) {
        if (real::find_program("etcd").empty())
            return fail(ErrorKind::not_found, "etcd: not installed; apt-get install etcd-server");
        OVERLAB_TRY(real::Netns netns, real::Netns::create());
        auto lab = std::unique_ptr<EtcdLab>(new EtcdLab(std::move(netns), std::move(options)));
        if (auto started = lab->start(); !started) return std::unexpected(started.error());
        return lab;
    }

    [[nodiscard]] Result<void> start() {
        OVERLAB_TRY(real::EtcdServer started, real::EtcdServer::start(options_, patience));
        server.emplace(std::move(started));
        return {};
    }
    void kill() {
        server->process().signal(SIGKILL);
        REQUIRE(server->process().wait(patience).has_value());
        server.reset();
    }

    [[nodiscard]] real::EtcdOptions client_options() const {
        real::EtcdOptions out;
        out.endpoints = {server ? server->endpoint() : "http://127.0.0.1:2379"};
        out.netns = &netns;
        return out;
    }
    [[nodiscard]] std::unique_ptr<real::EtcdKvStore> client(
        std::optional<real::EtcdOptions> with = {}) {
        auto made = real::EtcdKvStore::create(loop, with.value_or(client_options()));
        REQUIRE(made.has_value());
        return std::move(*made);
    }

    /// Calls, and waits for the answer: wait<KvRange>([&](auto done) { kv.range("", done); }).
    template <typename T, typename Ask>
    Result<T> wait(Ask ask) {
        std::optional<Result<T>> answer;
        ask([&answer](Result<T> result) { answer.emplace(std::move(result)); });
        CHECK_FALSE(answer.has_value());
        REQUIRE(loop.run_until([&] { return answer.has_value(); }, patience));
        return std::move(*answer);
    }
    Result<KvRange> range(KvStore& kv, const std::string& prefix) {
        return wait<KvRange>([&](auto done) { kv.range(prefix, done); });
    }
    Result<KvTxnResult> put(KvStore& kv, const std::string& key, const std::string& value,
                            KvLeaseId lease = {}) {
        return wait<KvTxnResult>([&](auto done) {
            kv.txn({.compares = {}, .puts = {{key, value, lease}}, .deletes = {}}, done);
        });
    }

    TempFolder folder;
    real::Netns netns;
    real::EventLoop loop;
    std::optional<real::EtcdServer> server;

   private:
    EtcdLab(real::Netns in, real::EtcdServerOptions options)
        : netns(std::move(in)), options_(std::move(options)) {
        options_.netns = &netns;
        options_.address = Ipv4Address::parse("127.0.0.1").value();
        options_.folder = folder.path();
    }

    real::EtcdServerOptions options_;
};

/// etcd's shortest time to live is 1.5 election timeouts, rounded up to a second: with its defaults
/// 2 s, with these 1 s.
[[nodiscard]] inline real::EtcdServerOptions short_leases() {
    real::EtcdServerOptions options;
    options.arguments = {"--heartbeat-interval=10", "--election-timeout=100"};
    return options;
}

}  // namespace overlab::test

/// In a test case: `name` is a lab, or the test ends with the reason.
#define ETCD_LAB(name, ...)                                                       \
    const auto name##_made = ::overlab::test::EtcdLab::make(__VA_ARGS__);         \
    if (!name##_made) {                                                           \
        WARN("skipped: " << name##_made.error().what);                            \
        REQUIRE((name##_made.error().kind == ::overlab::ErrorKind::unsupported || \
                 name##_made.error().kind == ::overlab::ErrorKind::not_found));   \
        return;                                                                   \
    }                                                                             \
    ::overlab::test::EtcdLab& name = **name##_made
