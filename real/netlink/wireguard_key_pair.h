// WireguardKeyPair: the key of this host's WireGuard device. The private half lives in a file of
// mode 0600 and in the kernel; no row, message or log has it.
#pragma once

#include <filesystem>

#include "models/base/error.h"
#include "models/net/wireguard_key.h"

namespace overlab::real {

struct WireguardKeyPair {
    WireguardKey private_key, public_key;

    /// Curve25519 (RFC 7748 §6.1).
    [[nodiscard]] static WireguardKeyPair of(const WireguardKey& private_key);
    /// The key in `file`, or a new one that is in it afterwards, as flannel keeps its wgkey: a host
    /// that starts again is the same peer. The form is that of `wg genkey`. Errors: unavailable
    /// (with errno: the file cannot be read or written), invalid_argument (it holds no key).
    [[nodiscard]] static Result<WireguardKeyPair> load_or_create(const std::filesystem::path& file);
};

}  // namespace overlab::real
