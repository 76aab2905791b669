// TableIke: the simulated half's IKE daemon in a cross-check: a connection has the SAs that
// fixed_sas() says, as soon as it is loaded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "models/crosscheck/fixed_sas.h"
#include "models/forwarding/tables.h"
#include "models/ports/ike_daemon.h"

namespace overlab {

class TableIke final : public IkeDaemon {
   public:
    /// `tables` must outlive the daemon.
    explicit TableIke(ForwardingTables& tables) : tables_(&tables) {}

    [[nodiscard]] Result<void> load(const IkeConnection& connection) override {
        if (auto gone = unload(connection.name()); !gone) return gone;
        for (const SaRow& sa : fixed_sas(connection)) {
            if (auto done = tables_->install(sa); !done) return done;
        }
        connections_.emplace(connection.name(), connection);
        return {};
    }

    [[nodiscard]] Result<void> unload(const std::string& name) override {
        const auto found = connections_.find(name);
        if (found == connections_.end()) return {};
        for (const SaRow& sa : fixed_sas(found->second)) {
            if (auto done = tables_->withdraw(sa); !done) return done;
        }
        connections_.erase(found);
        return {};
    }

    [[nodiscard]] Result<std::vector<std::string>> loaded() override {
        std::vector<std::string> names;
        for (const auto& [name, connection] : connections_) names.push_back(name);
        return names;
    }

   private:
    ForwardingTables* tables_;
    std::map<std::string, IkeConnection> connections_;
};

}  // namespace overlab
