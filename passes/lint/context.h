// What a lint works in: the file as it is spelled, the model as rules see it, and analyses of it, each made
// when first asked for.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/base/mapped_file.h"
#include "ir/core/model.h"
#include "ir/onnx/tensor_scan.h"
#include "passes/analysis/axes.h"
#include "passes/analysis/ranges.h"
#include "passes/analysis/shapes.h"
#include "passes/core/target.h"
#include "passes/lint/lint.h"
#include "passes/lint/weight_stats.h"

namespace lathe::lint {

// A rewrite that `onnx-opt -O2` would make.
struct Rewrite {
  std::string pass, group, rule, node, what;  // what became of the node
};

class Context {
 public:
  Context(std::shared_ptr<const MappedFile> file, std::string label, std::filesystem::path folder,
          Target target);

  const Target& target() const { return target_; }
  const std::filesystem::path& folder() const { return folder_; }
  size_t file_bytes() const { return file_->bytes().size(); }
  size_t data_bytes() const;  // of the constants that lie in external data

  // --- the file
  // Why the loader refuses it; then there is no model.
  const std::optional<std::string>& refused() const { return refused_; }
  const std::vector<std::string>& load_warnings() const { return warnings_; }
  // Tensors with external data or with several payloads, wherever they stand.
  const std::vector<TensorRecord>& tensors() const { return tensors_; }
  // Why external data could not be opened, if it could not; the models then lack its bytes.
  const std::optional<std::string>& data_error() const { return data_error_; }

  // Why the data is not what the checksums in the model say, if it is not. Reads all of it.
  std::optional<std::string> checksum_error() const;

  // --- the models; node and value ids of the one mean the same in the other
  const Model& spelled() const { return *spelled_; }  // as the file spells its ops
  const Model& model();                               // lifted, with inferred types
  const Shapes& shapes();
  const Ranges& ranges();
  const Axes* axes();  // null where shape analysis found a contradiction
  const std::optional<std::string>& contradiction();
  const std::vector<Rewrite>& rewrites();
  // Does some output of the graph around it depend on the node?
  bool alive(NodeId n);
  bool is_shape_math(ValueId v);  // a tensor of at most a few elements
  // Every constant of floats in the file, in its order.
  void for_each_weight(const std::function<void(ValueId, const Tensor&, const WeightStats&)>& body);

  void report(Place place, std::string text, std::optional<Severity> severity = std::nullopt);
  void at_node(NodeId n, std::string text, std::optional<Severity> severity = std::nullopt);
  void at_constant(ValueId v, std::string text, std::optional<Severity> severity = std::nullopt);

 private:
  friend std::vector<Finding> run_lints(Context& context, const std::vector<const LintDef*>& lints,
                                        bool skip_weights);
  void load();

  std::shared_ptr<const MappedFile> file_;
  std::string label_;
  std::filesystem::path folder_;
  Target target_;
  std::vector<TensorRecord> tensors_;
  std::optional<std::string> refused_, data_error_, contradiction_;
  std::vector<std::string> warnings_;
  std::optional<Model> spelled_, model_;
  std::optional<Shapes> shapes_;
  std::optional<Ranges> ranges_;
  std::optional<Axes> axes_;
  bool axes_tried_ = false;
  std::optional<std::vector<Rewrite>> rewrites_;
  std::optional<std::vector<bool>> alive_;
  std::optional<std::vector<std::pair<ValueId, WeightStats>>> weights_;
  const LintDef* running_ = nullptr;
  std::vector<Finding> findings_;
};

// Findings in the order of the lints, within each in that of the file.
std::vector<Finding> run_lints(Context& context, const std::vector<const LintDef*>& lints,
                               bool skip_weights = false);

}  // namespace lathe::lint
