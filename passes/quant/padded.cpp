#include "passes/quant/padded.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>

namespace lathe {
namespace {

// Does every use of v, through casts and reshapes, leave its numbers alone as numbers (a mask), rather than
// look rows up with them (token numbers)?
bool looks_up(const Model& m, ValueId input) {
  std::vector<ValueId> next = {input};
  std::set<ValueId> seen;
  while (!next.empty()) {
    const ValueId v = next.back();
    next.pop_back();
    if (!seen.insert(v).second) continue;
    for (const Use& u : m[v].uses) {
      const Node& n = m[u.node];
      const bool index = ((n.is("Gather") || n.is("GatherBlockQuantized", "com.microsoft")) && u.slot == 1) ||
                         (n.is("EmbedLayerNormalization", "com.microsoft") && u.slot <= 1);
      if (index) return true;
      if ((n.is("Cast") || n.is("Reshape") || n.is("Unsqueeze") || n.is("Squeeze")) && u.slot == 0 &&
          n.output(0))
        next.push_back(n.out[0]);
    }
  }
  return false;
}

}  // namespace

int mask_input(const Model& m) {
  const auto inputs = m.inputs(m.main());
  int found = -1;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Type& t = m[inputs[i]].type;
    if (m.constant(inputs[i]) != nullptr || !t.is_tensor() || t.rank() != 2) continue;
    if (!is_integer(t.dtype) && t.dtype != DType::Bool) continue;
    if (m[inputs[i]].uses.empty() || looks_up(m, inputs[i])) continue;
    if (found >= 0) return -1;  // two of them: which one hides padding is not known
    found = static_cast<int>(i);
  }
  return found;
}

std::vector<Datum> padded_together(const Model& m, const std::vector<std::vector<Datum>>& runs, int mask) {
  constexpr int64_t kSamples = 4;  // of a run
  const auto ids = m.inputs(m.main());
  if (mask < 0 || runs.empty() || static_cast<size_t>(mask) >= ids.size()) return {};
  int64_t rows = 0, shortest = std::numeric_limits<int64_t>::max(), longest = 0;
  for (const auto& inputs : runs) {
    std::vector<int64_t> dims;
    if (inputs.size() != runs[0].size()) return {};
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].empty() != runs[0][i].empty() || !m[ids[i]].type.shape) return {};
      if (inputs[i].empty()) continue;
      const Tensor* t = inputs[i].tensor();
      const Tensor* first = runs[0][i].tensor();
      if (t == nullptr || first == nullptr || t->dtype != first->dtype || t->rank() != 2 ||
          bit_width(t->dtype) % 8 != 0 || (!dims.empty() && t->dims != dims))
        return {};
      for (const Dim d : *m[ids[i]].type.shape)
        if (!d.is_symbol()) return {};
      dims = t->dims;
    }
    if (dims.empty() || inputs[static_cast<size_t>(mask)].empty()) return {};
    rows += std::min(dims[0], kSamples);
    shortest = std::min(shortest, dims[1]);
    longest = std::max(longest, dims[1]);
  }
  if (shortest == longest) return {};
  std::vector<Datum> out;
  for (size_t i = 0; i < runs[0].size(); ++i) {
    if (runs[0][i].empty()) {
      out.emplace_back();
      continue;
    }
    Tensor made = Tensor::full(runs[0][i].tensor()->dtype, {rows, longest}, 0);
    const int64_t unit = bit_width(made.dtype) / 8;
    std::byte* to = made.mutable_bytes().data();
    for (const auto& inputs : runs) {
      const Tensor t = inputs[i].tensor()->aligned();
      const int64_t length = t.dims[1];
      for (int64_t r = 0; r < std::min(t.dims[0], kSamples); ++r, to += longest * unit)
        std::memcpy(to, t.bytes().data() + r * length * unit, static_cast<size_t>(length * unit));
    }
    out.emplace_back(std::move(made));
  }
  return out;
}

}  // namespace lathe
