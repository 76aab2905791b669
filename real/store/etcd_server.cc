#include "real/store/etcd_server.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string_view>

#include "models/base/check.h"
#include "real/base/event_loop.h"
#include "real/base/fd.h"

namespace overlab::real {
namespace {

constexpr Duration poll_pause = milliseconds(20);
constexpr long health_limit_ms = 1000;

std::string host_port(Ipv4Address address, std::uint16_t port) {
    return fmt::format("{}:{}", address.to_string(), port);
}

/// etcd would say so too, in its log and after a while.
Result<void> check_free(Ipv4Address address, std::uint16_t port) {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int on = 1;
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // as etcd does
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(address.bits);
    // Listening too: two sockets may be bound with SO_REUSEADDR, but one may listen.
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0 &&
        ::listen(fd.get(), 1) == 0)
        return {};
    const int code = errno;
    const std::string where =
        fmt::format("etcd {}: {}", host_port(address, port), std::strerror(code));
    if (code == EADDRINUSE) {
        return fail(ErrorKind::already_exists,
                    where + "; stop what listens there (ss -ltnp) or choose another port", code);
    }
    if (code == EADDRNOTAVAIL) {
        return fail(ErrorKind::invalid_argument,
                    where + "; expected an address of an interface in this namespace", code);
    }
    return fail(ErrorKind::unavailable, where, code);
}

Result<void> check_ports(const EtcdServerOptions& options) {
    std::optional<NetnsScope> there;
    if (options.netns != nullptr) there.emplace(*options.netns);
    for (const std::uint16_t port : {options.port, options.peer_port, options.metrics_port}) {
        if (auto checked = check_free(options.address, port); !checked) return checked;
    }
    return {};
}

std::filesystem::path log_file(const EtcdServerOptions& options) {
    return options.folder / "etcd.log";
}

Command command_of(const EtcdServerOptions& options) {
    const bool tls = !options.cert_file.empty();
    const std::string scheme = tls ? "https://" : "http://";
    const std::string client = scheme + host_port(options.address, options.port);
    const std::string peer = "http://" + host_port(options.address, options.peer_port);
    Command command;
    command.argv = {
        "etcd",
        "--name=overlab",
        "--data-dir=" + (options.folder / "data").string(),
        "--listen-client-urls=" + client,
        "--advertise-client-urls=" + client,
        "--listen-peer-urls=" + peer,
        "--initial-advertise-peer-urls=" + peer,
        "--initial-cluster=overlab=" + peer,
        "--listen-metrics-urls=http://" + host_port(options.address, options.metrics_port),
        "--logger=zap"};
    const auto add = [&](std::string argument) { command.argv.push_back(std::move(argument)); };
    if (!options.fsync) add("--unsafe-no-fsync");
    if (tls) {
        add("--cert-file=" + options.cert_file.string());
        add("--key-file=" + options.key_file.string());
    }
    if (!options.client_ca.empty()) {
        add("--client-cert-auth");
        add("--trusted-ca-file=" + options.client_ca.string());
    }
    for (const std::string& argument : options.arguments) add(argument);
    command.env = options.env;
    command.netns = options.netns;
    command.output = log_file(options);
    return command;
}

std::string last_line(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::string line;
    for (std::string next; std::getline(file, next);) {
        if (!next.empty()) line = next;
    }
    return line;
}

curl_socket_t open_socket(void* context, curlsocktype, curl_sockaddr* address) {
    std::optional<NetnsScope> there;
    if (const auto* netns = static_cast<const Netns*>(context)) there.emplace(*netns);
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t ignore_body(char*, std::size_t size, std::size_t count, void*) { return size * count; }

bool healthy(const EtcdServerOptions& options) {
    const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy(curl_easy_init(),
                                                                   &curl_easy_cleanup);
    CHECK(easy != nullptr);
    const std::string url =
        "http://" + host_port(options.address, options.metrics_port) + "/health";
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, health_limit_ms);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &ignore_body);
    curl_easy_setopt(easy.get(), CURLOPT_OPENSOCKETFUNCTION, &open_socket);
    curl_easy_setopt(easy.get(), CURLOPT_OPENSOCKETDATA, options.netns);
    long status = 0;
    if (curl_easy_perform(easy.get()) != CURLE_OK) return false;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    return status == 200;
}

Result<void> wait_healthy(const EtcdServerOptions& options, Process& process, Duration limit) {
    const std::int64_t deadline = EventLoop::monotonic_ns() + limit.ns;
    while (!healthy(options)) {
        if (const auto ended = process.wait(poll_pause)) {
            return fail(
                ErrorKind::unavailable,
                fmt::format("etcd: ended at its start with {}: {} (log: {})", ended->to_string(),
                            last_line(log_file(options)), log_file(options).string()));
        }
        if (EventLoop::monotonic_ns() < deadline) continue;
        return fail(ErrorKind::unavailable,
                    fmt::format("etcd {}: not healthy within {} s: {}",
                                host_port(options.address, options.port), limit.ns / 1'000'000'000,
                                last_line(log_file(options))));
    }
    return {};
}

}  // namespace

Result<EtcdServer> EtcdServer::start(const EtcdServerOptions& options, Duration limit) {
    if (auto checked = check_ports(options); !checked) return std::unexpected(checked.error());
    const Command command = command_of(options);
    OVERLAB_TRY(Process process, Process::start(command));
    if (auto ready = wait_healthy(options, process, limit); !ready)
        return std::unexpected(ready.error());
    const std::string scheme = options.cert_file.empty() ? "http://" : "https://";
    return EtcdServer(std::move(process), scheme + host_port(options.address, options.port));
}

}  // namespace overlab::real
