// Child SAs of an IkeTunnel: their rows in the sink.
#include <algorithm>
#include <utility>

#include "models/backends/ipsec_backend.h"
#include "sim/ike_tunnel.h"

namespace overlab::sim {

IkeTunnel::Child IkeTunnel::make_child(std::uint32_t in_spi, std::uint32_t out_spi) const {
    const std::uint16_t encap = connection_.udp_encap ? udp_port::ike_nat : std::uint16_t{0};
    Child child;
    child.in = {connection_.remote, connection_.local, in_spi, IpsecBackend::reqid, encap};
    child.out = {connection_.local, connection_.remote, out_spi, IpsecBackend::reqid, encap};
    return child;
}

void IkeTunnel::install_in(Child child, const ChildKeys& keys, bool initiator) {
    child.out_key = initiator ? keys.to_responder : keys.to_initiator;
    daemon_.sink_.install(child.in, initiator ? keys.to_initiator : keys.to_responder);
    children_.push_back(child);
}

void IkeTunnel::install_out(Child& child) {
    daemon_.sink_.install(child.out, child.out_key);
    child.out_installed = true;
}

void IkeTunnel::install_both(const Child& child, const ChildKeys& keys, bool initiator) {
    install_in(child, keys, initiator);
    install_out(children_.back());
}

void IkeTunnel::withdraw_out(Child& child) {
    if (child.out_installed) daemon_.sink_.withdraw(child.out);
    child.out_installed = false;
}

void IkeTunnel::withdraw_child(Child& child) {
    withdraw_out(child);
    daemon_.sink_.withdraw(child.in);
    daemon_.child_spis_.erase(child.in.spi);
}

void IkeTunnel::withdraw_all_but(std::uint32_t in_spi) {
    for (Child& child : children_) {
        if (child.in.spi != in_spi) withdraw_child(child);
    }
    std::erase_if(children_, [&](const Child& child) { return child.in.spi != in_spi; });
}

IkeTunnel::Child* IkeTunnel::find_child(ChildState state) {
    const auto at = std::find_if(children_.begin(), children_.end(),
                                 [&](const Child& child) { return child.state == state; });
    return at == children_.end() ? nullptr : &*at;
}

/// The outbound half goes, the inbound half stays a while for packets under way.
void IkeTunnel::linger(Child& child) {
    withdraw_out(child);
    child.state = ChildState::lingering;
    child.remove_ns = now() + daemon_.options_.linger.ns;
}

void IkeTunnel::remove_lingering() {
    const auto over = [&](const Child& child) { return child.remove_ns <= now(); };
    for (Child& child : children_) {
        if (over(child)) withdraw_child(child);
    }
    std::erase_if(children_, over);
}

}  // namespace overlab::sim
