#include "models/node/peer_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "models/base/check.h"

namespace overlab {
namespace {

std::string about(const LeaseSubnet& subnet, const std::string& what) {
    return fmt::format("peer {}: {}", subnet.to_string(), what);
}

}  // namespace

PeerSet::PeerSet(const Backend& backend, bool has_ike, ReachFn reach)
    : backend_(&backend), has_ike_(has_ike), reach_(std::move(reach)) {}

// ---- questions ----

std::optional<PeerId> PeerSet::id_of(const LeaseSubnet& subnet) const {
    for (const PeerId id : claims_.holders(subnet.v4)) {
        if (leases_[id]->subnet == subnet) return id;
    }
    return std::nullopt;
}

LeasePtr PeerSet::find(const LeaseSubnet& subnet) const {
    const std::optional<PeerId> id = id_of(subnet);
    return id ? leases_[*id] : nullptr;
}

std::size_t PeerSet::size() const {
    return leases_.size() - free_.size() - (id_of(local_.subnet) ? 1 : 0);
}

Claims PeerSet::claims_of(const Lease& lease) const {
    return {lease.subnet.v4, lease.attributes.public_ip, backend_->claimed_identity(lease)};
}

Reach PeerSet::ask_reach(const Lease& lease) const {
    return backend_->wants_reach() ? reach_(lease.attributes.public_ip) : Reach::unknown;
}

Plan PeerSet::plan(PeerId id) const {
    Plan plan = backend_->plan_peer(local_, *leases_[id], standings_[id].reach);
    if (plan.connection && !has_ike_) {
        plan = {};
        plan.unsupported = fmt::format("{}: there is no IKE daemon here", backend_->name());
    }
    return plan;
}

std::optional<PeerId> PeerSet::lower_rival(PeerId id) const {
    std::optional<PeerId> lowest;
    for (const PeerId rival : claims_.rivals(id, claims_of(*leases_[id]))) {
        if (!standings_[rival].eligible) continue;
        if (!(leases_[rival]->subnet < leases_[id]->subnet)) continue;
        if (!lowest || leases_[rival]->subnet < leases_[*lowest]->subnet) lowest = rival;
    }
    return lowest;
}

std::string PeerSet::clash(PeerId id, PeerId winner) const {
    const Claims ours = claims_of(*leases_[id]);
    const Claims theirs = claims_of(*leases_[winner]);
    const std::string rival = leases_[winner]->subnet.to_string();
    if (ours.subnet.overlaps(theirs.subnet)) {
        return fmt::format("{}: overlaps the lower lease {}", backend_->name(), rival);
    }
    if (ours.identity && ours.identity == theirs.identity) {
        return fmt::format("{}: claims {}, which the lower lease {} has", backend_->name(),
                           backend_->identity_text(*leases_[id]), rival);
    }
    return fmt::format("{}: claims public address {}, which the lower lease {} has",
                       backend_->name(), ours.public_ip.to_string(), rival);
}

PeerSet::Share PeerSet::share(PeerId id) const {
    return leases_[id] == nullptr ? Share{} : share(id, plan(id));
}

PeerSet::Share PeerSet::share(PeerId id, Plan plan) const {
    Share share;
    if (leases_[id]->subnet == local_.subnet) return share;
    if (!plan.unsupported.empty()) {
        share.remark = std::move(plan.unsupported);
    } else if (!standings_[id].active) {
        const std::optional<PeerId> winner = lower_rival(id);
        CHECK(winner.has_value());
        share.remark = clash(id, *winner);
    } else {
        share = {std::move(plan.rows), std::move(plan.connection), std::move(plan.note)};
    }
    return share;
}

void PeerSet::append_rows(std::vector<Row>& rows) const {
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (!standings_[id].active) continue;
        std::ranges::move(plan(id).rows, std::back_inserter(rows));
    }
}

std::vector<IkeConnection> PeerSet::connections() const {
    std::vector<IkeConnection> found;
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (!standings_[id].active) continue;
        if (auto connection = plan(id).connection) found.push_back(std::move(*connection));
    }
    return found;
}

