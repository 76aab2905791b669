#include "real/traffic/blackhole_probe.h"

#include "models/base/check.h"
#include "real/traffic/timed_traffic.h"

namespace overlab::real {
namespace {

class RequestProbe final : public BlackholeProbe {
   public:
    RequestProbe(EventLoop& loop, const BlackholeSetup& setup)
        : traffic_(make_prober_traffic(loop, spec_of(setup), traffic_setup(setup),
                                       setup.answer_timeout)) {}

    void start() override { traffic_->start(); }
    bool finished() const override { return traffic_->finished(); }
    BlackholeReport report() const override {
        const FlowTally& tally = traffic_->tally();
        return {.sent = tally.sent,
                .answered = tally.received,
                .lost = tally.lost,
                .gap_count = tally.gap_count,
                .gaps = tally.gaps,
                .worst_late_ns = tally.worst_late_ns,
                .longest = tally.longest_gap};
    }
    FlowReport flow() const override { return traffic_->report(); }
    std::vector<std::string> warnings() const override { return traffic_->warnings(); }

   private:
    static TrafficSpec spec_of(const BlackholeSetup& setup) {
        CHECK(setup.interval.ns > 0);
        return {.name = setup.name,
                .kind = TrafficSpec::Kind::request_response,
                .start = setup.start,
                .stop = setup.stop,
                .interval = setup.interval};
    }
    static RealTrafficSetup traffic_setup(const BlackholeSetup& setup) {
        return {.from = setup.from,
                .to = setup.to,
                .index = setup.index,
                .run_end = setup.stop,
                .series_step = setup.series_step,
                .folder = {}};
    }

    std::unique_ptr<TimedTraffic> traffic_;
};

}  // namespace

std::int64_t BlackholeReport::longest_ns() const {
    if (gap_count == 0) return 0;
    return longest.to_ns < 0 ? -1 : longest.to_ns - longest.from_ns;
}

std::unique_ptr<BlackholeProbe> BlackholeProbe::create(EventLoop& loop,
                                                       const BlackholeSetup& setup) {
    return std::make_unique<RequestProbe>(loop, setup);
}

}  // namespace overlab::real
