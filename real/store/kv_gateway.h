// KvGateway: serves any KvStore as the part of etcd v3's JSON gateway that EtcdKvStore uses, over
// HTTP (libevent's evhttp). With the in-memory store behind it, a run needs no etcd.
#pragma once

#include <cstdint>
#include <memory>

#include "models/net/address.h"
#include "models/ports/kv_store.h"
#include "real/base/event_loop.h"

namespace overlab::real {

class KvGateway {
   public:
    /// Listens in the calling thread's namespace; port 0 picks a free one. `store` must outlive the
    /// gateway. Errors: already_exists (the port is in use, with the remedy), unavailable.
    [[nodiscard]] static Result<std::unique_ptr<KvGateway>> listen(EventLoop& loop, KvStore& store,
                                                                   Ipv4Address address,
                                                                   std::uint16_t port);
    ~KvGateway();
    [[nodiscard]] std::uint16_t port() const;

   private:
    class Impl;
    explicit KvGateway(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
