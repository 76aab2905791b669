// FieldReader: reads the members of one JSON object and collects what is wrong with them, each with
// its JSON pointer, so that one run names every mistake. Keys match without regard to ASCII case
// and null is as good as absent, both as Go's decoder has it. Unlike Go, a key given twice is a
// problem.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/lease/json_value.h"
#include "models/lease/network_config.h"

namespace overlab {

/// The integers a field may have, both ends included.
struct FieldRange {
    std::int64_t min = 0;
    std::int64_t max = 0;
};

class FieldReader {
   public:
    /// `object` is of kind object; `pointer` is its own JSON pointer. Both it and `report` must
    /// outlive the reader.
    FieldReader(const JsonValue& object, std::string pointer, ParsedNetworkConfig& report);

    /// The member itself, or nullptr if it is absent or null. Marks the key as known.
    [[nodiscard]] const JsonValue* find(std::string_view key);
    /// True if the key is written at all, null included. Marks the key as known.
    [[nodiscard]] bool written(std::string_view key);

    /// The value, or nothing when the member is absent or wrong (then a problem has been noted).
    [[nodiscard]] std::optional<bool> boolean(std::string_view key);
    [[nodiscard]] std::optional<std::int64_t> integer(std::string_view key, FieldRange range);
    [[nodiscard]] std::optional<std::string> string(std::string_view key);

    /// The key is understood, but has no effect here: a warning if it is written.
    void ignored(std::string_view key, std::string_view why);

    void problem(std::string_view key, std::string message);
    void warning(std::string_view key, std::string message);

    /// Warns of every key that nobody asked for, naming the nearest that was. Call last.
    void finish();

    /// The member's pointer, with its key as written.
    [[nodiscard]] std::string pointer_to(std::string_view key) const;

   private:
    [[nodiscard]] const JsonMember* member(std::string_view key);

    const JsonValue& object_;
    std::string pointer_;
    ParsedNetworkConfig& report_;
    std::vector<std::string_view> known_;
};

/// True if the two are equal but for ASCII case.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] std::string to_lower(std::string_view text);

}  // namespace overlab
