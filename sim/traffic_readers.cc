#include "sim/traffic_readers.h"

#include <algorithm>
#include <utility>

#include "models/net/flow_hash.h"

namespace overlab::sim {
namespace {

/// When a program that sleeps in recv() runs after data came for it.
std::int64_t awake_ns(Pod& pod) {
    const HostCpu& cpu = pod.cpu();
    return pod.engine().now_ns() + (cpu.enabled() ? cpu.profile().wakeup_ns : 0);
}

std::uint64_t incoming_hash(Pod& pod, const PodTcpSocket& socket) {
    return flow_hash(socket.peer_address(), pod.address(),
                     static_cast<std::uint8_t>(IpProtocol::tcp), socket.peer_port(),
                     socket.local_port());
}

}  // namespace

// --- TCP -----------------------------------------------------------------------------------------

TcpReader::TcpReader(Pod& pod, ns3::Ptr<PodTcpSocket> socket,
                     std::function<void(std::uint32_t)> on_read)
    : pod_(&pod),
      socket_(socket),
      on_read_(std::move(on_read)),
      core_(pod.cpu().application_core(incoming_hash(pod, *socket_))),
      alarm_(pod.engine(), [this] { read_done(); }) {
    socket_->SetRecvCallback([this](ns3::Ptr<ns3::Socket>) { wake(); });
}

TcpReader::~TcpReader() {
    socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
}

void TcpReader::wake() {
    if (!reading_) read(awake_ns(*pod_));
}

void TcpReader::read(std::int64_t ready_ns) {
    reading_ = true;
    while (reading_) {
        bytes_ = std::min(socket_->GetRxAvailable(), most_read_bytes);
        if (bytes_ == 0) {
            reading_ = false;
            if (close_when_read_) socket_->Close();
            return;
        }
        HostCpu& cpu = pod_->cpu();
        const std::uint32_t segment = socket_->segment_bytes();
        const std::int64_t cost_ns =
            cpu.charge(CostStage::app_receive, (bytes_ + segment - 1) / segment, bytes_);
        const std::int64_t done_ns = cpu.book(core_, ready_ns, cost_ns);
        if (done_ns > pod_->engine().now_ns()) return alarm_.set(done_ns);
        socket_->Recv(bytes_, 0);
        on_read_(bytes_);
    }
}

void TcpReader::read_done() {
    socket_->Recv(bytes_, 0);
    on_read_(bytes_);
    read(pod_->engine().now_ns());
}

void TcpReader::close_when_read() {
    close_when_read_ = true;
    if (!reading_ && socket_->GetRxAvailable() == 0) socket_->Close();
}

// --- UDP -----------------------------------------------------------------------------------------

UdpReader::UdpReader(Pod& pod, ns3::Ptr<ns3::Socket> socket, std::uint64_t flow_hash,
                     Handler on_read)
    : pod_(&pod),
      socket_(socket),
      on_read_(std::move(on_read)),
      core_(pod.cpu().application_core(flow_hash)),
      alarm_(pod.engine(), [this] {
          on_read_(std::exchange(datagram_, nullptr), from_);
          read(pod_->engine().now_ns());
      }) {
    socket_->SetRecvCallback([this](ns3::Ptr<ns3::Socket>) { wake(); });
}

UdpReader::~UdpReader() {
    socket_->SetRecvCallback(ns3::MakeNullCallback<void, ns3::Ptr<ns3::Socket>>());
}

void UdpReader::wake() {
    if (!reading_) read(awake_ns(*pod_));
}

void UdpReader::read(std::int64_t ready_ns) {
    reading_ = true;
    while ((datagram_ = socket_->RecvFrom(0xffff'ffff, 0, from_)) != nullptr) {
        HostCpu& cpu = pod_->cpu();
        const std::int64_t cost_ns = cpu.charge(CostStage::app_receive, 1, datagram_->GetSize());
        const std::int64_t done_ns = cpu.book(core_, ready_ns, cost_ns);
        if (done_ns > pod_->engine().now_ns()) return alarm_.set(done_ns);
        on_read_(std::exchange(datagram_, nullptr), from_);
    }
    reading_ = false;
}

}  // namespace overlab::sim
