// The format of tests/golden/<pass>/<case>.ot:
//   # why the case is there
//   run: a,b{option=value}      the pipeline
//   target: standard            optional
//   growth: 4096                optional: bytes that folding may add
//   remarks: text               optional, repeatable: a missed rewrite must say this
//   check: none                 optional: the model cannot be executed (custom ops)
//   <input in ONNX text syntax: a graph, or a model with its header>
//   expect:
//   <text, or the word unchanged>
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace lathe {

struct GoldenCase {
  std::string head;  // everything up to and with "expect:", as it stands
  std::string run, target = "ort-cpu", input, expect;
  int64_t growth = 0;
  bool executes = true;
  std::vector<std::string> remarks;
};

GoldenCase read_case(const std::filesystem::path& path);
// Replaces what follows "expect:".
void write_expectation(const std::filesystem::path& path, const GoldenCase& c, const std::string& text);

}  // namespace lathe
