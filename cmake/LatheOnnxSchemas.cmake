# onnx_schema_table.inc: one line LATHE_SCHEMA(set, version, op) for each schema that the onnx library declares, read
# from its headers. With it ir/onnx/schema.cpp builds the schemas it is asked for, and no others: filling the library's
# own registry costs 40 ms.
set(onnx_schema_table ${CMAKE_BINARY_DIR}/generated/onnx_schema_table.inc)
set(onnx_schema_lines)
foreach(header operator_sets operator_sets_ml operator_sets_preview)
  file(STRINGS ${onnx_root}/include/onnx/defs/${header}.h lines REGEX "^class ONNX_.*SCHEMA_CLASS_NAME\\(")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^class ONNX_PREVIEW_OPERATOR_SET_SCHEMA_CLASS_NAME\\(" "LATHE_SCHEMA(OnnxPreview, " line "${line}")
    string(REGEX REPLACE "^class ONNX_OPERATOR_SET_SCHEMA_CLASS_NAME\\(" "LATHE_SCHEMA(" line "${line}")
    string(REGEX REPLACE "[\r; ]+$" "" line "${line}")
    string(APPEND onnx_schema_lines "${line}\n")
  endforeach()
endforeach()
file(CONFIGURE OUTPUT ${onnx_schema_table} CONTENT "${onnx_schema_lines}" @ONLY)
