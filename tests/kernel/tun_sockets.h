// Sockets in a lab's namespaces, and one long TCP stream between them.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <stdexcept>
#include <string>

#include "models/net/address.h"
#include "real/base/fd.h"
#include "real/base/netns.h"

namespace overlab::test {

inline sockaddr_in socket_address(Ipv4Address address, std::uint16_t port) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    name.sin_addr.s_addr = htonl(address.bits);
    return name;
}

/// A socket in that namespace that gives up waiting after `patience_s`.
inline real::Fd open_socket(const real::Netns& where, int type, int protocol = 0,
                            int patience_s = 20) {
    const real::NetnsScope scope(where);
    real::Fd socket(::socket(AF_INET, type | SOCK_CLOEXEC, protocol));
    if (!socket.valid()) throw std::runtime_error("socket");
    const timeval patience{.tv_sec = patience_s, .tv_usec = 0};
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
        (void)::setsockopt(socket.get(), SOL_SOCKET, option, &patience, sizeof patience);
    }
    return socket;
}

inline void bind_to(const real::Fd& socket, Ipv4Address address, std::uint16_t port) {
    const sockaddr_in name = socket_address(address, port);
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        throw std::runtime_error("bind " + address.to_string());
    }
}

inline void connect_to(const real::Fd& socket, Ipv4Address address, std::uint16_t port) {
    const sockaddr_in name = socket_address(address, port);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
        throw std::runtime_error("connect " + address.to_string());
    }
}

struct TcpPair {
    real::Fd client, server;
};

/// A connection from one namespace to a listener in another.
inline TcpPair connect_tcp(const real::Netns& from, const real::Netns& to, Ipv4Address address,
                           std::uint16_t port = 5001) {
    const real::Fd listener = open_socket(to, SOCK_STREAM);
    bind_to(listener, address, port);
    if (::listen(listener.get(), 1) != 0) throw std::runtime_error("listen");
    TcpPair pair;
    pair.client = open_socket(from, SOCK_STREAM);
    connect_to(pair.client, address, port);
    pair.server = real::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!pair.server.valid()) throw std::runtime_error("accept");
    const timeval patience{.tv_sec = 20, .tv_usec = 0};
    (void)::setsockopt(pair.server.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return pair;
}

}  // namespace overlab::test
