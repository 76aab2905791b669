// A property for rapidcheck inside a Catch2 test case: always the same cases, and on failure the
// counterexample as Catch2's message. Include it last, as tests/support/catch.h, which it brings
// along.
#pragma once

#include <rapidcheck.h>

#include <sstream>
#include <string>
#include <unordered_map>
#include <utility>

#include "tests/support/catch.h"

namespace overlab::test {

/// rapidcheck's default listener reads its configuration, which announces a random seed that is not
/// used.
class SilentListener final : public rc::detail::TestListener {
   public:
    void onTestCaseFinished(const rc::detail::CaseDescription&) override {}
    void onShrinkTried(const rc::detail::CaseDescription&, bool) override {}
    void onTestFinished(const rc::detail::TestMetadata&, const rc::detail::TestResult&) override {}
};

/// `testable` takes generated arguments and uses RC_ASSERT, or returns bool.
template <typename Testable>
void holds(Testable&& testable, int cases = 300) {
    rc::detail::TestParams params;
    params.seed = 1;
    params.maxSuccess = cases;
    SilentListener listener;
    using Reproductions =
        std::unordered_map<std::string, rc::detail::Reproduce>;  // order-free: empty
    const auto result =
        rc::detail::checkTestable(std::forward<Testable>(testable), rc::detail::TestMetadata{},
                                  params, listener, Reproductions{});
    std::ostringstream message;
    rc::detail::printResultMessage(result, message);
    INFO(message.str());
    REQUIRE(result.template is<rc::detail::SuccessResult>());
}

}  // namespace overlab::test
