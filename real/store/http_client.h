// HttpClient: HTTP/1.1 POSTs over libcurl, driven by an EventLoop (curl_multi_socket_action): no
// thread, and no callback inside a call. Connections are kept and used again.
//
// A request that may not be repeated is sent once at most: curl by itself repeats one when a kept
// connection turns out to be closed, which for a transaction could mean "twice".
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/base/time.h"
#include "real/base/event_loop.h"
#include "real/base/netns.h"

namespace overlab::real {

struct HttpOptions {
    std::filesystem::path ca_file, cert_file, key_file;  ///< PEM; empty: see EtcdOptions
    Duration connect_timeout = seconds(2);
    /// A silent connection (a watch) is probed, and given up when 20 s brought no answer. Whole
    /// seconds, at most 9 h (TCP_KEEPIDLE).
    Duration probe_after = seconds(5);
    const Netns* netns = nullptr;
};

struct HttpRequest {
    std::string url;
    std::string body;
    std::vector<std::string> headers;  ///< `Name: value`
    bool repeatable = false;
    Duration limit;  ///< for the whole exchange; 0: none (a stream)
};

struct HttpOutcome {
    int status = 0;       ///< 0: no answer, `failure` has the reason
    std::string body;     ///< of a stream: what follows the last line
    std::string failure;  ///< for people, with the remedy
    bool sent = true;     ///< false: surely nothing of the request has left us
};

class HttpClient {
   public:
    using Done = std::function<void(HttpOutcome)>;
    using Line = std::function<void(std::string_view)>;
    using Id = std::uint64_t;

    struct Counters {
        std::uint64_t requests = 0, responses = 0, bytes_sent = 0, bytes_received = 0;
    };

    HttpClient(EventLoop& loop, HttpOptions options);
    /// Ends every exchange without a callback.
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// `line`, if given, gets each line of a 200 answer as it arrives, without its end. Callbacks
    /// may start and cancel requests and destroy the client.
    Id post(HttpRequest request, Done done, Line line = {});
    /// Its callbacks do not run any more. Unknown ids are ignored.
    void cancel(Id id);
    [[nodiscard]] const Counters& counters() const;

   private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace overlab::real
