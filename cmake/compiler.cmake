# Flags every target of ours is built with.
add_library(overlab_flags INTERFACE)
target_include_directories(overlab_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(overlab_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
    # Designated initialisers name what differs from the default; the rest is meant to be left out.
    -Wno-missing-field-initializers
    # Fused multiply-add would make doubles differ between machines.
    -ffp-contract=off
    # Source paths must not reach the binary: its digest is part of a result.
    -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)

# g++ 12 sees overlapping copies in std::string's operator+ that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    target_compile_options(overlab_flags INTERFACE -Wno-restrict)
endif()

# clang sees libstdc++ 12 use its own deprecated std::get_temporary_buffer in std::stable_sort.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(overlab_flags INTERFACE -Wno-deprecated-declarations)
endif()

option(OVERLAB_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
if(OVERLAB_SANITIZE)
    target_compile_options(overlab_flags INTERFACE
        -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(overlab_flags INTERFACE -fsanitize=address,undefined)
endif()
