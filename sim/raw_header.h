// RawHeader: puts ready-made bytes in front of an ns3::Packet, in place and without a copy of the
// payload.
#pragma once

#include <ns3/header.h>

#include <cstdint>
#include <span>

namespace overlab::sim {

class RawHeader final : public ns3::Header {
   public:
    /// The bytes must outlive the AddHeader() call.
    explicit RawHeader(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    ns3::TypeId GetInstanceTypeId() const override { return ns3::Header::GetTypeId(); }
    std::uint32_t GetSerializedSize() const override {
        return static_cast<std::uint32_t>(bytes_.size());
    }
    void Serialize(ns3::Buffer::Iterator at) const override {
        at.Write(bytes_.data(), GetSerializedSize());
    }
    std::uint32_t Deserialize(ns3::Buffer::Iterator) override { return GetSerializedSize(); }
    void Print(std::ostream&) const override {}

   private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace overlab::sim
