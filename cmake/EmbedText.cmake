# cmake -DOUT=assets.cpp "-DFILES=a/page.html;chart.js=/b/chart.min.js" -P EmbedText.cmake
# writes the texts of files as the C++ function sextant::report_asset (tools/report/report_assets.h);
# a file goes by its own name unless one is given before '='.
set(entries "")
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME name)
  if(file MATCHES "^([^=]+)=(.+)$")
    set(name ${CMAKE_MATCH_1})
    set(file ${CMAKE_MATCH_2})
  endif()
  file(READ "${file}" text)
  string(FIND "${text}" ")embedded\"" clash)
  if(NOT clash EQUAL -1)
    message(FATAL_ERROR "${file} holds the mark that ends the embedded text")
  endif()
  string(APPEND entries "  if (name == \"${name}\") return R\"embedded(${text})embedded\";\n")
endforeach()
file(WRITE "${OUT}" "#include \"tools/report/report_assets.h\"

namespace sextant {

std::string_view report_asset(std::string_view name) {
${entries}  return {};
}

}  // namespace sextant
")
