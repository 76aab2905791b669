#include "sim/tcp_server.h"

#include <ns3/inet-socket-address.h>

#include <utility>

namespace overlab::sim {

using SocketPtr = ns3::Ptr<ns3::Socket>;

namespace {

void forget_close(PodTcpSocket& socket) {
    const auto none = ns3::MakeNullCallback<void, SocketPtr>();
    socket.SetCloseCallbacks(none, none);
}

}  // namespace

TcpServer::TcpServer(Pod& pod, std::uint16_t port, std::uint32_t flow_id, OnAccept accepted)
    : pod_(&pod), accepted_(std::move(accepted)), listener_(pod.new_tcp_socket()) {
    pod.device().label(IpProtocol::tcp, port, flow_id);
    listener_->Bind(ns3::InetSocketAddress(ns3::Ipv4Address::GetAny(), port));
    listener_->Listen();
    listener_->SetAcceptCallback([](SocketPtr, const ns3::Address&) { return true; },
                                 [this](SocketPtr socket, const ns3::Address&) {
                                     accept(ns3::DynamicCast<PodTcpSocket>(socket));
                                 });
}

TcpServer::~TcpServer() {
    listener_->SetAcceptCallback(ns3::MakeNullCallback<bool, SocketPtr, const ns3::Address&>(),
                                 ns3::MakeNullCallback<void, SocketPtr, const ns3::Address&>());
    for (const Connection& connection : connections_) forget_close(*connection.socket);
}

void TcpServer::accept(const ns3::Ptr<PodTcpSocket>& socket) {
    CHECK(socket != nullptr);
    auto reader = std::make_unique<TcpReader>(*pod_, socket, accepted_(socket));
    socket->SetCloseCallbacks([reader = reader.get()](SocketPtr) { reader->close_when_read(); },
                              ns3::MakeNullCallback<void, SocketPtr>());
    connections_.push_back({socket, std::move(reader)});
}

std::uint64_t TcpServer::retransmitted_segments() const {
    std::uint64_t sum = 0;
    for (const Connection& connection : connections_) {
        sum += connection.socket->retransmitted_segments();
    }
    return sum;
}

void TcpServer::drop_connections() {
    for (Connection& connection : connections_) {
        if (connection.reader == nullptr) continue;
        forget_close(*connection.socket);
        connection.reader = nullptr;
        connection.socket->abandon();
    }
}

}  // namespace overlab::sim
