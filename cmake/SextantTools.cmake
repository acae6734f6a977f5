# Programs beside the compiler: ccache where it is present, clang-tidy where it is asked for.
find_program(SEXTANT_CCACHE ccache)
if(SEXTANT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SEXTANT_CCACHE})
endif()

if(SEXTANT_CLANG_TIDY)
  find_program(SEXTANT_CLANG_TIDY_PROGRAM NAMES clang-tidy-14 clang-tidy REQUIRED)
  # g++ flags that clang does not know are no finding.
  set(CMAKE_CXX_CLANG_TIDY ${SEXTANT_CLANG_TIDY_PROGRAM} --quiet --extra-arg=-Wno-unknown-warning-option)
endif()
