#include "models/store/lease_watch.h"

#include <algorithm>
#include <map>

#include "models/store/lease_keys.h"

namespace overlab {
namespace {

// A lease is in at most one of `added` and `removed`, whatever happened to it within one update:
// the lists carry no order between them, so the last event of each key decides.
std::vector<const KvEvent*> last_events(const KvWatchUpdate& update) {
    std::vector<const KvEvent*> events;
    events.reserve(update.events.size());
    for (const KvEvent& event : update.events) events.push_back(&event);
    if (events.size() < 2) return events;
    std::map<std::string_view, const KvEvent*> last;
    for (const KvEvent* event : events) last[event->entry->key] = event;
    std::erase_if(events, [&](const KvEvent* event) { return last[event->entry->key] != event; });
    return events;
}

}  // namespace

LeaseWatch::LeaseWatch(Runtime& runtime, KvStore& kv, LeaseDecoder& decoder,
                       const KvLeaseStoreOptions& options, Update update)
    : runtime_(runtime),
      kv_(kv),
      decoder_(decoder),
      prefix_(subnets_prefix(options.prefix)),
      rng_(Rng::stream(options.seed, options.host + "/lease-watch")),
      update_(std::move(update)),
      pause_(options.unavailable_min, options.unavailable_max),
      timer_(runtime_) {}

LeaseWatch::~LeaseWatch() {
    if (stream_) kv_.cancel_watch(*stream_);
}

template <typename Action>
auto LeaseWatch::while_alive(Action action) {
    return [weak = weak_from_this(), action = std::move(action)](auto&&... arguments) mutable {
        // Held for the call: the callback may start another watch in our place.
        if (const auto self = weak.lock())
            action(*self, std::forward<decltype(arguments)>(arguments)...);
    };
}

void LeaseWatch::start_from(const KvRange& known, const LeasePtr& own) {
    // Not at once: callbacks never run inside the call.
    timer_.start(
        {}, while_alive([known, own](LeaseWatch& self) { self.snapshot_answered(known, own); }));
}

void LeaseWatch::snapshot() {
    kv_.range(prefix_, while_alive([](LeaseWatch& self, const Result<KvRange>& range) {
                  if (range) {
                      self.pause_.reset();
                      return self.snapshot_answered(*range, nullptr);
                  }
                  self.timer_.start(self.pause_.next(self.rng_),
                                    self.while_alive([](LeaseWatch& later) { later.snapshot(); }));
              }));
}

void LeaseWatch::snapshot_answered(const KvRange& range, const LeasePtr& own) {
    next_ = range.revision + 1;
    LeaseUpdate update;
    update.snapshot = true;
    update.added.reserve(range.entries.size() + 1);
    bool own_added = own == nullptr;
    for (const KeyValuePtr& entry : range.entries) {
        const auto lease = decoder_.decode(entry);
        if (!lease) {
            update.malformed.push_back(lease.error().what);
        } else if (own && (*lease)->subnet == own->subnet) {
            update.added.push_back(own);
            own_added = true;
        } else {
            update.added.push_back(*lease);
        }
    }
    if (!own_added) update.added.push_back(own);
    stream();
    update_(std::move(update));
}

void LeaseWatch::stream() {
    stream_ = kv_.watch(prefix_, next_,
                        while_alive([](LeaseWatch& self, const Result<KvWatchUpdate>& update) {
                            if (update) return self.changed(*update);
                            self.stream_.reset();
                            self.broken(update.error());
                        }));
}

void LeaseWatch::changed(const KvWatchUpdate& update) {
    pause_.reset();
    next_ = std::max(next_, update.revision + 1);
    LeaseUpdate out;
    for (const KvEvent* event : last_events(update)) {
        if (event->type == KvEvent::Type::put) {
            const auto lease = decoder_.decode(event->entry);
            if (lease) {
                out.added.push_back(*lease);
                continue;
            }
            // A snapshot would not show this lease any more, so the changes must not either.
            out.malformed.push_back(lease.error().what);
        }
        const auto subnet = parse_lease_key(lease_key_part(event->entry->key));
        if (subnet) out.removed.push_back(*subnet);
    }
    if (!out.added.empty() || !out.removed.empty() || !out.malformed.empty())
        update_(std::move(out));
}

void LeaseWatch::broken(const Error& error) {
    const bool from_scratch = error.kind == ErrorKind::compacted;
    timer_.start(pause_.next(rng_), while_alive([from_scratch](LeaseWatch& self) {
                     if (from_scratch) {
                         self.snapshot();
                     } else {
                         self.stream();
                     }
                 }));
}

}  // namespace overlab
