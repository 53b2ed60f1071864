// What a kernel sees of its node at run time. Kernels check ranks, axes and indices themselves (a model is
// untrusted) and say what is wrong with fail(); the executor adds node and op.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "ir/core/model.h"
#include "ir/ops/datum.h"

namespace lathe {

class EvalCtx {
 public:
  EvalCtx(const Node& node, std::span<const Datum* const> in, size_t outputs)
      : node_(node), in_(in), out_(outputs) {}

  const Node& node() const { return node_; }
  const Attrs& attrs() const { return node_.attrs; }

  size_t inputs() const { return in_.size(); }
  bool has(size_t i) const { return i < in_.size() && in_[i] != nullptr && !in_[i]->empty(); }
  // A missing or non-tensor input is an error. in() and maybe() are aligned for their type: a misaligned view
  // of a mapped file is copied for the duration of the call. raw() is not: for byte moves and BLAS only.
  const Tensor& in(size_t i) const;
  const Tensor& in(size_t i, DType dtype) const;  // another element type is an error
  const Tensor& raw(size_t i) const;
  const Tensor* maybe(size_t i) const { return has(i) ? &in(i) : nullptr; }
  const Datum& datum(size_t i) const;  // sequences, optionals; an omitted input is an empty Datum
  const Sequence& sequence(size_t i) const;

  size_t outputs() const { return out_.size(); }
  bool wants(size_t i) const { return i < node_.out.size() && static_cast<bool>(node_.out[i]); }
  // Allocates output i, uninitialized. Zero-sized is fine.
  Tensor& out(size_t i, DType dtype, std::vector<int64_t> dims);
  void set(size_t i, Datum d) { out_[i] = std::move(d); }
  std::vector<Datum>& results() { return out_; }

  // Runs a subgraph (captures are bound by the executor).
  std::function<std::vector<Datum>(GraphId, std::vector<Datum>)> run_body;
  // Types of a subgraph's outputs, as declared or inferred.
  std::function<std::vector<Type>(GraphId)> body_types;
  uint64_t seed = 0;           // for Random* ops without a seed of their own
  int64_t max_iterations = 0;  // of a Loop; 0 = no limit
  int64_t max_bytes = 0;       // of one output tensor; 0 = no limit

 private:
  const Node& node_;
  std::span<const Datum* const> in_;
  std::vector<Datum> out_;
  mutable std::vector<std::pair<size_t, std::unique_ptr<Tensor>>> aligned_;  // by input
};

}  // namespace lathe
