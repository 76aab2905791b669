// The client over HTTP keeps the contract, with a real etcd and with our gateway to the in-memory
// store. In real time, in namespaces of the tests' own.
#include <functional>
#include <memory>
#include <utility>

#include "tests/contract/kv_store_contract.h"
#include "tests/support/etcd_lab.h"
#include "tests/support/gateway_lab.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

/// Two clients over HTTP of what a lab holds.
template <typename Lab>
class HttpFixture final : public KvFixture {
   public:
    explicit HttpFixture(std::unique_ptr<Lab> lab)
        : lab_(std::move(lab)), client_(connect()), other_(connect()) {}

    KvStore& client() override { return *client_; }
    KvStore& other_client() override { return *other_; }
    void destroy_client() override { client_.reset(); }
    void pass(Duration span) override {
        CHECK_FALSE(lab_->loop.run_until([] { return false; }, span));
    }
    bool pass_until(Duration span, const std::function<bool()>& done) override {
        return lab_->loop.run_until(done, span + patience);
    }
    [[nodiscard]] Duration lease_ttl() const override { return seconds(3); }
    [[nodiscard]] Duration a_long_time() const override { return milliseconds(500); }
    void compact() override {
        std::optional<Result<Revision>> done;
        other_->range("none", [&](const Result<KvRange>& range) {
            REQUIRE(range.has_value());
            other_->compact(range->revision, [&](Result<Revision> answer) { done = answer; });
        });
        REQUIRE(pass_until({}, [&] { return done.has_value(); }));
        REQUIRE(done->has_value());
    }

   private:
    [[nodiscard]] std::unique_ptr<real::EtcdKvStore> connect() {
        auto made = real::EtcdKvStore::create(lab_->loop, lab_->client_options());
        REQUIRE(made.has_value());
        return std::move(*made);
    }

    std::unique_ptr<Lab> lab_;
    std::unique_ptr<real::EtcdKvStore> client_, other_;
};

template <typename Lab>
void contract_over_http(const std::function<Result<std::unique_ptr<Lab>>()>& make) {
    if (const auto probe = make(); !probe) {
        WARN("skipped: " << probe.error().what);
        REQUIRE((probe.error().kind == ErrorKind::unsupported ||
                 probe.error().kind == ErrorKind::not_found));
        return;
    }
    kv_store_contract(
        [&] { return std::make_unique<HttpFixture<Lab>>(std::move(make().value())); });
}

}  // namespace

TEST_CASE("a client of etcd keeps the contract", "[kv]") {
    contract_over_http<EtcdLab>([] { return EtcdLab::make(); });
}

TEST_CASE("a client of our gateway keeps the contract", "[kv]") {
    contract_over_http<GatewayLab>([] { return GatewayLab::make(); });
}
