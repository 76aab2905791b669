#include "real/vm/guest_kernel.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

#include "real/base/process.h"
#include "real/vm/files.h"
#include "real/vm/guest_init.h"
#include "real/vm/user_cache.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

/// Part of the folder's name: raised when what we make of a kernel changes.
constexpr int layout = 1;
fs::path folder_in(const fs::path& cache) { return cache / fmt::format("guest-kernel-{}", layout); }

struct Source {
    fs::path image, modules;
    std::string version;
};

bool has_9p(const fs::path& modules) {
    const std::string module = modules / "kernel/net/9p/9pnet_virtio.ko";
    return fs::exists(module) || fs::exists(module + ".xz") || fs::exists(module + ".zst");
}

/// The newest kernel below `root` (`/`, or an unpacked package) that a guest can use.
std::optional<Source> newest_source(const fs::path& root) {
    std::vector<Source> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(root / "lib/modules", ignored)) {
        Source source{.image = root / "boot" / ("vmlinuz-" + entry.path().filename().string()),
                      .modules = entry.path(),
                      .version = entry.path().filename()};
        if (::access(source.image.c_str(), R_OK) == 0 && has_9p(source.modules))
            found.push_back(std::move(source));
    }
    const auto older = [](const Source& a, const Source& b) {
        return ::strverscmp(a.version.c_str(), b.version.c_str()) < 0;
    };
    const auto newest = std::ranges::max_element(found, older);
    return newest == found.end() ? std::nullopt : std::optional(*newest);
}

std::uint32_t u32_at(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);  // x86: the header is little-endian.
    return value;
}

/// The compressed kernel inside a bzImage; empty if this is none. Linux
/// Documentation/arch/x86/boot.rst, protocol 2.08: payload_offset, payload_length, relative to the
/// end of the setup sectors; the payload's last four bytes are its length unpacked.
std::string_view payload_of(std::string_view image) {
    constexpr std::size_t header_end = 0x250;
    if (image.size() < header_end || image.substr(0x202, 4) != "HdrS") return {};
    const auto sectors = static_cast<unsigned char>(image[0x1f1]);
    const std::size_t start = (sectors + 1U) * 512U + u32_at(image, 0x248);
    const std::size_t length = u32_at(image, 0x24c);
    if (start > image.size() || length < 4 || length > image.size() - start) return {};
    return image.substr(start, length - 4);
}

/// The command that unpacks this; empty if we know of none. busybox's own xz cannot: kernels are
/// packed with a filter for x86 code.
std::vector<std::string> unpacker_for(std::string_view packed) {
    if (packed.starts_with("\xfd"
                           "7zXZ"))
        return {"xz", "-dcq"};
    if (packed.starts_with("\x1f\x8b")) return {"gzip", "-dcq"};
    if (packed.starts_with("\x28\xb5\x2f\xfd")) return {"zstd", "-dcq"};
    return {};
}

/// The kernel proper: booting that saves the guest its decompression, 3 s under TCG. False where
/// it cannot be had; the bzImage does too.
bool extract_elf(const fs::path& image, const fs::path& to) {
    const std::string bytes = read_file(image);
    const std::string_view payload = payload_of(bytes);
    std::vector<std::string> argv = unpacker_for(payload);
    if (argv.empty()) return false;
    const fs::path packed = to.string() + ".packed";
    if (!write_file(packed, payload)) return false;
    argv.push_back(packed);
    std::error_code ignored;
    fs::remove(to, ignored);
    auto process = Process::start({.argv = argv, .output = to, .error = "/dev/null"});
    const auto status = process ? process->wait(minutes(1)) : std::nullopt;
    const bool good = status && status->clean() &&
                      read_file(to).starts_with(
                          "\x7f"
                          "ELF");
    fs::remove(packed, ignored);
    return good;
}

