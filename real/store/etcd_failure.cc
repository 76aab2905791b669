#include "real/store/etcd_failure.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "real/store/etcd_json.h"

namespace overlab::real {
namespace {

/// A body that is not etcd's: another server, a proxy, or plain HTTP sent to a TLS port.
EtcdRefusal foreign(const std::string& endpoint, int status, std::string_view body) {
    constexpr std::size_t shown = 120;
    std::string line(body.substr(0, std::min(body.find('\n'), shown)));
    std::string remedy = "check that this is an etcd of version 3.4 or later";
    if (body.contains("HTTP request to an HTTPS server")) remedy = "write https://";
    if (status == 404) remedy += ", with --enable-grpc-gateway";
    if (status == 413) remedy = "the request is larger than it takes";
    EtcdRefusal out;
    out.error = {.kind = ErrorKind::unavailable,
                 .what = fmt::format("etcd {}: HTTP {}: {}; {}", endpoint, status, line, remedy)};
    out.member_trouble = true;
    return out;
}

ErrorKind kind_of(const GrpcError& error) {
    switch (error.code) {
        case GrpcCode::not_found:
            return ErrorKind::not_found;
        case GrpcCode::invalid_argument:
            return ErrorKind::invalid_argument;
        case GrpcCode::out_of_range:
            return error.message.contains("compacted") ? ErrorKind::compacted
                                                       : ErrorKind::invalid_argument;
        case GrpcCode::unimplemented:
            return ErrorKind::unsupported;
        default:
            return ErrorKind::unavailable;
    }
}

std::string remedy_of(const GrpcError& error) {
    if (error.message.contains("invalid user ID or password"))
        return "; check user and password (etcdctl user passwd)";
    if (says_stale_token(error.message)) return "; give a user and password (etcdctl user list)";
    if (error.code == GrpcCode::permission_denied)
        return "; give the user's role readwrite on the prefix (etcdctl role grant-permission)";
    if (error.message.contains("database space exceeded"))
        return "; compact and defragment it (etcdctl compact, defrag, alarm disarm)";
    if (error.message.contains("leader"))
        return "; check that a majority of its members is up (etcdctl endpoint status --cluster)";
    return "";
}

}  // namespace

bool says_stale_token(std::string_view message) {
    return message.contains("invalid auth token") || message.contains("user name is empty") ||
           message.contains("revision of auth store is old") ||
           message.contains("revision in header is old");
}

EtcdRefusal explain_refusal(const std::string& endpoint, int status, std::string_view body) {
    const std::optional<GrpcError> error = parse_error(body);
    if (!error) return foreign(endpoint, status, body);
    EtcdRefusal out;
    out.stale_token = says_stale_token(error->message);
    out.error = {.kind = out.stale_token ? ErrorKind::unavailable : kind_of(*error),
                 .what = fmt::format("etcd {}: {}{}", endpoint, error->message, remedy_of(*error))};
    if (error->message.contains("invalid user ID or password"))
        out.error.kind = ErrorKind::unavailable;
    out.member_trouble = error->code == GrpcCode::unavailable ||
                         error->code == GrpcCode::deadline_exceeded ||
                         error->code == GrpcCode::unknown;
    return out;
}

}  // namespace overlab::real
