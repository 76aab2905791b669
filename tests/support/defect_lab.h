// The layers of some defects, and what they said when they ended the agent.
#pragma once

#include <string>
#include <vector>

#include "models/defect/defect.h"
#include "tests/support/lease_world.h"

namespace overlab::test {

struct DefectLab {
    DefectLab(Runtime& runtime, std::vector<std::string> names, DefectMemory* memory = nullptr)
        : layers(names, {.runtime = &runtime,
                         .die = [this](const std::string& why) { deaths.push_back(why); },
                         .memory = memory}) {}

    std::vector<std::string> deaths;
    HostDefects layers;
};

}  // namespace overlab::test
