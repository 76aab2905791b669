#include "real/world/store_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "models/store/kv_lease_store.h"
#include "models/store/local_kv_store.h"
#include "real/store/etcd_kv_store.h"
#include "real/store/kv_gateway.h"

namespace overlab::real {
namespace {

constexpr std::uint16_t client_port = 2379;
constexpr Duration write_limit = seconds(5);

/// The embedded store's process: says `ok` or what is wrong through `ready`, then serves for ever.
int serve(Ipv4Address address, int ready) {
    EventLoop loop;
    LocalKvServer server(loop);
    LocalKvStore store(loop, server);
    const auto gateway = KvGateway::listen(loop, store, address, client_port);
    const std::string answer = gateway ? "ok" : gateway.error().what;
    if (::write(ready, answer.data(), answer.size()) < 0 || !gateway) return 2;
    ::close(ready);
    loop.run();
    return 0;
}

Result<Process> start_embedded(const Netns& netns, Ipv4Address address) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        return fail(ErrorKind::unavailable, fmt::format("pipe: {}", std::strerror(errno)), errno);
    const Fd from(ends[0]);
    Fd to(ends[1]);
    OVERLAB_TRY(Process process, Process::fork([&] { return serve(address, to.get()); }, &netns));
    to.close();
    std::array<char, 512> text{};
    const ssize_t size = ::read(from.get(), text.data(), text.size());
    const std::string_view answer(text.data(),
                                  static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    if (answer != "ok")
        return fail(ErrorKind::unavailable, fmt::format("embedded store: {}", answer));
    return process;
}

Result<void> write_config(const std::string& endpoint, const Netns& netns,
                          const std::string& network_json) {
    EventLoop loop;
    OVERLAB_TRY(const auto client,
                EtcdKvStore::create(loop, {.endpoints = {endpoint}, .netns = &netns}));
    std::optional<Result<KvTxnResult>> outcome;
    client->txn(
        {.puts = {{.key = KvLeaseStoreOptions{}.prefix + "/config", .value = network_json}}},
        [&](Result<KvTxnResult> result) { outcome = std::move(result); });
    if (!loop.run_until([&] { return outcome.has_value(); }, write_limit))
        return fail(ErrorKind::unavailable, fmt::format("store {}: no answer", endpoint));
    if (!*outcome) return std::unexpected(outcome->error());
    return {};
}

/// Go collects garbage every two minutes, needed or not, so at every look of an etcd that dozes: by
/// far the dearest part of it. Instead: when there is some.
std::map<std::string, std::string> environment(const StorePlace& place) {
    if (!place.will_doze) return {};
    return {{"GOGC", "off"}, {"GOMEMLIMIT", "256MiB"}};
}

}  // namespace

Result<StoreService> StoreService::start(StoreSpec::Kind kind, const StorePlace& place,
                                         const std::string& network_json) {
    StoreService service;
    if (kind == StoreSpec::Kind::etcd) {
        OVERLAB_TRY(service.etcd_, EtcdServer::start({.netns = place.netns,
                                                      .address = place.address,
                                                      .port = client_port,
                                                      .folder = place.folder,
                                                      .env = environment(place)}));
        service.endpoint_ = service.etcd_->endpoint();
    } else {
        OVERLAB_TRY(auto process, start_embedded(*place.netns, place.address));
        service.embedded_.emplace(std::move(process));
        service.endpoint_ = fmt::format("http://{}:{}", place.address.to_string(), client_port);
    }
    if (auto written = write_config(service.endpoint_, *place.netns, network_json); !written)
        return std::unexpected(written.error());
    return service;
}

Result<void> StoreService::doze(const StorePlace& place, Duration look_every) {
    if (!etcd_) return {};
    OVERLAB_TRY(doze_, EtcdDoze::start(etcd_->process(), *place.netns, client_port, look_every));
    return {};
}

void StoreService::signal(int number) {
    if (embedded_) embedded_->signal(number);
    if (etcd_) etcd_->process().signal(number);
}

}  // namespace overlab::real
