#include "real/ike/charon.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "real/base/event_loop.h"
#include "real/base/fd.h"
#include "real/ike/vici_client.h"

namespace overlab::real {
namespace {

/// How long to let the daemon be between two attempts to reach it; it starts in some 20 ms.
constexpr Duration patience = milliseconds(5);

/// Where Debian's strongSwan looks for plugins, whoever starts it.
constexpr const char* plugin_folder = "/usr/lib/ipsec/plugins";

Result<void> write_private(const std::filesystem::path& path, std::string_view text) {
    const Fd file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.valid() &&
        ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size())) {
        return {};
    }
    const int code = errno;
    return fail(ErrorKind::unavailable, fmt::format("{}: {}", path.string(), std::strerror(code)),
                code);
}

/// The last line of the log or, if it did not come that far, of what the daemon printed.
std::string last_words(const std::filesystem::path& folder) {
    std::string last = "no log";
    for (const char* name : {"charon.out", "charon.log"}) {
        std::ifstream file(folder / name);
        for (std::string line; std::getline(file, line);) {
            if (!line.empty()) last = line;
        }
    }
    return last;
}

bool has_plugin(std::string_view name) {
    return ::access(fmt::format("{}/libstrongswan-{}.so", plugin_folder, name).c_str(), R_OK) == 0;
}

}  // namespace

std::string charon_configuration(const std::filesystem::path& folder) {
    // Plugins by name: the machine's own configuration is not read, and what is not named here
    // (resolve, updown, bypass-lan, attr) would change the host. openssl, where installed, brings
    // elliptic curves and faster modp4096.
    constexpr std::string_view text = R"(charon-systemd {{
  load = random nonce openssl aes sha1 sha2 hmac kdf gmp kernel-netlink socket-default vici
  # Four threads wait for sockets, timers and the kernel; the others work.
  threads = 8
  install_routes = no
  install_virtual_ip = no
  plugins {{
    vici {{
      socket = unix://{0}/vici
    }}
  }}
  journal {{
    default = -1
  }}
  filelog {{
    log {{
      path = {0}/charon.log
      # Levels 3 and 4 print raw and private data.
      default = 1
      enc = 0
      net = 0
      ike_name = yes
      flush_line = yes
    }}
  }}
}}
)";
    return fmt::format(text, folder.string());
}

Result<Charon> Charon::start(const CharonOptions& options, Duration limit) {
    // The daemon takes paths as they are, and words of its configuration end at a space.
    const std::filesystem::path folder = std::filesystem::absolute(options.folder);
    if (folder.string().find_first_of(" \t\n#{}=\"") != std::string::npos) {
        return fail(ErrorKind::invalid_argument,
                    fmt::format("{}: the IKE daemon cannot live in a folder whose name has spaces, "
                                "#, {{, }}, = or quotes",
                                folder.string()));
    }
    const std::filesystem::path configuration = folder / "strongswan.conf";
    if (auto done = write_private(configuration, charon_configuration(folder)); !done) {
        return std::unexpected(done.error());
    }
    std::error_code ignored;  // What a daemon before us left; if it stays, it does not answer.
    std::filesystem::remove(folder / "vici", ignored);
    OVERLAB_TRY(Process process, Process::start({.argv = {"charon-systemd"},
                                                 .env = {{"STRONGSWAN_CONF", configuration}},
                                                 .netns = options.netns,
                                                 .output = folder / "charon.out",
                                                 .error = {}}));
    Charon charon(std::move(process), folder);
    const std::int64_t deadline = EventLoop::monotonic_ns() + limit.ns;
    for (;;) {
        auto client = ViciClient::connect(charon.socket(), limit);
        if (client && client->request("version")) return charon;
        if (!client && client.error().kind == ErrorKind::invalid_argument) {
            return std::unexpected(client.error());
        }
        if (const auto ended = charon.process_.wait(patience)) {
            const std::string gaps = charon_gaps().starting;
            return fail(ErrorKind::unavailable,
                        fmt::format("charon-systemd: {}: {}", ended->to_string(),
                                    gaps.empty() ? last_words(folder) : gaps));
        }
        if (EventLoop::monotonic_ns() >= deadline) {
            return fail(ErrorKind::unavailable,
                        fmt::format("charon-systemd: does not answer within {} ms: {}",
                                    limit.ns / 1'000'000, last_words(folder)));
        }
    }
}

CharonGaps charon_gaps() {
    CharonGaps gaps;
    if (find_program("charon-systemd").empty()) {
        gaps.starting = "charon-systemd: not installed; apt-get install charon-systemd";
    } else if (!has_plugin("vici")) {
        gaps.starting = "charon-systemd has no vici plugin; apt-get install strongswan-swanctl";
    } else if (!has_plugin("kernel-netlink") || !has_plugin("gmp")) {
        gaps.starting =
            "charon-systemd has no kernel-netlink or gmp plugin; "
            "apt-get install libstrongswan";
    }
    if (!has_plugin("openssl")) {
        gaps.rekeying =
            "strongSwan has no openssl plugin: a proposal with ecp256, flannel's default, works "
            "until its first rekeying after an hour; apt-get install "
            "libstrongswan-standard-plugins";
    }
    return gaps;
}

}  // namespace overlab::real
