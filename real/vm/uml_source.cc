#include "real/vm/uml_source.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "real/base/process.h"

namespace overlab::real {
namespace {

namespace fs = std::filesystem;

constexpr const char* package = "linux-source-6.1";
constexpr const char* installed_tarball = "/usr/src/linux-source-6.1.tar.xz";

/// Folders whose code User-mode Linux cannot use, the large ones: hardware of other machines, and
/// what no kernel is made of. Only sources are left out: Kconfig and Makefile of every folder are
/// read whatever is built.
constexpr std::array unused_folders{
    "Documentation", "sound", "samples", "tools/perf", "tools/testing", "include/dt-bindings",
    // Of arch/, um needs itself and x86.
    "arch/alpha", "arch/arc", "arch/arm", "arch/arm64", "arch/csky", "arch/hexagon", "arch/ia64",
    "arch/loongarch", "arch/m68k", "arch/microblaze", "arch/mips", "arch/nios2", "arch/openrisc",
    "arch/parisc", "arch/powerpc", "arch/riscv", "arch/s390", "arch/sh", "arch/sparc",
    "arch/xtensa",
    // No bus, no devices.
    "drivers/clk", "drivers/crypto", "drivers/gpu", "drivers/hwmon", "drivers/iio",
    "drivers/infiniband", "drivers/media", "drivers/mtd", "drivers/net/can", "drivers/net/dsa",
    "drivers/net/ethernet", "drivers/net/phy", "drivers/net/usb", "drivers/net/wireless",
    "drivers/pinctrl", "drivers/scsi", "drivers/staging", "drivers/usb", "drivers/video"};
constexpr std::array unused_files{"*.[chS]", "*.dts*", "*.rst", "*.txt", "*.yaml", "*.json"};

std::string makefile_of(const fs::path& tarball) {
    // Stops reading at the first match, which is near the archive's beginning.
    const Result<std::string> text =
        output_of({.argv = {"tar", "-xO", "-I", "xz -T0", "-f", tarball, "--occurrence=1",
                            "--wildcards", "--no-wildcards-match-slash", "*/Makefile"},
                   .env = {{"LC_ALL", "C"}}},
                  minutes(1));
    return text.value_or("");
}

Result<UmlSource> source_in(const fs::path& tarball) {
    if (::access(tarball.c_str(), R_OK) != 0)
        return fail(ErrorKind::not_found, fmt::format("{}: cannot be read", tarball.string()));
    std::string version = kernel_version_in(makefile_of(tarball));
    if (version.empty())
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: not a kernel's source as .tar.xz", tarball.string()));
    return UmlSource{.version = std::move(version), .tarball = fs::absolute(tarball)};
}

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(" \n") + 1);
    return text;
}

/// Of the version that is installed, or else that apt would install. Empty: none.
std::string installed_version() {
    const Result<std::string> said =
        output_of({.argv = {"dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package}});
    constexpr std::string_view installed = "installed ";
    return said && said->starts_with(installed) ? trimmed(said->substr(installed.size())) : "";
}

std::string candidate_version() {
    const Result<std::string> said =
        output_of({.argv = {"apt-cache", "show", "--no-all-versions", package}}, minutes(1));
    constexpr std::string_view field = "\nVersion: ";
    if (!said || !said->contains(field)) return "";
    const std::size_t start = said->find(field) + field.size();
    return said->substr(start, said->find('\n', start) - start);
}

}  // namespace

std::string kernel_version_in(std::string_view makefile) {
    std::string version;
    for (const std::string_view field : {"VERSION", "PATCHLEVEL", "SUBLEVEL"}) {
        const std::string wanted = fmt::format("\n{} = ", field);
        const std::size_t at = fmt::format("\n{}", makefile).find(wanted);
        if (at == std::string::npos) return "";
        // Found in a copy that is longer by its first line break.
        std::string_view number = makefile.substr(at + wanted.size() - 1);
        number = number.substr(0, number.find_first_not_of("0123456789"));
        if (number.empty()) return "";
        version += fmt::format("{}{}", version.empty() ? "" : ".", number);
    }
    return version;
}

Result<UmlSource> find_uml_source(const fs::path& tarball) {
    if (!tarball.empty()) return source_in(tarball);
    if (::access(installed_tarball, R_OK) == 0) {
        if (std::string version = installed_version(); !version.empty())
            return UmlSource{.version = std::move(version), .tarball = installed_tarball};
        return source_in(installed_tarball);
    }
    std::string version = candidate_version();
    if (version.empty()) {
        return fail(ErrorKind::not_found,
                    fmt::format("{}: neither installed nor in apt's lists; apt-get update && "
                                "apt-get install {}, or name a tarball with --source",
                                package, package));
    }
    return UmlSource{.version = std::move(version), .tarball = {}};
}

fs::path uml_tree(const fs::path& work) { return work / "source"; }

fs::path fetched_tarball(const fs::path& work) { return work / "linux-source-6.1.tar.xz"; }

std::vector<std::string> fetch_command(const fs::path& work) {
    constexpr const char* script = R"sh(
set -e
cd "$1"
rm -rf package *.deb
apt-get -q download "$2"
dpkg-deb -x "$2"_*.deb package
mv package/usr/src/"$2".tar.xz .
rm -rf package *.deb
)sh";
    return {"sh", "-c", script, "fetch", work, package};
}

std::vector<std::string> unpack_command(const fs::path& tarball, const fs::path& work) {
    constexpr const char* script = R"sh(
set -e
cd "$1"
archive=$2 tree=$3
shift 3
rm -rf unpacking
mkdir unpacking
tar -x -I 'xz -T0' -f "$archive" -C unpacking --strip-components=1 --anchored "$@"
mv unpacking "$tree"
)sh";
    std::vector<std::string> argv{"sh", "-c", script, "unpack", work, tarball, uml_tree(work)};
    for (const char* folder : unused_folders) {
        for (const char* files : unused_files) {
            // The archive's one top folder: linux-source-6.1, linux-6.1.192.
            argv.push_back(fmt::format("--exclude=linux-*/{}/{}", folder, files));
        }
    }
    return argv;
}

}  // namespace overlab::real
