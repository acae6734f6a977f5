# One library per folder, one test binary per folder, the same warnings for all.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)

add_library(sextant_options INTERFACE)
target_include_directories(sextant_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(sextant_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers)  # designated initialisers leave members at their defaults
if(SEXTANT_WERROR)
  target_compile_options(sextant_options INTERFACE -Werror)
endif()
if(SEXTANT_SANITIZE)
  target_compile_options(sextant_options INTERFACE -fsanitize=${SEXTANT_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(sextant_options INTERFACE -fsanitize=${SEXTANT_SANITIZE})
endif()

# sextant_library(models SOURCES a.cpp ... PUBLIC fmt::fmt PRIVATE Eigen3::Eigen)
# makes the static library sextant_models with the alias sextant::models.
function(sextant_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(sextant_${name} STATIC ${ARG_SOURCES})
  add_library(sextant::${name} ALIAS sextant_${name})
  if(SEXTANT_SANITIZE)
    target_compile_options(sextant_${name} PRIVATE -O1)
  endif()
  target_link_libraries(sextant_${name} PUBLIC sextant_options fmt::fmt ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# All binaries with tests of label unit: what the sanitizers run.
add_custom_target(unit_tests)

# sextant_test(models SOURCES a_test.cpp ... LIBRARIES sextant::models [LABELS unit])
# makes the GoogleTest binary models_test and registers each of its tests.
function(sextant_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(${name}_test ${ARG_SOURCES})
  target_compile_options(${name}_test PRIVATE -O0)  # what they test is optimised; they compile in 2/3 of the time
  target_link_libraries(${name}_test PRIVATE ${ARG_LIBRARIES} GTest::gtest_main GTest::gmock)
  target_compile_definitions(${name}_test PRIVATE SEXTANT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name}_test TEST_PREFIX ${name}. PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300 DISCOVERY_TIMEOUT 60)
  if("unit" IN_LIST ARG_LABELS)
    add_dependencies(unit_tests ${name}_test)
  endif()
endfunction()
