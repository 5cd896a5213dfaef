# Turns kernels/*.cl into one C++ file of string constants, with #include "x.clh" resolved here,
# so that the binary carries its kernels and needs no file at run time.
# Run as: cmake -DSOURCES="a.cl;b.cl" -DFOLDER=… -DOUTPUT=… -P embed_kernels.cmake
# SPDX-License-Identifier: Apache-2.0
function(read_resolved path result)
  file(READ ${path} text)
  string(REGEX MATCHALL "#include \"[a-z0-9_]+\\.clh\"" includes "${text}")
  foreach(line IN LISTS includes)
    string(REGEX REPLACE "#include \"([a-z0-9_]+\\.clh)\"" "\\1" name "${line}")
    read_resolved(${FOLDER}/${name} body)
    string(REPLACE "${line}" "${body}" text "${text}")
  endforeach()
  set(${result} "${text}" PARENT_SCOPE)
endfunction()

set(code "// Generated from kernels/*.cl; do not edit.\n#include \"kernels/sources.hpp\"\nnamespace gantry::kernels {\nnamespace {\n")
set(table "")
foreach(path IN LISTS SOURCES)
  get_filename_component(name ${path} NAME_WE)
  read_resolved(${path} text)
  # A string literal may hold 65 536 bytes by the standard's minimum: split long files.
  string(APPEND code "constexpr char k_${name}[] =\n")
  string(LENGTH "${text}" length)
  set(position 0)
  while(position LESS length)
    string(SUBSTRING "${text}" ${position} 12000 part)
    string(APPEND code "R\"~~(${part})~~\"\n")
    math(EXPR position "${position} + 12000")
  endwhile()
  string(APPEND code ";\n")
  string(APPEND table "  if (family == \"${name}\") return k_${name};\n")
endforeach()
string(APPEND code "}  // namespace\nstd::string_view source([[maybe_unused]] std::string_view family) {\n${table}  return {};\n}\n}  // namespace gantry::kernels\n")
file(WRITE ${OUTPUT} "${code}")
