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

/// ` (Issuer:CN = x, Start date:..., Expire date:...)`, or nothing if it is not known.
std::string about_certificate(void* easy) {
    curl_certinfo* info = nullptr;
    if (curl_easy_getinfo(easy, CURLINFO_CERTINFO, &info) != CURLE_OK || info == nullptr ||
        info->num_of_certs == 0)
        return "";
    std::string out;
    for (const curl_slist* line = info->certinfo[0]; line != nullptr; line = line->next) {
        const std::string_view text(line->data);
        const bool told = text.starts_with("Subject:") || text.starts_with("Issuer:") ||
                          text.starts_with("Start ") || text.starts_with("Expire ");
        if (told) out += (out.empty() ? " (" : ", ") + std::string(text);
    }
    return out.empty() ? out : out + ")";
}

std::string untrusted(void* easy, std::string_view detail) {
    const char* remedy =
        detail.contains("does not match")
            ? "use a name or address that the certificate is for"
            : "give the CA that signed it (ca_file), and compare its dates with this machine's "
              "clock";
    return fmt::format("its certificate is not accepted: {}{}; {}", detail, about_certificate(easy),
                       remedy);
}

std::string own_files(std::string_view detail) {
    return fmt::format(
        "our own certificate, key or CA file is not usable: {}; expected PEM, and the key that "
        "belongs to the certificate",
        detail);
}

std::string refused_by_tls(std::string_view detail, const CurlAttempt& attempt) {
    if (detail.contains("unexpected TLS packet") || detail.contains("packet length")) {
        return fmt::format("no TLS there: {}; is it plain http://?", detail);
    }
    if (detail.contains("error reading X.509")) return own_files(detail);
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
            return untrusted(easy, text);
        case CURLE_SSL_CERTPROBLEM:
        case CURLE_SSL_CACERT_BADFILE:
            return own_files(text);
        case CURLE_SSL_CONNECT_ERROR:
            return refused_by_tls(text, attempt);
        case CURLE_SEND_ERROR:
        case CURLE_RECV_ERROR:
            // In TLS 1.3 a server rejects the client's certificate after the handshake.
            if (attempt.tls) return refused_by_tls(text, attempt);
            return fmt::format("connection broke before the answer: {}", text);
        case CURLE_GOT_NOTHING:
            if (!attempt.tls) {
                return fmt::format(
                    "connection broke before the answer: {}; if it speaks TLS, write https://",
                    text);
            }
            [[fallthrough]];
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
