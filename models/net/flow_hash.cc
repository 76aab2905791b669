#include "models/net/flow_hash.h"

#include "models/base/check.h"

namespace overlab {

std::uint16_t vxlan_source_port(std::uint64_t inner_hash, std::uint16_t min, std::uint16_t max) {
    CHECK(min < max);
    auto hash = static_cast<std::uint32_t>(inner_hash ^ inner_hash >> 32);
    hash ^= hash << 16;  // as Linux: only the upper half decides the port, so mix the lower one in
    const std::uint64_t range = static_cast<std::uint64_t>(max) - min;
    return static_cast<std::uint16_t>(((hash * range) >> 32) + min);
}

}  // namespace overlab
