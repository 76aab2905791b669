// Any bytes are either a cost profile or an error; a profile's costs never overflow.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "models/base/check.h"
#include "models/cost/cost_profile.h"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto profile = overlab::parse_cost_profile(text);
    if (!profile) {
        CHECK(profile.error().what.starts_with("cost profile: /"));
        return 0;
    }
    for (std::size_t i = 0; i < overlab::cost_stage_count; ++i) {
        CHECK(profile->cost_ns(static_cast<overlab::CostStage>(i), 65535, 65535) >= 0);
    }
    return 0;
}
