#include "real/netlink/wireguard_key_pair.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <nettle/curve25519.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "models/base/check.h"
#include "real/base/fd.h"

namespace overlab::real {
namespace {

std::unexpected<Error> file_error(const std::filesystem::path& file, std::string_view what) {
    const int error = errno;
    return fail(
        ErrorKind::unavailable,
        fmt::format("WireGuard key file {}: {}: {}", file.string(), what, std::strerror(error)),
        error);
}

Result<WireguardKey> draw_private_key() {
    WireguardKey key;
    const ssize_t drawn = getrandom(key.bytes.data(), key.bytes.size(), 0);
    if (drawn != static_cast<ssize_t>(key.bytes.size())) {
        const int error = errno;
        return fail(ErrorKind::unavailable,
                    fmt::format("WireGuard key: getrandom: {}", std::strerror(error)), error);
    }
    // RFC 7748 §5: what decodeScalar25519 would make of it anyway.
    key.bytes[0] &= 248U;
    key.bytes[31] = static_cast<std::uint8_t>((key.bytes[31] & 127U) | 64U);
    return key;
}

/// Nothing if there is no such file.
Result<std::optional<WireguardKey>> read_key(const std::filesystem::path& file) {
    const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid() && errno == ENOENT) return std::nullopt;
    if (!fd.valid()) return file_error(file, "cannot be read");
    std::string text(64, '\0');
    const ssize_t length = read(fd.get(), text.data(), text.size());
    if (length < 0) return file_error(file, "cannot be read");
    text.resize(static_cast<std::size_t>(length));
    while (text.ends_with('\n')) text.pop_back();
    const Result<WireguardKey> key = WireguardKey::parse(text);
    if (key) return *key;
    return fail(ErrorKind::invalid_argument,
                fmt::format("WireGuard key file {}: holds no key; remove it to get a new one",
                            file.string()));
}

/// A whole file or none: under another name first.
Result<void> write_key(const std::filesystem::path& file, const WireguardKey& key) {
    const std::string draft = file.string() + ".new";
    const Fd fd(open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return file_error(file, "cannot be written");
    const std::string text = key.to_string() + '\n';
    const bool written =
        fchmod(fd.get(), 0600) == 0 &&
        write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        fsync(fd.get()) == 0 && rename(draft.c_str(), file.c_str()) == 0;
    if (written) return {};
    const auto error = file_error(file, "cannot be written");
    (void)unlink(draft.c_str());  // What is left of it is truncated by the next attempt.
    return error;
}

}  // namespace

WireguardKeyPair WireguardKeyPair::of(const WireguardKey& private_key) {
    static_assert(CURVE25519_SIZE == sizeof(private_key.bytes));
    WireguardKeyPair pair{private_key, {}};
    curve25519_mul_g(pair.public_key.bytes.data(), private_key.bytes.data());
    return pair;
}

Result<WireguardKeyPair> WireguardKeyPair::load_or_create(const std::filesystem::path& file) {
    OVERLAB_TRY(const std::optional<WireguardKey> known, read_key(file));
    if (known) return of(*known);
    OVERLAB_TRY(const WireguardKey drawn, draw_private_key());
    const Result<void> written = write_key(file, drawn);
    if (!written) return std::unexpected(written.error());
    return of(drawn);
}

}  // namespace overlab::real
