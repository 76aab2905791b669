// EventQueue against ns-3's schedulers and a bare heap, in the hold model: with N events pending,
// take the earliest and schedule it again. Prints ratios at the end; needs nothing but a quiet
// core.
//
//   overlab_bench_event_queue [--benchmark_filter=...]
//
// Two distributions of the distance: `uniform` in 0..2 ms, and `network`, as packet simulations
// have it: 45 % 1 us, 45 % 50 us, 10 % timers 0.2..0.5 s ahead. ns-3's schedulers are driven
// directly: in ns-3 an event costs its allocation and four virtual calls on top.
#include <benchmark/benchmark.h>
#include <ns3/map-scheduler.h>
#include <ns3/priority-queue-scheduler.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/base/rng.h"
#include "sim/event_queue.h"

namespace overlab::bench {
namespace {

enum Distances : std::int64_t { uniform, network };

/// A table, so that drawing costs the same few cycles for everybody.
std::vector<std::uint32_t> distances_ns(std::int64_t kind) {
    Rng rng = Rng::stream(1, "event-queue-bench");
    std::vector<std::uint32_t> table(1U << 16);
    for (std::uint32_t& distance : table) {
        const std::uint64_t percent = rng.below(100);
        if (kind == uniform) {
            distance = static_cast<std::uint32_t>(rng.below(2'000'000));
        } else if (percent < 45) {
            distance = 1'000;
        } else if (percent < 90) {
            distance = 50'000;
        } else {
            distance = static_cast<std::uint32_t>(200'000'000 + rng.below(300'000'000));
        }
    }
    return table;
}

/// As the engine stores an event: 24 bytes beside time and sequence.
struct Pending {
    void* action;
    void* event;
    std::uint32_t context;
};

class OurQueue {
   public:
    void push(std::int64_t time_ns) { queue_.push(time_ns, sequence_++, Pending{}); }
    std::int64_t pop() { return queue_.pop().time_ns; }

   private:
    sim::EventQueue<Pending> queue_;
    std::uint64_t sequence_ = 0;
};

/// The least that a priority queue can be: 16-byte entries, no payload.
class BareHeap {
   public:
    void push(std::int64_t time_ns) {
        const Entry entry{time_ns, sequence_++};
        std::size_t i = heap_.size();
        heap_.push_back(entry);
        while (i > 0 && before(entry, heap_[(i - 1) / 4])) {
            heap_[i] = heap_[(i - 1) / 4];
            i = (i - 1) / 4;
        }
        heap_[i] = entry;
    }
    std::int64_t pop() {
        const std::int64_t time_ns = heap_.front().time_ns;
        const Entry last = heap_.back();
        heap_.pop_back();
        std::size_t i = 0;
        for (std::size_t child = 1; child < heap_.size(); child = 4 * i + 1) {
            std::size_t least = child;
            const std::size_t end = std::min(child + 4, heap_.size());
            for (std::size_t k = child + 1; k < end; ++k) {
                if (before(heap_[k], heap_[least])) least = k;
            }
            if (!before(heap_[least], last)) break;
            heap_[i] = heap_[least];
            i = least;
        }
        heap_[i] = last;
        return time_ns;
    }

   private:
    struct Entry {
        std::int64_t time_ns;
        std::uint64_t sequence;
    };
    static bool before(const Entry& a, const Entry& b) {
        return a.time_ns != b.time_ns ? a.time_ns < b.time_ns : a.sequence < b.sequence;
    }
    std::vector<Entry> heap_;
    std::uint64_t sequence_ = 0;
};

template <typename Scheduler>
class Ns3Queue {
   public:
    void push(std::int64_t time_ns) {
        scheduler_->Insert({nullptr, {static_cast<std::uint64_t>(time_ns), sequence_++, 0}});
    }
    std::int64_t pop() { return static_cast<std::int64_t>(scheduler_->RemoveNext().key.m_ts); }

   private:
    ns3::Ptr<Scheduler> scheduler_ = ns3::CreateObject<Scheduler>();
    std::uint32_t sequence_ = 0;
};

template <typename Queue>
void hold(benchmark::State& state) {
    const std::vector<std::uint32_t> distances = distances_ns(state.range(1));
    Queue queue;
    std::size_t draw = 0;
    const auto next = [&] { return distances[draw++ & (distances.size() - 1)]; };
    for (std::int64_t i = 0; i < state.range(0); ++i) queue.push(next());
    for (std::int64_t i = 0; i < state.range(0); ++i) queue.push(queue.pop() + next());

    for (auto _ : state) queue.push(queue.pop() + next());

    state.SetItemsProcessed(state.iterations());
}

void sizes(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"pending", "network"});
    for (const std::int64_t kind : {uniform, network}) {
        for (const std::int64_t pending : {1'000, 100'000, 1'000'000}) bench->Args({pending, kind});
    }
}

BENCHMARK_TEMPLATE(hold, OurQueue)->Name("EventQueue")->Apply(sizes);
BENCHMARK_TEMPLATE(hold, BareHeap)->Name("bare 4-ary heap")->Apply(sizes);
BENCHMARK_TEMPLATE(hold, Ns3Queue<ns3::MapScheduler>)->Name("ns3::MapScheduler")->Apply(sizes);
BENCHMARK_TEMPLATE(hold, Ns3Queue<ns3::PriorityQueueScheduler>)
    ->Name("ns3::PriorityQueueScheduler")
    ->Apply(sizes);

/// Remembers every result, to print how many times faster EventQueue is.
class RatioReporter final : public benchmark::ConsoleReporter {
   public:
    void ReportRuns(const std::vector<Run>& runs) override {
        ConsoleReporter::ReportRuns(runs);
        for (const Run& run : runs) {
            if (run.error_occurred) continue;
            ns_[run.run_name.args][run.run_name.function_name] = run.GetAdjustedCPUTime();
        }
    }
    void print_ratios() const {
        for (const auto& [arguments, by_queue] : ns_) {
            const auto ours = by_queue.find("EventQueue");
            if (ours == by_queue.end()) continue;
            for (const auto& [queue, ns] : by_queue) {
                if (queue == ours->first) continue;
                std::printf("%-28s EventQueue is %5.2f x %s\n", arguments.c_str(),
                            ns / ours->second, queue.c_str());
            }
        }
    }

   private:
    std::map<std::string, std::map<std::string, double>> ns_;
};

}  // namespace
}  // namespace overlab::bench

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    overlab::bench::RatioReporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    reporter.print_ratios();
    return 0;
}
