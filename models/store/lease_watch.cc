#include "models/store/lease_watch.h"

#include <algorithm>
#include <map>

#include "models/store/lease_keys.h"

namespace overlab {
namespace {

// More deletions than that since the last put, and a snapshot is as good.
constexpr std::size_t longest_tail = 64;
// For a store that has what was asked for, telling it is a matter of milliseconds.
constexpr Duration confirmed_within = seconds(10);

bool same(const KvEvent& a, const KvEvent& b) {
    return a.type == b.type && (a.entry == b.entry || *a.entry == *b.entry);
}

// A lease is in at most one of `added` and `removed`, whatever happened to it within one update:
// the lists carry no order between them, so the last event of each key decides.
std::vector<const KvEvent*> last_events(std::span<const KvEvent> all) {
    std::vector<const KvEvent*> events;
    events.reserve(all.size());
    for (const KvEvent& event : all) events.push_back(&event);
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
      config_key_(config_key(options.prefix)),
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
    remember(range);
    confirmed_.reset();
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
    stream(range.revision + 1);
    update_(std::move(update));
}

void LeaseWatch::remember(const KvRange& range) {
    tail_.clear();
    const auto newest = std::ranges::max_element(
        range.entries, {}, [](const KeyValuePtr& entry) { return entry->mod_revision; });
    // Something may have happened after it that the range does not show.
    if (newest == range.entries.end() || (*newest)->mod_revision != range.revision) return;
    tail_.push_back({.type = KvEvent::Type::put, .entry = *newest});
}

void LeaseWatch::remember(std::span<const KvEvent> events) {
    for (const KvEvent& event : events) {
        const bool put = event.type == KvEvent::Type::put;
        if (put || tail_.size() == longest_tail) tail_.clear();
        if (put || !tail_.empty()) tail_.push_back(event);
    }
}

void LeaseWatch::stream(Revision from) {
    stream_ = kv_.watch(prefix_, from,
                        while_alive([](LeaseWatch& self, const Result<KvWatchUpdate>& update) {
                            if (update) return self.told(*update);
                            self.stream_.reset();
                            self.broken(update.error());
                        }));
}

void LeaseWatch::stop_stream() {
    if (stream_) kv_.cancel_watch(*stream_);
    stream_.reset();
}

void LeaseWatch::told(const KvWatchUpdate& update) {
    std::span<const KvEvent> events = update.events;
    if (confirmed_ && !confirms(events)) {
        stop_stream();
        timer_.start(pause_.next(rng_), while_alive([](LeaseWatch& self) { self.snapshot(); }));
        return;
    }
    if (confirmed_) return;
    pause_.reset();
    remember(events);
    changed(events);
}

void LeaseWatch::changed(std::span<const KvEvent> events) {
    LeaseUpdate out;
    for (const KvEvent* event : last_events(events)) {
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
                         self.probe();
                     }
                 }));
}

// ---- is it still the store that we knew?
// ----------------------------------------------------------

void LeaseWatch::probe() {
    if (tail_.empty()) return snapshot();
    kv_.range(config_key_, while_alive([](LeaseWatch& self, const Result<KvRange>& range) {
                  if (range) return self.probed(*range);
                  self.broken(range.error());
              }));
}

void LeaseWatch::probed(const KvRange& range) {
    if (range.revision < tail_.back().entry->mod_revision) return snapshot();
    confirmed_ = 0;
    // Should the store have gone back since, the stream would say nothing.
    timer_.start(confirmed_within, while_alive([](LeaseWatch& self) {
                     self.stop_stream();
                     self.probe();
                 }));
    stream(tail_.front().entry->mod_revision);
}

/// Takes off `events` those that are known. False if they are not the ones that are known.
bool LeaseWatch::confirms(std::span<const KvEvent>& events) {
    while (!events.empty() && *confirmed_ < tail_.size()) {
        if (!same(events.front(), tail_[*confirmed_])) return false;
        ++*confirmed_;
        events = events.subspan(1);
    }
    if (*confirmed_ < tail_.size()) return true;
    confirmed_.reset();
    timer_.stop();
    return true;
}

}  // namespace overlab
