#include "real/vm/guest_engine.h"

#include "models/base/check.h"

namespace overlab::real {

const std::array<Engine, 3> all_engines{{
    {.id = GuestEngine::kvm,
     .canary_limit = seconds(6),
     .find = find_kvm,
     .has_virtual_time = nullptr,
     .head = qemu_head,
     .boot = kvm_boot},
    {.id = GuestEngine::uml,
     .canary_limit = seconds(40),
     .find = find_uml,
     .has_virtual_time = uml_has_virtual_time,
     .head = uml_head,
     .boot = uml_boot},
    {.id = GuestEngine::tcg,
     .canary_limit = seconds(120),
     .find = find_qemu,
     .has_virtual_time = nullptr,
     .head = qemu_head,
     .boot = tcg_boot},
}};

const Engine& engine_of(GuestEngine id) {
    const Engine& engine = all_engines.at(static_cast<std::size_t>(id));
    CHECK(engine.id == id);
    return engine;
}

std::string_view to_string(GuestEngine engine) {
    switch (engine) {
        case GuestEngine::kvm:
            return "kvm";
        case GuestEngine::uml:
            return "uml";
        case GuestEngine::tcg:
            return "tcg";
    }
    CHECK(false);
}

}  // namespace overlab::real
