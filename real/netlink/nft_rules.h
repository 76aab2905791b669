// The rules that filter rows stand for, in libnftables' JSON (libnftables-json(5)): written to the
// kernel and compared with what it shows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/base/error.h"
#include "models/forwarding/rows.h"

namespace overlab::real {

inline constexpr std::string_view filter_table = "overlab";

/// One transaction that leaves exactly the row's rules in its chain, making table and chain.
[[nodiscard]] std::string install_command(const FilterRow& row);
/// One transaction that removes the chain, which may be absent.
[[nodiscard]] std::string withdraw_command(const FilterRow& row);
/// The rows whose chains are just as install_command() leaves them, ascending, in what `list table`
/// printed. Errors: invalid_argument (no JSON as nft prints it).
[[nodiscard]] Result<std::vector<FilterRow>> read_table(std::string_view listing);
/// True if `list table` printed a chain.
[[nodiscard]] bool has_chains(std::string_view listing);

}  // namespace overlab::real
