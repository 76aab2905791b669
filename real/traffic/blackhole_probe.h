// BlackholeProbe: how long one pod could not reach another. A request leaves at fixed instants
// whatever the answers do; one without an answer in time is lost, and a run of losses is a gap.
// A gap begins when its first lost request left and ends when the first answered one after it did:
// its length is right to one interval, and to what a busy machine held the sender up (worst_late).
//
// Both directions must work for an answer, so a fault in either one shows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "real/traffic/flow_tally.h"
#include "real/traffic/real_traffic.h"

namespace overlab::real {

struct BlackholeReport {
    std::uint64_t sent = 0, answered = 0, lost = 0;
    std::uint64_t gap_count = 0;
    std::vector<Gap> gaps;           ///< the first 1000 of them, in order
    std::int64_t worst_late_ns = 0;  ///< that a request left after it was due
    Gap longest;  ///< of those that ended, unless none did; all zero without a gap

    /// 0 without a gap; -1 if the only one did not end.
    [[nodiscard]] std::int64_t longest_ns() const;
};

struct BlackholeSetup {
    std::string name;
    TrafficEnd from, to;
    std::size_t index = 0;  ///< as RealTrafficSetup: its port; not one of a flow of the scenario
    Duration start, stop;
    Duration interval = milliseconds(10);
    Duration answer_timeout = seconds(1);
    Duration series_step = milliseconds(100);
};

class BlackholeProbe {
   public:
    [[nodiscard]] static std::unique_ptr<BlackholeProbe> create(EventLoop& loop,
                                                                const BlackholeSetup& setup);
    virtual ~BlackholeProbe() = default;

    virtual void start() = 0;
    /// True at the latest 3 s after its stop, if answer_timeout is at most 2 s.
    [[nodiscard]] virtual bool finished() const = 0;
    /// Once finished.
    [[nodiscard]] virtual BlackholeReport report() const = 0;
    /// The same as a flow of kind request_response.
    [[nodiscard]] virtual FlowReport flow() const = 0;
    [[nodiscard]] virtual std::vector<std::string> warnings() const = 0;
};

}  // namespace overlab::real
