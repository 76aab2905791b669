// What etcd's refusals mean for a caller of KvStore.
#pragma once

#include <string>
#include <string_view>

#include "models/base/error.h"

namespace overlab::real {

/// An answer that is not 200. Its message begins with `endpoint`.
struct EtcdRefusal {
    Error error;
    /// Our token is too old or missing: authenticate and ask again; nothing has happened.
    bool stale_token = false;
    /// This member cannot answer just now; another one may.
    bool member_trouble = false;
};
[[nodiscard]] EtcdRefusal explain_refusal(const std::string& endpoint, int status,
                                          std::string_view body);

/// Whether a watch's `cancel_reason` or an error message says that our token is too old or missing.
[[nodiscard]] bool says_stale_token(std::string_view message);

}  // namespace overlab::real
