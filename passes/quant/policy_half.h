// Rules that give fp16 or bf16: which nodes they mean, and the half passes (passes/quant/half) over those.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "passes/core/context.h"
#include "passes/quant/half/half_values.h"
#include "passes/quant/half/plan.h"
#include "passes/quant/policy.h"

namespace lathe {

class PolicyHalves {
 public:
  PolicyHalves(const Policy& policy, int64_t min_elements, std::string data);
  bool any() const { return !kinds_.empty(); }

  // What the rules say of each node as it stands, weights of `all` bytes in sum. Gives the places of the
  // rules for halves that mean something. Nodes made later follow what is around them.
  std::set<std::string> read(const Model& m, const Roles& roles, int64_t all);
  bool wants(NodeId n) const;

  // Told of each site that the quantizers look at, in their order, and of its rule: is it to be half?
  bool takes(const Model& m, const WeightSite& site, const PolicyRule* rule);

  // Behind quantize_weights(), whose records become current.
  void apply(PassContext& ctx);

 private:
  struct Wish {
    HalfWish wish = HalfWish::follow;
    DType dtype = DType::F16;  // of a wanted one
    std::string rule;          // its place
  };
  struct Site {
    NodeId node;
    ValueId weight;  // as the node reads it
  };
  static Wish wish_of(const PolicyRule* rule, Role role, bool weight, bool small);
  void apply(PassContext& ctx, DType dtype);
  void record(PassContext& ctx, const HalfKind& kind, const HalfPlan& plan,
              const std::vector<HalfConstant>& made) const;
  std::string why_not(const PassContext& ctx, const Site& site, const HalfPlan& plan) const;

  const Policy& policy_;
  int64_t min_elements_;
  std::string data_;
  std::vector<DType> kinds_;
  std::map<NodeId, Wish> wishes_;
  std::vector<Site> sites_;
};

}  // namespace lathe
