#include "sim/tcp_client.h"

#include <ns3/inet-socket-address.h>

#include <utility>

namespace overlab::sim {
namespace {

constexpr std::int64_t retry_ns = 1'000'000'000;

using SocketPtr = ns3::Ptr<ns3::Socket>;

void forget_callbacks(PodTcpSocket& socket) {
    const auto none = ns3::MakeNullCallback<void, SocketPtr>();
    socket.SetConnectCallback(none, none);
    socket.SetCloseCallbacks(none, none);
    socket.SetSendCallback(ns3::MakeNullCallback<void, SocketPtr, std::uint32_t>());
}

}  // namespace

TcpClient::TcpClient(Pod& from, Target to, std::uint32_t flow_id, Events events)
    : from_(&from),
      to_(to),
      flow_id_(flow_id),
      events_(std::move(events)),
      retry_(from.engine(), [this] { connect(); }) {
    connect();
}

TcpClient::~TcpClient() {
    if (socket_ != nullptr) forget_callbacks(*socket_);
}

void TcpClient::connect() {
    socket_ = from_->new_tcp_socket();
    socket_->Bind();
    from_->device().label(IpProtocol::tcp, socket_->local_port(), flow_id_);
    socket_->SetConnectCallback([this](SocketPtr) { events_.connected(); },
                                [this](SocketPtr) { reconnect_later(); });
    socket_->SetCloseCallbacks([this](SocketPtr) { reconnect_later(); },
                               [this](SocketPtr) { reconnect_later(); });
    socket_->SetSendCallback([this](SocketPtr, std::uint32_t) { events_.writable(); });
    const ns3::Ipv4Address address(to_.pod->address().bits);
    socket_->Connect(ns3::InetSocketAddress(address, to_.port));
}

void TcpClient::reconnect_later() {
    if (socket_ == nullptr) return;
    drop();
    if (finished_) return;
    events_.lost();
    retry_.set(from_->engine().now_ns() + retry_ns);
}

void TcpClient::start_over() {
    if (finished_) return;
    if (socket_ != nullptr) {
        drop();
        events_.lost();
    }
    retry_.set(from_->engine().now_ns());
}

void TcpClient::drop() {
    retransmitted_before_ += socket_->retransmitted_segments();
    forget_callbacks(*socket_);
    socket_->abandon();
    socket_ = nullptr;
}

std::uint64_t TcpClient::retransmitted_segments() const {
    return retransmitted_before_ + (socket_ == nullptr ? 0 : socket_->retransmitted_segments());
}

void TcpClient::finish() {
    finished_ = true;
    retry_.cancel();
    if (socket_ != nullptr) socket_->Close();
}

}  // namespace overlab::sim
