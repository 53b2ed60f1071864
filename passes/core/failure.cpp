#include "passes/core/failure.h"

#include <fmt/format.h>

#include <algorithm>

#include "ir/base/output_file.h"
#include "ir/core/extract.h"
#include "ir/onnx/save.h"

namespace lathe {

void write_failure(const Model& m, const Patch& patch, const std::string& pass, const std::string& why,
                   const PassSettings& settings) {
  std::string stem = m[patch.root].name.empty() ? "node" : m[patch.root].name;
  std::replace_if(stem.begin(), stem.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  const auto dir = settings.failure_dir / fmt::format("{}-{}", patch.rule, stem.substr(0, 80));
  std::filesystem::create_directories(dir);
  std::vector<ValueId> before, after;
  for (const auto& [from, to] : patch.replace) {
    before.push_back(from);
    after.push_back(to);
  }
  save_model(extract(m, patch.taken, before), dir / "before.onnx");
  save_model(extract(m, patch.made, after), dir / "after.onnx");
  OutputFile note(dir / "README.txt");
  note.write(
      fmt::format("pass: {}\nrule: {}\nnode: {}\nseed: {}\nwhy: {}\n\nBoth sides of the rewrite are beside "
                  "this file. To see it again:\n  onnx-opt --passes={} --verify=patch MODEL\n",
                  pass, patch.rule, m[patch.root].name, settings.seed, why, pass));
  note.commit();
}

}  // namespace lathe
