// Test data in the layout of ONNX's backend tests: a folder test_data_set_N with input_0.pb, input_1.pb, ...,
// output_0.pb, ...; each a TensorProto, SequenceProto, OptionalProto or MapProto (onnx-data.proto), whichever
// the model's port declares.
#pragma once
#include <filesystem>
#include <vector>

#include "ir/core/model.h"
#include "ir/exec/compare.h"
#include "ir/ops/datum.h"

namespace lathe {

struct CaseData {
  std::filesystem::path folder;
  std::vector<Datum> inputs;   // one a graph input; empty where the port has a default
  std::vector<Datum> outputs;  // expected, by position; as many as there are files
};

// The folder itself if it holds input or output files, otherwise its test_data_set_* in order of N.
std::vector<std::filesystem::path> data_set_folders(const std::filesystem::path& folder);
// The files go to the ports that have no initializer, by position; if there are more files, to all ports.
CaseData read_case_data(const Model& m, const std::filesystem::path& folder);
// compare_each with the room that ONNX's own runner gives: bfloat16 at least two units in the last place.
Difference compare_case(const Datum& expected, const Datum& got, double rtol, double atol);
// One file that holds a value of this type.
Datum read_datum(const std::filesystem::path& file, const Type& type);

}  // namespace lathe
