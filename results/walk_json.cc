#include "results/walk_json.h"

#include <nlohmann/json.hpp>

namespace overlab {
namespace {

using Json = nlohmann::json;

Json walk_to_json(const Walk& walk) {
    Json steps = Json::array();
    for (const WalkStep& step : walk.steps) {
        steps.push_back({{"host", step.host},
                         {"mtu_bytes", step.mtu},
                         {"row", step.row},
                         {"size_bytes", step.size},
                         {"stage", step.stage},
                         {"what", step.what}});
    }
    return {
        {"at", walk.at}, {"disposition", to_string(walk.disposition)}, {"steps", std::move(steps)}};
}

}  // namespace

std::string round_trip_json(const Walk& there, const Walk* back) {
    const Json document{{"back", back == nullptr ? Json(nullptr) : walk_to_json(*back)},
                        {"overlab", 1},
                        {"there", walk_to_json(there)}};
    return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace overlab
