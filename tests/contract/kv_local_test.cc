// The direct client keeps the contract that the client over simulated packets keeps.
#include <memory>

#include "models/store/local_kv_store.h"
#include "tests/contract/kv_store_contract.h"
#include "tests/support/virtual_runtime.h"

#include "tests/support/catch.h"

using namespace overlab;
using namespace overlab::test;

namespace {

class LocalFixture final : public KvFixture {
   public:
    explicit LocalFixture(Duration latency)
        : client_(std::make_unique<LocalKvStore>(runtime_, server_, latency)),
          other_(runtime_, server_, latency) {}

    KvStore& client() override { return *client_; }
    KvStore& other_client() override { return other_; }
    void destroy_client() override { client_.reset(); }
    void pass(Duration span) override { REQUIRE(runtime_.run_for(span)); }
    void compact() override {
        const auto done =
            server_.apply([](MvccStore& s, Instant) { return s.compact(s.revision()); });
        REQUIRE(done.has_value());
    }

   private:
    VirtualRuntime runtime_;
    LocalKvServer server_{runtime_};
    std::unique_ptr<LocalKvStore> client_;
    LocalKvStore other_;
};

}  // namespace

TEST_CASE("a direct client keeps the contract", "[kv]") {
    kv_store_contract([] { return std::make_unique<LocalFixture>(Duration{}); });
}

TEST_CASE("a direct client with latency keeps the contract", "[kv]") {
    kv_store_contract([] { return std::make_unique<LocalFixture>(milliseconds(20)); });
}
