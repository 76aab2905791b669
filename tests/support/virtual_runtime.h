// VirtualRuntime, by the name that tests know it by.
#pragma once

#include "models/crosscheck/virtual_runtime.h"

namespace overlab::test {
using overlab::VirtualRuntime;
}  // namespace overlab::test
