// The message format of strongSwan's control protocol VICI: named values, lists and sections in
// sections (src/libcharon/plugins/vici/README.md of strongSwan, "Message format").
//
// Values are blobs; strongSwan puts text into them, and never a terminating NUL.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "models/base/error.h"

namespace overlab::real {

struct ViciEntry;

/// The entries of a section, in their order; names may repeat on the wire, lookups find the first.
struct ViciSection {
    std::vector<ViciEntry> entries;

    /// These answer the section itself, so that calls can be chained.
    ViciSection& add(std::string name, std::string value);
    ViciSection& add_list(std::string name, std::vector<std::string> items);
    ViciSection& add_section(std::string name, ViciSection section);

    /// Empty text, empty list, null: there is none of that kind.
    [[nodiscard]] std::string_view value(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
    [[nodiscard]] const ViciSection* section(std::string_view name) const;

    friend bool operator==(const ViciSection&, const ViciSection&);
};

struct ViciEntry {
    std::string name;
    std::variant<std::string, std::vector<std::string>, ViciSection> content;

    friend bool operator==(const ViciEntry&, const ViciEntry&) = default;
};

/// Limits of the format's length fields, and of the nesting that we follow.
inline constexpr std::size_t vici_name_limit = 255, vici_value_limit = 65535;
inline constexpr std::size_t vici_depth_limit = 16;

/// Errors: invalid_argument (a name or value too long, sections nested too deep); they name the
/// entry and never show its value, which may be a key.
[[nodiscard]] Result<std::string> encode_vici(const ViciSection& message);

/// Errors: invalid_argument (not a well-formed message; says at which byte).
[[nodiscard]] Result<ViciSection> decode_vici(std::string_view bytes);

}  // namespace overlab::real
