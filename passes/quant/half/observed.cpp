#include "passes/quant/half/observed.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ir/core/walk.h"
#include "ir/exec/compare.h"
#include "ir/ops/convert.h"
#include "ir/ops/op_def.h"
#include "passes/quant/calibrate.h"
#include "passes/quant/half/float_parts.h"
#include "passes/quant/half/slots.h"

namespace lathe {
namespace {

constexpr double kNoNumber = 1e30;  // beyond it a float32 is an infinity in disguise
constexpr int64_t kMaxMask = int64_t{1} << 22;
constexpr size_t kMaxTrials = 8;

void add(Magnitude& m, const Tensor& t) {
  const Tensor x = t.aligned();
  for (const float f : x.data<float>()) {
    const double a = std::fabs(static_cast<double>(f));
    if (!(a <= std::numeric_limits<float>::max())) continue;
    m.largest = std::max(m.largest, a);
    if (a > 0) m.smallest = std::min(m.smallest, a);
    m.square += a * a;
    ++m.count;
  }
}

struct Seen {
  std::unordered_map<ValueId, Magnitude> of;
  std::vector<Datum> outputs;  // of all runs
};

Seen look(const PassContext& ctx, const Model& m, const std::string& data) {
  Seen seen;
  const std::vector<ValueId> outputs = m.outputs(m.main());
  CalibrationOptions c;
  c.data = data;
  c.seed = ctx.settings.seed;
  c.batch = 4;
  c.length = 32;
  run_calibration(
      m, ctx.values, c,
      [&](ValueId v, const Datum& d) {
        if (d.tensor() != nullptr && d.tensor()->dtype == DType::F32) add(seen.of[v], *d.tensor());
        if (std::find(outputs.begin(), outputs.end(), v) != outputs.end()) seen.outputs.push_back(d);
      },
      [&] { seen = Seen(); });
  return seen;
}

bool same_outputs(const Seen& a, const Seen& b) {
  constexpr double kRounding = 1e-5;
  if (a.outputs.size() != b.outputs.size()) return false;
  for (size_t i = 0; i < a.outputs.size(); ++i)
    if (!compare(a.outputs[i], b.outputs[i], kRounding, 1e-30).same) return false;
  return true;
}

// The largest number of a tensor that says "nothing" or "never" and no more: zeros, infinities, and numbers
// beyond the type. 0 for any other.
double mask_size(const Tensor& t, const HalfKind& kind) {
  double most = 0;
  bool is_mask = true;
  in_float_parts(t, [&](std::span<const float> part) {
    for (const float x : part) {
      const double a = std::fabs(static_cast<double>(x));
      if (a == 0 || !std::isfinite(x)) continue;
      is_mask = a > kind.largest;
      if (!is_mask) break;
      most = std::max(most, a);
    }
    return is_mask;
  });
  return is_mask ? most : 0;
}

Tensor clamped(const Tensor& t, double limit) {
  Tensor out = Tensor::of<float>(DType::F32, t.dims, t.aligned().data<float>());
  const auto most = static_cast<float>(limit);
  for (float& x : out.mutable_data<float>())
    if (std::isfinite(x)) x = std::clamp(x, -most, most);
  return out;
}

struct Mask {
  ValueId value;
  double largest = 0;
};

std::vector<Mask> find_masks(const Model& m, const HalfKind& kind) {
  std::vector<Mask> masks;
  const auto look_at = [&](ValueId v) {
    const Tensor* t = v ? m.constant(v) : nullptr;
    if (t == nullptr || t->dtype != DType::F32 || t->count() > kMaxMask || m[v].uses.empty()) return;
    if (const double most = mask_size(*t, kind); most > 0) masks.push_back({v, most});
  };
  for (const GraphId g : nested_graphs(m, m.main())) {
    for (const ValueId v : m[g].initializers) look_at(v);
    for (const NodeId n : m.nodes(g))
      if (m[n].is("Constant")) look_at(m[n].output(0));
  }
  return masks;
}

void set_clamped(Model& m, const Mask& mask, const HalfKind& kind) {
  m.set_constant(mask.value,
                 std::make_shared<const Tensor>(clamped(*m.constant(mask.value), kind.largest / 2)));
}

// The masks that may be clamped; `seen` becomes what the clamped model shows.
std::vector<Mask> harmless(const PassContext& ctx, const std::vector<Mask>& masks, const HalfKind& kind,
                           const std::string& data, Seen& seen) {
  const Seen before = std::exchange(seen, Seen());
  const auto trial = [&](const std::vector<Mask>& some) {
    Model copy = ctx.model;
    for (const Mask& mask : some) set_clamped(copy, mask, kind);
    seen = look(ctx, copy, data);
    return same_outputs(before, seen);
  };
  if (trial(masks)) return masks;
  std::vector<Mask> good;
  for (size_t i = 0; i < masks.size() && i < kMaxTrials; ++i) {
    good.push_back(masks[i]);
    if (!trial(good)) good.pop_back();
  }
  if (!trial(good)) {
    good.clear();
    seen = before;
  }
  return good;
}

}  // namespace

Observed observe_magnitudes(PassContext& ctx, const HalfKind& kind, const std::string& data) {
  Observed out;
  std::vector<Mask> masks = find_masks(ctx.model, kind);
  Seen seen;
  try {
    if (data == "none") {
      out.why_not = "data=none";
    } else {
      seen = look(ctx, ctx.model, data);
      if (!masks.empty()) masks = harmless(ctx, masks, kind, data, seen);
    }
  } catch (const Error& e) {
    if (data != "seeded") throw;
    out.why_not = e.what();
  }
  if (!out.why_not.empty()) std::erase_if(masks, [](const Mask& m) { return m.largest < kNoNumber; });
  for (const Mask& mask : masks) {
    out.masks.push_back({mask.value, mask.largest, ctx.model.constant_ptr(mask.value)});
    set_clamped(ctx.model, mask, kind);
  }
  out.of = std::move(seen.of);
  return out;
}

namespace {

// Do these nodes read the masks, or what moving and elementwise ops made of them? A run need not show it: its
// masks may hide nothing.
bool meets_masks(const Model& m, const Observed& observed, const std::unordered_set<NodeId>& nodes) {
  std::vector<ValueId> left;
  for (const ClampedMask& mask : observed.masks) left.push_back(mask.value);
  std::unordered_set<ValueId> seen(left.begin(), left.end());
  while (!left.empty()) {
    const ValueId v = left.back();
    left.pop_back();
    for (const Use& u : m[v].uses) {
      if (nodes.contains(u.node)) return true;
      const Node& n = m[u.node];
      const OpDef* def = m.is_hidden(u.node) ? nullptr : op_registry().find(n);
      if (def == nullptr || !(def->elementwise || only_moves(n))) continue;
      for (const ValueId out : n.out)
        if (out && seen.insert(out).second) left.push_back(out);
    }
  }
  return false;
}

}  // namespace

void settle_masks(PassContext& ctx, const HalfKind& kind, const Observed& observed,
                  const std::unordered_set<NodeId>* only_for) {
  bool settle = only_for == nullptr || meets_masks(ctx.model, observed, *only_for);
  for (const ClampedMask& mask : observed.masks) {
    settle = settle && ctx.spend(std::string(kind.name) + "-mask", ctx.model[mask.value].name,
                                 fmt::format("{:.3g}, which stands for infinity, became {:.5g}", mask.largest,
                                             kind.largest / 2));
    if (!settle) ctx.model.set_constant(mask.value, mask.before);
  }
}

}  // namespace lathe
