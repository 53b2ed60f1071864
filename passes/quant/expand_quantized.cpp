#include "passes/quant/expand_quantized.h"

#include "ir/core/spill.h"
#include "ir/core/walk.h"
#include "ir/exec/executor.h"
#include "ir/ops/convert.h"
#include "passes/core/facts.h"
#include "passes/core/scratch.h"
#include "passes/quant/nbits.h"

namespace lathe {
namespace {

constexpr const char* kContrib = "com.microsoft";

// The constant behind v, through a Cast of scales or a Reshape of shared codes.
TensorPtr behind(const Model& m, ValueId v) {
  if (!v) return nullptr;
  if (auto t = m.constant_ptr(v)) return t;
  const NodeId n = m[v].def;
  if (!n || !(m[n].is("Cast") || m[n].is("Reshape")) || !m[n].input(0)) return nullptr;
  return m.constant_ptr(m[n].in[0]);
}

class Expander {
 public:
  explicit Expander(PassContext& ctx) : ctx_(ctx), m_(ctx.model) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) {
        if (ctx_.out_of_fuel()) return;
        if (m_[n].erased) continue;
        if (m_[n].is("MatMulNBits", kContrib)) product(n);
        if (m_[n].is("GatherBlockQuantized", kContrib)) table(n);
        if (m_[n].is("DequantizeLinear")) constant(n);
      }
  }

 private:
  // The weight as [K, N] (product) or [rows, K] (table) in the type of the results; undefined and a remark
  // where its parts do not make one.
  Tensor weight(NodeId n, size_t codes_at, size_t scales_at, size_t zeros_at, int64_t rows, int64_t k,
                bool by_rows) {
    const Node& node = m_[n];
    Scheme s;
    s.bits = static_cast<int>(node.attrs.i("bits", 4));
    s.block = node.attrs.i("block_size", by_rows ? 128 : 0);
    const TensorPtr codes = behind(m_, node.input(codes_at)), scales = behind(m_, node.input(scales_at)),
                    zeros = behind(m_, node.input(zeros_at));
    const auto refuse = [&](const char* why) {
      ctx_.missed("requantize", n, why);
      return Tensor();
    };
    if ((s.bits != 2 && s.bits != 4 && s.bits != 8) || s.block < 16 || (s.block & (s.block - 1)) != 0 ||
        rows <= 0 || k <= 0)
      return refuse("its attributes are out of range");
    if (!codes || !scales || codes->dtype != DType::U8 || !is_floating(scales->dtype) ||
        (node.input(zeros_at) && !zeros))
      return refuse("its weight is not constant");
    const int64_t blocks = (k + s.block - 1) / s.block, blob = s.block * s.bits / 8;
    if (codes->count() != checked_mul(rows, checked_mul(blocks, blob)) || scales->count() != rows * blocks)
      return refuse("its codes and scales do not fit its sizes");
    s.symmetric = !zeros;
    s.float_zero = zeros && zeros->dtype != DType::U8;
    if (zeros && zeros->count() != rows * (s.float_zero ? blocks : (blocks * s.bits + 7) / 8))
      return refuse("its zero points do not fit its sizes");
    NBitsWeight q;
    q.codes = codes->reshaped({rows, blocks, blob});
    q.scales = scales->reshaped({rows, blocks});
    if (zeros) q.zero_points = *zeros;
    const Tensor w = dequantize_nbits(q, k, rows, by_rows, s);
    return spilled(convert(w, m_[node.out[0]].type.dtype));
  }

  void product(NodeId n) {
    const Node node = m_[n];
    if (node.input(4)) return ctx_.missed("requantize", n, "its rows have an order of their own");
    const Tensor w = weight(n, 1, 2, 3, node.attrs.i("N", 0), node.attrs.i("K", 0), false);
    if (!w.defined()) return;
    Builder b(m_, ctx_.values, n);
    ValueId y = b.op("MatMul", {node.in[0], b.constant(w, name_of(node.in[1]))});
    if (node.input(5)) y = b.op("Add", {y, node.in[5]});
    commit(b, n, y);
  }

  void table(NodeId n) {
    const Node node = m_[n];
    const TensorPtr codes = behind(m_, node.input(0));
    if (!codes || codes->rank() != 2 || node.attrs.i("gather_axis", 0) != 0 ||
        (node.attrs.i("quantize_axis", 1) != 1 && node.attrs.i("quantize_axis", 1) != -1))
      return ctx_.missed("requantize", n, "it is not a table of rows");
    const int64_t bits = node.attrs.i("bits", 4);
    if (bits <= 0 || bits > 8) return ctx_.missed("requantize", n, "its attributes are out of range");
    const Tensor w = weight(n, 0, 2, 3, codes->dims[0], codes->dims[1] * 8 / bits, true);
    if (!w.defined()) return;
    Builder b(m_, ctx_.values, n);
    commit(b, n, b.op("Gather", {b.constant(w, name_of(node.in[0])), node.in[1]}));
  }

  void constant(NodeId n) {
    std::vector<NodeId> nodes;
    for (const ValueId v : m_[n].in) {
      if (!v || m_.constant(v) != nullptr) continue;
      if (!behind(m_, v)) return;  // activations
      nodes.push_back(m_[v].def);
    }
    nodes.push_back(n);
    std::unordered_map<ValueId, Datum> env;
    try {
      Executor(m_, {.max_bytes = scratch_bytes(m_, nodes) * 8}).run_nodes(nodes, env);
    } catch (const Error& e) {
      return ctx_.missed("requantize", n, e.what());
    }
    Builder b(m_, ctx_.values, n);
    commit(b, n, b.constant(spilled(*env.at(m_[n].out[0]).tensor()), name_of(m_[n].in[0])));
  }

  std::string name_of(ValueId v) const { return m_[v].name + "_float"; }

  void commit(Builder& b, NodeId n, ValueId y) {
    std::vector<NodeId> context;  // Casts and Reshapes of constants, without which the codes mean nothing
    for (const ValueId v : m_[n].in)
      if (v && m_.constant(v) == nullptr && behind(m_, v)) context.push_back(m_[v].def);
    ctx_.commit(b, {.rule = "requantize",
                    .root = n,
                    .taken = {n},
                    .context = std::move(context),
                    .replace = {{m_[n].out[0], y}}});
  }

  PassContext& ctx_;
  Model& m_;
};

}  // namespace

void expand_quantized(PassContext& ctx) { Expander(ctx).run(); }

}  // namespace lathe