PeerSet::Remarks PeerSet::unsupported() const {
    Remarks found;
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (leases_[id] == nullptr || standings_[id].active) continue;
        if (leases_[id]->subnet == local_.subnet) continue;
        found.emplace_back(leases_[id]->subnet, share(id).remark);
    }
    std::ranges::sort(found);
    return found;
}

/// Everything that a person was told of the peers as they are now, ordered.
PeerSet::Remarks PeerSet::remarks() const {
    Remarks found = unsupported();
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (!standings_[id].active) continue;
        if (std::string note = plan(id).note; !note.empty()) {
            found.emplace_back(leases_[id]->subnet, std::move(note));
        }
    }
    std::ranges::sort(found);
    return found;
}

// ---- changes ----

PeerId PeerSet::allocate() {
    if (!free_.empty()) {
        const PeerId id = free_.back();
        free_.pop_back();
        return id;
    }
    leases_.emplace_back();
    standings_.emplace_back();
    return static_cast<PeerId>(leases_.size() - 1);
}

Plan PeerSet::link(PeerId id, LeasePtr lease, const Claims& claims) {
    CHECK(leases_[id] == nullptr);
    claims_.add(id, claims);
    leases_[id] = std::move(lease);
    standings_[id] = Standing{};
    standings_[id].reach = ask_reach(*leases_[id]);
    Plan made = plan(id);
    standings_[id].eligible = leases_[id]->subnet != local_.subnet && made.unsupported.empty();
    return made;
}

void PeerSet::unlink(PeerId id) {
    claims_.remove(id, claims_of(*leases_[id]));
    leases_[id] = nullptr;
    standings_[id] = Standing{};
}

void PeerSet::judge(PeerId id) {
    standings_[id].active = standings_[id].eligible && !lower_rival(id);
}

void PeerSet::judge_all() {
    const bool clashes = claims_.may_have_rivals();
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (leases_[id] == nullptr) continue;
        standings_[id].active = standings_[id].eligible;
        if (clashes) judge(id);
    }
}

std::vector<PeerId> PeerSet::affected_by(PeerId id, const std::optional<Claims>& next) const {
    std::vector<PeerId> affected = {id};
    const auto add_rivals = [&](const Claims& claims) {
        const std::vector<PeerId> rivals = claims_.rivals(id, claims);
        affected.insert(affected.end(), rivals.begin(), rivals.end());
    };
    if (leases_[id] != nullptr) add_rivals(claims_of(*leases_[id]));
    if (next) add_rivals(*next);
    if (affected.size() == 1) return affected;
    std::ranges::sort(affected);
    const auto repeated = std::ranges::unique(affected);
    affected.erase(repeated.begin(), repeated.end());
    return affected;
}

void PeerSet::note_difference(const LeaseSubnet& subnet, const Share& before, Share& after,
                              PeerDelta& delta) {
    if (!after.remark.empty() && after.remark != before.remark) {
        delta.remarks.push_back(about(subnet, after.remark));
    }
    if (before.connection == after.connection) return;
    // A connection that keeps its name is replaced by loading it again.
    const bool renamed = before.connection && after.connection &&
                         before.connection->name() != after.connection->name();
    if (before.connection && (!after.connection || renamed)) {
        delta.unload.push_back(before.connection->name());
    }
    if (after.connection) delta.load.push_back(std::move(*after.connection));
}

PeerDelta PeerSet::change(PeerId id, LeasePtr lease) {
    const std::optional<Claims> claims = lease ? std::optional(claims_of(*lease)) : std::nullopt;
    const std::vector<PeerId> affected = affected_by(id, claims);
    if (leases_[id] == nullptr && affected.size() == 1) {
        return welcome(id, std::move(lease), *claims);
    }
    const LeaseSubnet subnet = lease ? lease->subnet : leases_[id]->subnet;
    std::vector<Share> before;
    for (const PeerId each : affected) before.push_back(share(each));

    if (leases_[id] != nullptr) unlink(id);
    if (lease != nullptr) (void)link(id, std::move(lease), *claims);  // planned again below
    for (const PeerId each : affected) {
        if (leases_[each] != nullptr) judge(each);
    }

    PeerDelta delta;
    std::vector<Row> had;
    std::vector<Row> wanted;
    for (std::size_t i = 0; i < affected.size(); ++i) {
        Share after = share(affected[i]);
        const LeasePtr& current = leases_[affected[i]];
        note_difference(current ? current->subnet : subnet, before[i], after, delta);
        std::ranges::move(before[i].rows, std::back_inserter(had));
        std::ranges::move(after.rows, std::back_inserter(wanted));
    }
    delta.rows = diff(ForwardingState::of(std::move(wanted)), ForwardingState::of(std::move(had)));
    return delta;
}

