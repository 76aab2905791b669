#include "real/ike/strongswan_daemon.h"

#include <fmt/format.h>
#include <nettle/sha2.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "real/ike/vici_client.h"

namespace overlab::real {
namespace {

constexpr const char* ike_proposal = "aes256-sha256-modp4096";
/// As the node's policies (IpsecBackend::reqid) ask for it.
constexpr const char* reqid = "11";

std::string child_name(const IkeConnection& connection) {
    return connection.local_subnet.to_string() + '-' + connection.remote_subnet.to_string();
}

/// The first 32 bits of SHA-256 over everything that makes the connection, in hex.
std::string digest_of(const IkeConnection& connection) {
    sha256_ctx context;
    sha256_init(&context);
    const std::string encap = connection.udp_encap ? "encap" : "plain";
    for (const std::string& part :
         {connection.name(), connection.esp_proposal, encap, connection.psk}) {
        // With the terminating NUL, so that the parts cannot run into each other.
        sha256_update(&context, part.size() + 1,
                      reinterpret_cast<const std::uint8_t*>(part.c_str()));
    }
    std::array<std::uint8_t, 4> digest{};
    sha256_digest(&context, digest.size(), digest.data());
    return fmt::format("{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
}

std::string key_id(const IkeConnection& connection) {
    return connection.name() + '#' + digest_of(connection);
}

ViciSection authentication(Ipv4Address identity) {
    ViciSection section;
    section.add("auth", "psk").add("id", identity.to_string());
    return section;
}

/// For load-conn; without the key.
ViciSection description(const IkeConnection& connection) {
    ViciSection child;
    child.add_list("local_ts", {connection.local_subnet.to_string()})
        .add_list("remote_ts", {connection.remote_subnet.to_string()})
        .add_list("esp_proposals", {connection.esp_proposal})
        .add("mode", "tunnel")
        .add("reqid", reqid)
        .add("policies", "no")
        .add("start_action", "start")
        .add("close_action", "trap")
        .add("dpd_action", "restart");
    ViciSection children;
    children.add_section(child_name(connection), std::move(child));
    ViciSection ike;
    ike.add("version", "2")
        .add_list("local_addrs", {connection.local.to_string()})
        .add_list("remote_addrs", {connection.remote.to_string()})
        .add_list("proposals", {ike_proposal})
        .add("keyingtries", "0")
        .add("mobike", "no")
        // Both hosts begin at once, and each would take the other's INITIAL_CONTACT for a restart
        // and silently drop the association that it has just made itself: one half of each stays,
        // and nothing gets through.
        .add("unique", "never")
        .add("encap", connection.udp_encap ? "yes" : "no")
        .add_section("local", authentication(connection.local))
        .add_section("remote", authentication(connection.remote))
        .add_section("children", std::move(children));
    ViciSection message;
    message.add_section(connection.name(), std::move(ike));
    return message;
}

/// A list-sa event: one section, named as the connection.
IkeAssociation association_of(const std::string& name, const ViciSection& sa) {
    IkeAssociation association{
        .connection = name, .state = std::string(sa.value("state")), .child_states = {}};
    const ViciSection* children = sa.section("child-sas");
    if (children == nullptr) return association;
    for (const ViciEntry& entry : children->entries) {
        if (const auto* child = std::get_if<ViciSection>(&entry.content)) {
            association.child_states.emplace_back(child->value("state"));
        }
    }
    std::ranges::sort(association.child_states);
    return association;
}

Result<std::vector<IkeAssociation>> list_associations(ViciClient& client,
                                                      const std::string& connection = {}) {
    ViciSection filter;
    // Without waiting for an SA that is being worked on: that one is left out then.
    filter.add("noblock", "yes");
    if (!connection.empty()) filter.add("ike", connection);
    OVERLAB_TRY(const auto events, client.stream("list-sas", "list-sa", filter));
    std::vector<IkeAssociation> all;
    for (const ViciSection& event : events) {
        for (const ViciEntry& entry : event.entries) {
            if (const auto* sa = std::get_if<ViciSection>(&entry.content)) {
                all.push_back(association_of(entry.name, *sa));
            }
        }
    }
    std::ranges::sort(all);
    return all;
}

/// Success where the daemon answered at all: it refuses to remove what it does not have.
Result<void> absent_is_fine(Result<void> outcome) {
    if (!outcome && outcome.error().kind == ErrorKind::invalid_argument) return {};
    return outcome;
}

}  // namespace

class StrongswanDaemon::Impl {
   public:
    Impl(std::filesystem::path socket, Duration timeout)
        : socket_(std::move(socket)), timeout_(timeout) {}

    /// Runs `work` with a connection to the daemon. If the daemon went away under it, once more
    /// with a new one: it may have been restarted since our last call, and every call of ours can
    /// be repeated.
    template <typename Work>
    auto with_client(Work work) -> decltype(work(std::declval<ViciClient&>())) {
        const bool old = client_ && client_->usable();
        auto outcome = attempt(work);
        const bool gone = !client_ || !client_->usable();
        if (!outcome && old && gone && outcome.error().os_errno != ETIMEDOUT) {
            outcome = attempt(work);
        }
        // Half done, perhaps: what the daemon holds has to be asked again.
        if (!outcome) known_ = false;
        return outcome;
    }

