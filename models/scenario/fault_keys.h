// Fault keys: which keys of a fault belong to which kinds.
#pragma once

#include "models/fault/fault.h"
#include "models/scenario/json_cursor.h"

namespace overlab {

/// Reports keys at `fault` that have no meaning for the kind, and those that it must have and
/// `fault` has not. False if anything is missing.
bool check_fault_keys(const JsonCursor& fault, FaultSpec::Kind kind);

}  // namespace overlab
