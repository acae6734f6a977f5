# Runs one case of mpi_launch_probe and checks how the job ends:
#   cmake -DMPIRUN= -DPROBE= -DCASE= -DCODE= -DLINE= -P launch_probe.cmake
# exit code CODE and, over all ranks, exactly one line of stderr from the program ("told: ..." or
# "sextant: ..."), which is LINE as a regular expression; none where LINE is empty.
execute_process(
  COMMAND ${MPIRUN} -np 4 --oversubscribe ${PROBE} ${CASE}
  RESULT_VARIABLE code ERROR_VARIABLE stderr OUTPUT_VARIABLE stdout TIMEOUT 30)
string(REGEX MATCHALL "(told|sextant): [^\n]*" lines "${stderr}")
list(LENGTH lines count)

if(NOT code STREQUAL CODE)
  message(FATAL_ERROR "exit code ${code}, expected ${CODE}\n${stderr}")
endif()
if(LINE STREQUAL "")
  if(NOT count EQUAL 0)
    message(FATAL_ERROR "expected no message\n${stderr}")
  endif()
elseif(NOT count EQUAL 1 OR NOT lines MATCHES "^${LINE}$")
  message(FATAL_ERROR "${count} messages, expected one: ${LINE}\n${stderr}")
endif()
