#include "models/defect/watch_defects.h"

#include <algorithm>
#include <utility>

namespace overlab {
namespace {

constexpr std::size_t most_told = 256;  // events that are kept

}  // namespace

KvWatchId CompactionIgnored::watch(std::string prefix, Revision from,
                                   std::function<void(Result<KvWatchUpdate>)> update) {
    return below().watch(std::move(prefix), from,
                         [update = std::move(update)](const Result<KvWatchUpdate>& told) {
                             if (!told && told.error().kind == ErrorKind::compacted) return;
                             update(told);
                         });
}

KvWatchId FirstEventOnly::watch(std::string prefix, Revision from,
                                std::function<void(Result<KvWatchUpdate>)> update) {
    return below().watch(std::move(prefix), from,
                         [update = std::move(update)](Result<KvWatchUpdate> told) {
                             if (told && told->events.size() > 1) told->events.resize(1);
                             update(std::move(told));
                         });
}

// ---- StoreLossIgnored ----

void StoreLossIgnored::range(std::string prefix, KvCallback<KvRange> done) {
    below().range(std::move(prefix),
                  guard_.wrap([this, done = std::move(done)](Result<KvRange> answer) {
                      if (answer) note(*answer);
                      done(std::move(answer));
                  }));
}

void StoreLossIgnored::note(KvRange& range) {
    if (range.revision < highest_) {
        range.revision = highest_;
        return;
    }
    highest_ = range.revision;
    const auto newest = std::ranges::max_element(
        range.entries, {}, [](const KeyValuePtr& entry) { return entry->mod_revision; });
    if (newest != range.entries.end()) remember({KvEvent::Type::put, *newest});
}

void StoreLossIgnored::note(const KvWatchUpdate& update) {
    highest_ = std::max(highest_, update.revision);
    for (const KvEvent& event : update.events) remember(event);
}

void StoreLossIgnored::remember(const KvEvent& event) {
    if (!told_.empty() && told_.back().entry->mod_revision > event.entry->mod_revision) return;
    if (std::ranges::find(told_, event.entry, &KvEvent::entry) != told_.end()) return;
    if (told_.size() == most_told) told_.erase(told_.begin());
    told_.push_back(event);
}

KvWatchId StoreLossIgnored::watch(std::string prefix, Revision from,
                                  std::function<void(Result<KvWatchUpdate>)> update) {
    KvWatchUpdate again{.revision = highest_, .events = {}};
    for (const KvEvent& event : told_) {
        if (event.entry->mod_revision >= from) again.events.push_back(event);
    }
    const KvWatchId watch =
        below().watch(std::move(prefix), std::max(from, highest_ + 1),
                      guard_.wrap([this, update](const Result<KvWatchUpdate>& told) {
                          if (told) note(*told);
                          update(told);
                      }));
    open_.insert(watch);
    if (!again.events.empty()) {
        runtime_->call_after({}, guard_.wrap([this, watch, update, again = std::move(again)] {
            if (open_.contains(watch)) update(again);
        }));
    }
    return watch;
}

void StoreLossIgnored::cancel_watch(KvWatchId watch) {
    open_.erase(watch);
    below().cancel_watch(watch);
}

}  // namespace overlab
