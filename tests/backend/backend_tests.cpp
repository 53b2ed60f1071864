// ONNX's own backend cases against the executor: one GoogleTest a case, named backend_<kind>.<case>. A case
// in tests/known_failures.txt must fail, every other one must pass.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <set>

#include "ir/exec/case_data.h"
#include "ir/exec/executor.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/load.h"
#include "ir/ops/infer.h"
#include "tests/backend/random_cases.h"

namespace lathe::test {
namespace {

namespace fs = std::filesystem;

std::set<std::string> known_failures() {
  std::ifstream file("tests/known_failures.txt");
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);)
    if (const size_t end = line.find(" : "); line.starts_with("backend_") && end != std::string::npos)
      names.insert(line.substr(0, end));
  return names;
}

struct Tolerance {
  double rtol = 1e-3, atol = 1e-7;  // onnx.backend.test's own
};
Tolerance tolerance_of(const fs::path& folder) {
  std::ifstream file(folder / "data.json");
  if (!file) return {};
  const auto json = nlohmann::json::parse(file);
  return {json.value("rtol", Tolerance().rtol), json.value("atol", Tolerance().atol)};
}

// Inference must not claim what the run disproves.
std::string type_fault(const Type& claimed, const Datum& got) {
  const Tensor* t = got.tensor();
  if (t == nullptr || !claimed.is_tensor()) return "";
  const std::string is = Type::tensor(t->dtype, Shape(t->dims.begin(), t->dims.end())).str();
  bool fits = claimed.dtype == DType::Undefined || claimed.dtype == t->dtype;
  if (claimed.shape) {
    fits = fits && claimed.shape->size() == t->dims.size();
    for (size_t i = 0; fits && i < t->dims.size(); ++i)
      fits = !(*claimed.shape)[i].is_const() || (*claimed.shape)[i].value() == t->dims[i];
  }
  return fits ? "" : fmt::format("inferred as {}, comes out as {}", claimed.str(), is);
}

// What is wrong with the case; empty if nothing is.
std::string fault_of(const fs::path& folder) {
  try {
    const std::string name = folder.filename().string();
    const Tolerance tolerance = tolerance_of(folder);
    Model m = load_model(folder / "model.onnx");
    const auto sets = data_set_folders(folder);
    std::vector<CaseData> data;
    for (const fs::path& set : sets) data.push_back(read_case_data(m, set));
    std::vector<std::vector<Datum>> results;
    for (const CaseData& d : data) {
      if (is_random_case(name)) return check_random_case(name, m, d);
      const auto out = Executor(m).run(d.inputs);
      for (size_t i = 0; i < d.outputs.size(); ++i)
        if (const Difference diff = compare_case(d.outputs[i], out[i], tolerance.rtol, tolerance.atol);
            !diff.same)
          return fmt::format("output {}: {}", i, diff.text);
      results.push_back(out);
    }
    // Once more as passes see it: typed, and lifted as far as types allow.
    infer_types(m);
    const bool lifted = lift_marked(m) > 0;
    if (lifted) infer_types(m);
    const auto values = m.outputs(m.main());
    for (size_t k = 0; k < data.size(); ++k) {
      for (size_t i = 0; i < values.size(); ++i)
        if (const auto why = values[i] ? type_fault(m[values[i]].type, results[k][i]) : ""; !why.empty())
          return fmt::format("output {}: {}", i, why);
      if (!lifted) continue;
      const auto out = Executor(m).run(data[k].inputs);
      for (size_t i = 0; i < data[k].outputs.size(); ++i)
        if (const Difference diff = compare_case(results[k][i], out[i], tolerance.rtol, tolerance.atol);
            !diff.same)
          return fmt::format("lifted, output {}: {}", i, diff.text);
    }
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

class BackendCase : public ::testing::Test {
 public:
  BackendCase(fs::path folder, bool known) : folder_(std::move(folder)), known_(known) {}
  void TestBody() override {
    const std::string fault = fault_of(folder_);
    if (known_)
      EXPECT_NE(fault, "") << "passes now: take it off tests/known_failures.txt";
    else
      EXPECT_EQ(fault, "");
  }

 private:
  fs::path folder_;
  bool known_;
};

// Every name in the list must be that of a case.
class KnownFailures : public ::testing::Test {
 public:
  explicit KnownFailures(std::set<std::string> stale) : stale_(std::move(stale)) {}
  void TestBody() override {
    for (const std::string& name : stale_) ADD_FAILURE() << name << " is no backend case";
  }

 private:
  std::set<std::string> stale_;
};

std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& e : fs::directory_iterator(folder))
    if (e.is_directory()) out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

bool register_cases(const fs::path& root) {
  if (!fs::exists(root / ".done")) {
    std::cerr << "no backend cases in " << root.string() << " (./dev cases makes them)\n";
    return false;
  }
  const auto known = known_failures();
  auto stale = known;
  for (const fs::path& kind : folders_in(root)) {
    std::string suite = "backend_" + kind.filename().string();
    std::replace(suite.begin(), suite.end(), '-', '_');
    for (const fs::path& folder : folders_in(kind)) {
      const std::string name = folder.filename().string(), full = suite + "." + name;
      stale.erase(full);
      ::testing::RegisterTest(
          suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
          [folder, listed = known.contains(full)] { return new BackendCase(folder, listed); });
    }
  }
  ::testing::RegisterTest("backend", "known_failures_are_cases", nullptr, nullptr, __FILE__, __LINE__,
                          [stale] { return new KnownFailures(stale); });
  return true;
}

}  // namespace
}  // namespace lathe::test

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  const char* given = std::getenv("LATHE_CASES");
  const std::string root = given != nullptr ? given : "build/backend-cases";
  if (!lathe::test::register_cases(std::filesystem::path(root) / LATHE_ONNX_VERSION)) return 1;
  return RUN_ALL_TESTS();
}
