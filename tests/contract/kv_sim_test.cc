// The client whose calls travel in simulated packets keeps the same contract.
#include <memory>

#include "tests/contract/kv_store_contract.h"
#include "tests/support/kv_cluster.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

class SimKvFixture final : public KvFixture {
   public:
    explicit SimKvFixture(const sim::SimKvServerOptions& options = {}) : cluster_(1, options) {
        cluster_.add_client();
        cluster_.add_client();
    }

    KvStore& client() override { return *cluster_.clients[0]; }
    KvStore& other_client() override { return *cluster_.clients[1]; }
    void destroy_client() override { cluster_.clients[0].reset(); }
    void pass(Duration span) override { REQUIRE(cluster_.runtime.run_for(span)); }
    void compact() override {
        REQUIRE(cluster_.server.compact(cluster_.server.store().revision()).has_value());
    }

   private:
    KvCluster cluster_;
};

}  // namespace

TEST_CASE("a client over packets keeps the contract", "[kv]") {
    kv_store_contract([] { return std::make_unique<SimKvFixture>(); });
}

TEST_CASE("a client of three members keeps the contract", "[kv]") {
    kv_store_contract([] {
        return std::make_unique<SimKvFixture>(sim::SimKvServerOptions::from({.members = 3}));
    });
}
