// The contract of KvStore (models/ports/kv_store.h), run against every implementation: what a lease
// store may rely on in any world. Each world's test gives a factory and calls kv_store_contract()
// in one TEST_CASE. etcd's rules themselves are MvccStore's tests; here is what a client sees of
// them.
#pragma once

#include <functional>
#include <memory>

#include "models/ports/kv_store.h"
#include "models/ports/runtime.h"

namespace overlab::test {

/// An empty store and a client of it, alive as long as the fixture.
class KvFixture {
   public:
    virtual ~KvFixture() = default;
    [[nodiscard]] virtual KvStore& client() = 0;
    /// A second client of the same store.
    [[nodiscard]] virtual KvStore& other_client() = 0;
    /// Destroys client(). At most once.
    virtual void destroy_client() = 0;
    /// Lets `span` pass.
    virtual void pass(Duration span) = 0;
    /// Lets `span` pass and tells whether `done` holds then. A world in real time, where the store
    /// shares a busy machine, ends as soon as it holds, and waits much longer if it does not.
    [[nodiscard]] virtual bool pass_until(Duration span, const std::function<bool()>& done) {
        pass(span);
        return done();
    }
    /// Whole seconds; short where they are real.
    [[nodiscard]] virtual Duration lease_ttl() const { return seconds(10); }
    /// Long enough for anything that is still under way.
    [[nodiscard]] virtual Duration a_long_time() const { return minutes(1); }
    /// As an operator: compacts at the store's present revision.
    virtual void compact() = 0;
};

using KvFactory = std::function<std::unique_ptr<KvFixture>()>;

/// Runs the suite, each part on a fresh fixture. Uses SECTIONs: call it last in a TEST_CASE.
void kv_store_contract(const KvFactory& make);

}  // namespace overlab::test
