#include "cli/digest.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <array>
#include <cstdint>
#include <fstream>

namespace overlab::cli {
namespace {

class Sha256 {
   public:
    Sha256() { nettle_sha256_init(&context_); }

    void add(const char* data, std::size_t size) {
        nettle_sha256_update(&context_, size, reinterpret_cast<const std::uint8_t*>(data));
    }

    [[nodiscard]] std::string hex() {
        std::array<std::uint8_t, SHA256_DIGEST_SIZE> digest{};
        nettle_sha256_digest(&context_, digest.size(), digest.data());
        std::string text;
        for (const std::uint8_t byte : digest) text += fmt::format("{:02x}", byte);
        return text;
    }

   private:
    sha256_ctx context_{};
};

}  // namespace

std::string sha256(std::string_view bytes) {
    Sha256 hash;
    hash.add(bytes.data(), bytes.size());
    return hash.hex();
}

Result<std::string> file_sha256(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    Sha256 hash;
    std::array<char, 65536> block{};
    while (file.read(block.data(), block.size()) || file.gcount() > 0) {
        hash.add(block.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (!file.eof()) return fail(ErrorKind::unavailable, path + ": cannot be read");
    return hash.hex();
}

Result<std::string> program_sha256() { return file_sha256("/proc/self/exe"); }

}  // namespace overlab::cli