    Result<void> load(ViciClient& client, const IkeConnection& connection) {
        if (auto done = learn(client); !done) return done;
        const std::string name = connection.name();
        const std::string key = key_id(connection);
        if (conns_.contains(name) && keys_[name] == std::set{key}) {
            return start_if_idle(client, connection);
        }
        if (conns_.contains(name) || keys_.contains(name)) {
            if (auto done = unload(client, name); !done) return done;
        }
        if (auto done = load_key(client, connection, key); !done) return done;
        keys_[name].insert(key);
        auto loaded = client.command("load-conn", description(connection));
        if (loaded) {
            conns_.insert(name);
        } else if (client.usable()) {
            (void)unload(client, name);  // What stays is found by the next load or unload.
        }
        return loaded;
    }

    Result<void> unload(ViciClient& client, const std::string& name) {
        if (auto done = learn(client); !done) return done;
        // In this order: an SA whose connection is still there would come back.
        if (conns_.contains(name)) {
            ViciSection which;
            which.add("name", name);
            if (auto done = absent_is_fine(client.command("unload-conn", which)); !done) {
                return done;
            }
            conns_.erase(name);
        }
        ViciSection sa;
        sa.add("ike", name).add("force", "yes").add("timeout", "-1");
        if (auto done = absent_is_fine(client.command("terminate", sa)); !done) return done;
        for (const std::string& id : keys_[name]) {
            ViciSection key;
            key.add("id", id);
            if (auto done = absent_is_fine(client.command("unload-shared", key)); !done) {
                return done;
            }
        }
        keys_.erase(name);
        return {};
    }

    Result<std::vector<std::string>> loaded(ViciClient& client) {
        known_ = false;
        if (auto done = learn(client); !done) return std::unexpected(done.error());
        return std::vector<std::string>(conns_.begin(), conns_.end());
    }

   private:
    template <typename Work>
    auto attempt(Work& work) -> decltype(work(std::declval<ViciClient&>())) {
        if (!client_ || !client_->usable()) {
            known_ = false;
            OVERLAB_TRY(client_, ViciClient::connect(socket_, timeout_));
        }
        return work(*client_);
    }

    /// Asks once a connection what the daemon holds; our own calls keep it up to date.
    Result<void> learn(ViciClient& client) {
        if (known_) return {};
        OVERLAB_TRY(const ViciSection conns, client.request("get-conns"));
        OVERLAB_TRY(const ViciSection keys, client.request("get-shared"));
        conns_.clear();
        keys_.clear();
        for (std::string& name : conns.list("conns")) conns_.insert(std::move(name));
        for (const std::string& id : keys.list("keys")) {
            const std::size_t mark = id.rfind('#');
            if (mark != std::string::npos) keys_[id.substr(0, mark)].insert(id);
        }
        known_ = true;
        return {};
    }

    static Result<void> load_key(ViciClient& client, const IkeConnection& connection,
                                 const std::string& id) {
        ViciSection key;
        key.add("id", id).add("type", "IKE").add("data", connection.psk);
        key.add_list("owners", {connection.local.to_string(), connection.remote.to_string()});
        auto loaded = client.command("load-shared", key);
        // The daemon's own words might quote what it was given.
        if (!loaded && loaded.error().kind == ErrorKind::invalid_argument) {
            return fail(ErrorKind::invalid_argument, "ike daemon: load-shared: it refuses the key");
        }
        return loaded;
    }

    /// A connection that was loaded before and has no SA, because its peer refused or went, starts
    /// anew.
    static Result<void> start_if_idle(ViciClient& client, const IkeConnection& connection) {
        OVERLAB_TRY(const auto present, list_associations(client, connection.name()));
        const bool busy = std::ranges::any_of(present, [](const IkeAssociation& sa) {
            return sa.state != "ESTABLISHED" || !sa.child_states.empty();
        });
        if (busy) return {};
        ViciSection which;
        which.add("ike", connection.name())
            .add("child", child_name(connection))
            .add("timeout", "-1");
        return client.command("initiate", which);
    }

    std::filesystem::path socket_;
    Duration timeout_;
    std::optional<ViciClient> client_;
    bool known_ = false;  ///< conns_ and keys_ are what the daemon holds
    std::set<std::string> conns_;
    std::map<std::string, std::set<std::string>> keys_;  ///< connection to ids of its keys
};

StrongswanDaemon::StrongswanDaemon(std::filesystem::path socket, Duration timeout)
    : impl_(std::make_unique<Impl>(std::move(socket), timeout)) {}
StrongswanDaemon::~StrongswanDaemon() = default;

Result<void> StrongswanDaemon::load(const IkeConnection& connection) {
    return impl_->with_client([&](ViciClient& client) { return impl_->load(client, connection); });
}

Result<void> StrongswanDaemon::unload(const std::string& name) {
    return impl_->with_client([&](ViciClient& client) { return impl_->unload(client, name); });
}

Result<std::vector<std::string>> StrongswanDaemon::loaded() {
    return impl_->with_client([&](ViciClient& client) { return impl_->loaded(client); });
}

Result<std::vector<IkeAssociation>> StrongswanDaemon::associations() {
    return impl_->with_client([](ViciClient& client) { return list_associations(client); });
}

Result<std::vector<std::string>> StrongswanDaemon::established() {
    OVERLAB_TRY(const auto all, associations());
    std::set<std::string> names;
    for (const IkeAssociation& association : all) {
        if (std::ranges::find(association.child_states, "INSTALLED") !=
            association.child_states.end()) {
            names.insert(association.connection);
        }
    }
    return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace overlab::real
