# overlab_embed(TARGET file...): compiles text files into TARGET as
#   std::string_view overlab::embedded::text(std::string_view repository_path)
# so that the program needs no data directory at run time.
function(overlab_embed target)
    set(files ${ARGN})
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${target}_embedded.cc)
    add_custom_command(
        OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DOUT=${out} "-DFILES=${files}" -DROOT=${PROJECT_SOURCE_DIR}
                -P ${PROJECT_SOURCE_DIR}/cmake/embed_script.cmake
        DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_script.cmake
        VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()
