#include "models/control/control_world.h"

#include <utility>

#include "models/control/control_run.h"

namespace overlab {

class ControlWorld::Impl {
   public:
    explicit Impl(std::unique_ptr<ControlRun> inner) : run(std::move(inner)) {}
    std::unique_ptr<ControlRun> run;
};

ControlWorld::ControlWorld(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlWorld::~ControlWorld() = default;

Result<std::unique_ptr<ControlWorld>> ControlWorld::build(const Scenario& scenario,
                                                          std::uint64_t seed) {
    OVERLAB_TRY(auto run, ControlRun::build(scenario, seed));
    return std::unique_ptr<ControlWorld>(new ControlWorld(std::make_unique<Impl>(std::move(run))));
}

void ControlWorld::run(bool until_violation) { impl_->run->run(until_violation); }

const std::vector<ViolationReport>& ControlWorld::violations() const {
    return impl_->run->violations();
}

std::uint64_t ControlWorld::digest() const { return impl_->run->digest(); }
std::uint64_t ControlWorld::events() const { return impl_->run->events(); }

RunReport ControlWorld::report(bool keep_forwarding) const {
    return impl_->run->report(keep_forwarding);
}

Result<RunReport> run_control(const Scenario& scenario, const RunOptions& options) {
    if (!options.capture_dir.empty()) {
        return fail(ErrorKind::unsupported,
                    "captures: no packet moves in the control world; run it with --world sim");
    }
    OVERLAB_TRY(const auto world,
                ControlWorld::build(scenario, options.seed == 0 ? scenario.seed : options.seed));
    world->run();
    RunReport report = world->report(options.keep_forwarding);
    if (options.progress) options.progress(scenario.duration.ns, scenario.duration.ns);
    return report;
}

}  // namespace overlab
