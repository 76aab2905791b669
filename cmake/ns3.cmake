# Debian's ns-3 3.37. Its CMake package demands GSL, SQLite and libxml2 development files that we never use,
# so the few libraries are named here. Headers are in the default include path (sim/ only: a lint test).
add_library(overlab_ns3 INTERFACE)
foreach(module core network internet bridge traffic-control stats)
    find_library(NS3_${module} NAMES ns3-${module} REQUIRED)
    target_link_libraries(overlab_ns3 INTERFACE ${NS3_${module}})
endforeach()
# Debian's libraries are built with logging: some classes have members only then, so our view must match.
target_compile_definitions(overlab_ns3 INTERFACE NS3_LOG_ENABLE)
