// Catch2 for test files that include headers of ours with a CHECK in them: Catch2's CHECK takes
// over from here on. Include it after every other header.
#pragma once

#include "models/base/check.h"
#undef CHECK
#include <catch2/catch.hpp>