Result<void> pack_initramfs(const Source& source, const fs::path& folder,
                            const std::string& busybox) {
    const fs::path init = folder / "init";
    if (auto written = write_file(init, guest_scripts::initramfs_init); !written) return written;
    const Result<std::string> done = output_of(
        {.argv = {busybox, "sh", "-c", std::string(guest_scripts::pack_initramfs), "initramfs",
                  source.modules, source.version, folder / "initramfs.cpio", busybox, init}},
        minutes(5));
    if (!done) return std::unexpected(done.error());
    return {};
}

GuestKernel kernel_at(const fs::path& folder) {
    std::string version = read_file(folder / "version");
    return {.image = folder / "image",
            .initramfs = folder / "initramfs.cpio",
            .version = std::move(version)};
}

/// Into a folder beside the final one, which then takes its place: never half a kernel.
Result<GuestKernel> make_kernel(const Source& source, const fs::path& cache,
                                const std::string& stamp) {
    const fs::path busybox = find_program("busybox");
    if (busybox.empty())
        return fail(ErrorKind::not_found, "busybox: not installed; apt-get install busybox-static");
    const fs::path folder = folder_in(cache);
    const fs::path fresh = folder.string() + fmt::format(".new-{}", ::getpid());
    std::error_code code;
    fs::remove_all(fresh, code);
    fs::create_directories(fresh, code);
    if (!code && !extract_elf(source.image, fresh / "image"))
        fs::copy_file(source.image, fresh / "image", fs::copy_options::overwrite_existing, code);
    if (code)
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", fresh.string(), code.message()));
    if (auto packed = pack_initramfs(source, fresh, busybox); !packed) {
        fs::remove_all(fresh, code);
        return std::unexpected(packed.error());
    }
    (void)write_file(fresh / "version", source.version);  // A lost one only shows in messages.
    (void)write_file(fresh / "stamp", stamp);             // A lost one means making it once more.
    fs::remove_all(folder, code);
    fs::rename(fresh, folder, code);
    if (code)
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", folder.string(), code.message()));
    return kernel_at(folder);
}

constexpr const char* fetched = "fetched";

}  // namespace

Result<GuestKernel> find_guest_kernel(const fs::path& cache) {
    const fs::path folder = folder_in(cache);
    const std::string stamp = read_file(folder / "stamp");
    if (stamp == fetched) return kernel_at(folder);
    const std::optional<Source> source = newest_source("/");
    if (!source)
        return fail(ErrorKind::not_found, "no kernel with 9p modules in /boot and /lib/modules");
    const std::string wanted = identity_of(source->image);
    if (stamp == wanted) return kernel_at(folder);
    return make_kernel(*source, cache, wanted);
}

Result<GuestKernel> fetch_guest_kernel(const fs::path& cache) {
    const fs::path work = cache / fmt::format("fetch-{}", ::getpid());
    std::error_code code;
    fs::create_directories(work / "tree", code);
    if (code)
        return fail(ErrorKind::unavailable, fmt::format("{}: {}", work.string(), code.message()));
    struct Cleanup {
        fs::path folder;
        ~Cleanup() {
            std::error_code ignored;  // It is in a cache folder and has our name on it.
            fs::remove_all(folder, ignored);
        }
    } const cleanup{work};
    // The meta package names the one with the kernel; apt's names are the user's own archive's.
    constexpr const char* script = R"sh(
set -e
cd "$1"
name=$(apt-cache depends --no-recommends --no-suggests linux-image-amd64 |
    sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\)$/\1/p' | head -n 1)
[ -n "$name" ] || { echo "linux-image-amd64: not in the package lists; apt-get update"; exit 1; }
apt-get -q download "$name" 2>&1
dpkg-deb -x "$name"*.deb tree
rm -f "$name"*.deb
)sh";
    OVERLAB_TRY([[maybe_unused]] const std::string log,
                output_of({.argv = {"sh", "-c", script, "fetch", work}}, minutes(10)));
    const std::optional<Source> source = newest_source(work / "tree");
    if (!source) {
        return fail(ErrorKind::unavailable,
                    "linux-image-amd64: the package has no kernel with 9p modules");
    }
    return make_kernel(*source, cache, fetched);
}

}  // namespace overlab::real
