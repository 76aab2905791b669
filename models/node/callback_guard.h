// CallbackGuard: an answer may arrive when the one who asked is gone, or no longer wants it. The
// ports drop callbacks when the *port* dies, but a store outlives the nodes that use it.
#pragma once

#include <memory>
#include <utility>

namespace overlab {

class CallbackGuard {
   public:
    CallbackGuard() = default;
    CallbackGuard(const CallbackGuard&) = delete;
    CallbackGuard& operator=(const CallbackGuard&) = delete;

    /// `action`, or nothing once the guard is destroyed or revoked.
    template <typename Action>
    [[nodiscard]] auto wrap(Action action) const {
        return [alive = std::weak_ptr<const bool>(token_),
                action = std::move(action)](auto&&... arguments) mutable {
            if (!alive.expired()) action(std::forward<decltype(arguments)>(arguments)...);
        };
    }

    /// Everything wrapped so far does nothing from now on.
    void revoke() { token_ = std::make_shared<const bool>(true); }

   private:
    // shared_ptr, because the callbacks watch its life without prolonging it.
    std::shared_ptr<const bool> token_ = std::make_shared<const bool>(true);
};

}  // namespace overlab
