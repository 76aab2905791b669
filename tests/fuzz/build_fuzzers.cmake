# Configures and builds in BUILD, with clang and sanitizers, the fuzz programs and overlab itself (whose results
# tests/determinism compares with g++'s); run by ctest (see CMakeLists.txt). Deprecations are
# not ours: libstdc++'s own stable_sort uses what C++17 deprecates.
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(NOT result EQUAL 0)
        message("${text}")  # as it is: FATAL_ERROR would fill the lines
        message(FATAL_ERROR "building the fuzz programs failed")
    endif()
endfunction()

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Fuzz -DOVERLAB_FUZZ=ON
    -DCMAKE_C_COMPILER=${CC} -DCMAKE_CXX_COMPILER=${CXX}
    "-DCMAKE_CXX_FLAGS=-O1 -g1 -Wno-deprecated-declarations -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined")
run(${CMAKE_COMMAND} --build ${BUILD} --target overlab_fuzz overlab --parallel 2)
