// What a failed exchange means, for people: libcurl's codes in words, with the remedy.
#pragma once

#include <string>

#include "models/base/time.h"

namespace overlab::real {

struct CurlAttempt {
    bool tls = false;
    bool client_certificate = false;
    Duration connect_timeout, request_timeout;
};

/// `easy` is the CURL handle, `code` its CURLcode, `detail` its error buffer.
[[nodiscard]] std::string describe_curl_failure(void* easy, int code, const char* detail,
                                                const CurlAttempt& attempt);

}  // namespace overlab::real
