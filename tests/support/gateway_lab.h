// Our gateway to the in-memory store, in a namespace of its own.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "models/store/local_kv_store.h"
#include "real/base/netns.h"
#include "real/store/etcd_kv_store.h"
#include "real/store/kv_gateway.h"

namespace overlab::test {

class GatewayLab {
   public:
    /// Errors: those of Netns::create (unsupported: a test skips with the message).
    [[nodiscard]] static Result<std::unique_ptr<GatewayLab>> make() {
        OVERLAB_TRY(real::Netns netns, real::Netns::create());
        auto lab = std::unique_ptr<GatewayLab>(new GatewayLab(std::move(netns)));
        if (auto opened = lab->open(); !opened) return std::unexpected(opened.error());
        return lab;
    }

    [[nodiscard]] Result<void> open(std::uint16_t port = 0) {
        const real::NetnsScope there(netns);
        const Ipv4Address loopback = Ipv4Address::parse("127.0.0.1").value();
        OVERLAB_TRY(gateway, real::KvGateway::listen(loop, store, loopback, port));
        gateway->allow_compaction([this](Revision at) -> Result<Revision> {
            return server.apply([at](MvccStore& mvcc, Instant) -> Result<Revision> {
                if (auto done = mvcc.compact(at); !done) return std::unexpected(done.error());
                return mvcc.revision();
            });
        });
        return {};
    }
    [[nodiscard]] real::EtcdOptions client_options() const {
        real::EtcdOptions out;
        out.endpoints = {"http://127.0.0.1:" + std::to_string(gateway->port())};
        out.netns = &netns;
        return out;
    }

    real::EventLoop loop;
    real::Netns netns;
    LocalKvServer server{loop};
    LocalKvStore store{loop, server};
    std::unique_ptr<real::KvGateway> gateway;

   private:
    explicit GatewayLab(real::Netns in) : netns(std::move(in)) {}
};

}  // namespace overlab::test