/// change() for a newcomer without rivals, which is nearly every change: planned once, compared
/// with nothing.
PeerDelta PeerSet::welcome(PeerId id, LeasePtr lease, const Claims& claims) {
    Plan plan = link(id, std::move(lease), claims);
    standings_[id].active = standings_[id].eligible;
    Share after = share(id, std::move(plan));
    PeerDelta delta;
    note_difference(leases_[id]->subnet, {}, after, delta);
    delta.rows = diff(ForwardingState::of(std::move(after.rows)), {});
    return delta;
}

PeerDelta PeerSet::put(LeasePtr lease) {
    CHECK(lease != nullptr);
    const std::optional<PeerId> known = id_of(lease->subnet);
    if (known && leases_[*known]->attributes == lease->attributes &&
        standings_[*known].reach == ask_reach(*lease)) {
        leases_[*known] = std::move(lease);  // a renewal: only the revision moved
        return {};
    }
    return change(known ? *known : allocate(), std::move(lease));
}

PeerDelta PeerSet::remove(const LeaseSubnet& subnet) {
    const std::optional<PeerId> known = id_of(subnet);
    if (!known) return {};
    PeerDelta delta = change(*known, nullptr);
    free_.push_back(*known);
    return delta;
}

/// What there is to say after a change of everything: `notes` and the reasons of unsupported peers,
/// without what was said `before`.
std::vector<std::string> PeerSet::news(const Remarks& before, Remarks notes) const {
    // A note is about rows, and a peer that lost them to a rival has none.
    std::erase_if(notes,
                  [this](const auto& note) { return !standings_[*id_of(note.first)].active; });
    std::ranges::move(unsupported(), std::back_inserter(notes));
    std::ranges::sort(notes);
    std::vector<std::string> fresh;
    for (const auto& [subnet, remark] : notes) {
        if (std::ranges::binary_search(before, std::pair(subnet, remark))) continue;
        fresh.push_back(about(subnet, remark));
    }
    return fresh;
}

std::vector<std::string> PeerSet::set_local(LocalNode local) {
    const Remarks before = remarks();
    local_ = std::move(local);
    Remarks notes;
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (leases_[id] == nullptr) continue;
        Plan made = plan(id);
        standings_[id].eligible = leases_[id]->subnet != local_.subnet && made.unsupported.empty();
        if (!made.note.empty()) notes.emplace_back(leases_[id]->subnet, std::move(made.note));
    }
    judge_all();
    return news(before, std::move(notes));
}

std::vector<std::string> PeerSet::replace_all(std::span<const LeasePtr> leases) {
    const Remarks before = remarks();
    leases_.clear();
    standings_.clear();
    free_.clear();
    claims_ = {};
    Remarks notes;
    for (const LeasePtr& lease : leases) {
        const std::optional<PeerId> known = id_of(lease->subnet);
        if (known) unlink(*known);
        Plan made = link(known ? *known : allocate(), lease, claims_of(*lease));
        if (!made.note.empty()) notes.emplace_back(lease->subnet, std::move(made.note));
    }
    judge_all();
    return news(before, std::move(notes));
}

std::vector<std::string> PeerSet::refresh_reach() {
    if (!backend_->wants_reach()) return {};
    std::vector<std::string> remarks;
    for (PeerId id = 0; id < leases_.size(); ++id) {
        if (leases_[id] == nullptr || standings_[id].reach == ask_reach(*leases_[id])) continue;
        std::ranges::move(change(id, leases_[id]).remarks, std::back_inserter(remarks));
    }
    return remarks;
}

}  // namespace overlab
