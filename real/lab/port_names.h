// Port names: what the interfaces at the ends of links are called.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "models/scenario/scenario.h"

namespace overlab::real {

inline constexpr std::string_view switch_bridge = "bridge+";  ///< no node may be called that
inline constexpr std::string_view pod_bridge = "cni0";
inline constexpr std::string_view host_port = "eth0";

/// By link: the interface's name at end a and at end b. A host's is eth0; a switch's or router's is
/// the peer's name, or `link+ID` where that is longer than the kernel allows (15 octets), is not
/// the only one there, or means something else to the kernel.
[[nodiscard]] std::vector<std::array<std::string, 2>> port_names(const Underlay& underlay);

}  // namespace overlab::real
