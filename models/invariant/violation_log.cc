#include "models/invariant/violation_log.h"

#include <utility>

namespace overlab {

void ViolationLog::add(ViolationReport violation) {
    note_checked(violation.invariant);
    if (violations_.size() == max_violations) return;
    if (!known_.emplace(violation.invariant, violation.host, violation.what).second) return;
    violations_.push_back(std::move(violation));
}

void ViolationLog::note_checked(std::string_view invariant) {
    if (!checked_.contains(invariant)) checked_.emplace(invariant);
}

std::vector<std::string> ViolationLog::checked() const {
    return {checked_.begin(), checked_.end()};
}

}  // namespace overlab
