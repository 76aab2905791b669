#include "real/store/curl_failure.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <cstring>
#include <string_view>

namespace overlab::real {
namespace {

std::string no_connection(void* easy, std::string_view detail) {
    long code = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &code);
    const std::string reason =
        code != 0 ? std::string(std::strerror(static_cast<int>(code))) : std::string(detail);
    return fmt::format(
        "no connection: {}; check that etcd runs there and listens on this address "
        "(--listen-client-urls), and that a route and firewall let us there",
        reason);
}

std::string too_slow(void* easy, const CurlAttempt& attempt) {
    curl_off_t connected_us = 0;
    curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    if (connected_us == 0) {
        return fmt::format(
            "no connection within {} ms; check the address, the route and the firewall",
            attempt.connect_timeout.ns / 1'000'000);
    }
    return fmt::format("no answer within {} ms; check that its cluster has a leader",
                       attempt.request_timeout.ns / 1'000'000);
}

std::string untrusted(std::string_view detail) {
    const bool other_name = detail.contains("does not match");
    const bool expired = detail.contains("expir");
    const char* remedy = "give the CA that signed it (ca_file)";
    if (other_name) remedy = "use a name or address that the certificate is for";
    if (expired) remedy = "renew the server's certificate, or mend this machine's clock";
    return fmt::format("its certificate is not accepted: {}; {}", detail, remedy);
}

std::string refused_by_tls(std::string_view detail, const CurlAttempt& attempt) {
    if (detail.contains("unexpected TLS packet") || detail.contains("packet length")) {
        return fmt::format("no TLS there: {}; is it plain http://?", detail);
    }
    const char* remedy = attempt.client_certificate
                             ? "it may not accept our client certificate: check that its client CA "
                               "signed it and that it has not expired"
                             : "it may want a client certificate (cert_file, key_file)";
    return fmt::format("TLS failed: {}; {}", detail, remedy);
}

}  // namespace

std::string describe_curl_failure(void* easy, int code, const char* detail,
                                  const CurlAttempt& attempt) {
    const auto curl_code = static_cast<CURLcode>(code);
    std::string_view text(detail);
    if (text.empty()) text = curl_easy_strerror(curl_code);
    while (text.ends_with('\n')) text.remove_suffix(1);
    switch (curl_code) {
        case CURLE_COULDNT_CONNECT:
            return no_connection(easy, text);
        case CURLE_COULDNT_RESOLVE_HOST:
            return fmt::format("unknown host: {}; write its address instead", text);
        case CURLE_OPERATION_TIMEDOUT:
            return too_slow(easy, attempt);
        case CURLE_PEER_FAILED_VERIFICATION:
            return untrusted(text);
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
            return fmt::format(
                "our own certificate, key or CA file is not usable: {}; it must be PEM, "
                "and the key must belong to the certificate",
                text);
        case CURLE_SSL_CONNECT_ERROR:
            return refused_by_tls(text, attempt);
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
            // In TLS 1.3 a server rejects the client's certificate after the handshake.
            if (attempt.tls) return refused_by_tls(text, attempt);
            [[fallthrough]];
        case CURLE_GOT_NOTHING:
        case CURLE_PARTIAL_FILE:
        case CURLE_SEND_FAIL_REWIND:
            return fmt::format("connection broke before the answer: {}", text);
        case CURLE_WRITE_ERROR:
            return "answer is too large";
        default:
            return std::string(text);
    }
}

}  // namespace overlab::real
