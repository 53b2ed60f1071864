#include "passes/quant/weight_only.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "ir/core/walk.h"

namespace lathe {
namespace {

// The run of both sides differs by the quantization itself: at most half a step (a whole one at the clamped
// end) of each weight, far below the largest output. A wrong layout gives an unrelated matrix.
constexpr double kPatchTolerance = 0.5;

// A product by a constant matrix, however it is spelled.
struct Product {
  NodeId node;  // MatMul, Gemm or FusedMatMul
  ValueId input;
  ValueId stored;  // the constant that holds the weight
  TensorPtr weight;
  bool transposed = false;  // weight is [N, K]
  ValueId bias;             // [N], or none
  std::vector<NodeId> taken;
  ValueId result;
};

bool is_vector(const Model& m, ValueId v, int64_t n) {
  const Tensor* t = m.constant(v);
  return t != nullptr && t->rank() == 1 && t->dims[0] == n;
}

class WeightOnly {
 public:
  WeightOnly(PassContext& ctx, const WeightOnlyOptions& options) : ctx_(ctx), m_(ctx.model), o_(options) {}

  void run() {
    for (const GraphId g : nested_graphs(m_, m_.main()))
      for (const NodeId n : m_.nodes(g)) {
        if (m_[n].erased || ctx_.out_of_fuel()) continue;
        if (auto p = find_product(n)) matmul(*p);
        if (o_.embeddings && m_[n].is("Gather")) gather(n);
      }
    for (const ValueId v : quantized_)  // the float weights that nothing reads any more
      if (!m_[v].erased && m_[v].uses.empty() && m_.is_initializer(v)) m_.erase_initializer(v);
  }

 private:
  std::string rule(const char* what) const { return fmt::format("quant{}-{}", o_.scheme.bits, what); }

  std::optional<Product> find_product(NodeId n) const {
    const Node& node = m_[n];
    Product p;
    p.node = n;
    p.taken = {n};
    p.input = node.input(0);
    p.result = node.output(0);
    ValueId weight = node.input(1);
    if (node.is("MatMul")) {
    } else if (node.is("Gemm")) {
      if (node.attrs.f("alpha", 1) != 1 || node.attrs.f("beta", 1) != 1 || node.attrs.i("transA", 0) != 0)
        return std::nullopt;
      p.transposed = node.attrs.i("transB", 0) != 0;
      p.bias = node.input(2);
    } else if (node.is("FusedMatMul", "com.microsoft")) {
      const Attrs& a = node.attrs;
      if (a.f("alpha", 1) != 1 || a.i("transA", 0) != 0 || a.i("transBatchA", 0) != 0 ||
          a.i("transBatchB", 0) != 0)
        return std::nullopt;
      p.transposed = a.i("transB", 0) != 0;
    } else {
      return std::nullopt;
    }
    if (!weight || !p.result) return std::nullopt;
    p.weight = m_.constant_ptr(weight);
    if (!p.weight) {  // a tied head reads the embedding through a Transpose that folding left alone
      const NodeId t = m_[weight].def;
      if (!t || !m_[t].is("Transpose") || m_[t].attrs.ints("perm", {1, 0}) != std::vector<int64_t>{1, 0})
        return std::nullopt;
      weight = m_[t].input(0);
      p.weight = m_.constant_ptr(weight);
      p.transposed = !p.transposed;
      p.taken.push_back(t);
      if (!p.weight) return std::nullopt;
    }
    p.stored = weight;
    if (p.weight->rank() != 2) return std::nullopt;
    const int64_t columns = p.weight->dims[p.transposed ? 0 : 1];
    if (p.bias && !is_vector(m_, p.bias, columns)) return std::nullopt;  // a bias by rows has no input here
    if (!p.bias) take_bias(p, columns);
    return p;
  }

  // Add of a constant vector right behind, if nothing else reads the product.
  void take_bias(Product& p, int64_t columns) const {
    const auto& uses = m_[p.result].uses;
    if (uses.size() != 1 || !m_[uses[0].node].is("Add")) return;
    const Node& add = m_[uses[0].node];
    const ValueId other = add.input(1 - uses[0].slot);
    if (add.parent != m_[p.node].parent || !is_vector(m_, other, columns)) return;
    p.bias = other;
    p.result = add.output(0);
    p.taken.push_back(uses[0].node);
  }

  struct Stored {
    ValueId codes, scales, zero_points;
    double rms = 0;
  };

  // Quantizes once per tensor, layout and graph: weights that are shared stay shared.
  const Stored* quantize(Builder& b, NodeId at, const Tensor& w, bool transposed, std::string name,
                         bool table) {
    const auto key =
        std::tuple(static_cast<const void*>(w.bytes().data()), w.dims, transposed, table, m_[at].parent);
    if (const auto it = stored_.find(key); it != stored_.end()) return &it->second;
    NBitsWeight q;
    try {
      q = quantize_nbits(w, transposed, o_.scheme);
    } catch (const Error& e) {
      ctx_.missed(rule(table ? "gather" : "matmul"), at, fmt::format("'{}': {}", name, e.what()));
      return nullptr;
    }
    if (q.max_error > 1.01)
      throw std::logic_error("quantized '" + name + "' is further than its step from the weight");
    Stored s;
    s.rms = q.rms_error;
    const int64_t n = q.codes.dims[0], blocks = q.codes.dims[1], blob = q.codes.dims[2];
    const auto suffix = [&](const char* what) {
      return fmt::format("{}_q{}_{}", name, o_.scheme.bits, what);
    };
    if (table) {
      q.codes = q.codes.reshaped({n, blocks * blob});
      q.scales = q.scales.reshaped({n, blocks});
      if (q.zero_points.defined())
        q.zero_points = q.zero_points.reshaped({n, q.zero_points.count() / std::max<int64_t>(n, 1)});
    }
    const bool half = w.dtype == DType::F16;
    s.codes = b.constant(std::move(q.codes), suffix("codes"));
    if (half && q.scales.dtype != DType::F16) {
      Tensor t = Tensor::uninitialized(DType::F16, q.scales.dims);
      for (int64_t i = 0, count = t.count(); i < count; ++i)
        store_double(DType::F16, t.mutable_bytes().data(), i, q.scales.as_double(i));
      q.scales = std::move(t);
    }
    s.scales = b.constant(std::move(q.scales), suffix("scales"));
    if (q.zero_points.defined()) s.zero_points = b.constant(std::move(q.zero_points), suffix("zero_points"));
    return &(stored_[key] = s);
  }

  // Scales in the element type of the activations: float16 scales of a float32 product are widened by a Cast
  // that runtimes fold when they load the model, so the file stays small.
  ValueId scales_as(Builder& b, ValueId scales, DType want) const {
    if (m_[scales].type.dtype == want) return scales;
    return b.op("Cast", {scales}, attrs({{"to", static_cast<int64_t>(want)}}));
  }

  bool worth_it(NodeId n, const Tensor& w, const char* what, const char* op) {
    if (w.dtype != DType::F32 && w.dtype != DType::F16) return false;
    if (w.count() < o_.min_elements) {
      ctx_.missed(
          rule(what), n,
          fmt::format("the weight has {} elements, fewer than min-elements={}", w.count(), o_.min_elements));
      return false;
    }
    if (!ctx_.settings.target.has("com.microsoft", op, w.dtype)) {
      ctx_.missed(rule(what), n, fmt::format("target {} has no {}", ctx_.settings.target.name(), op));
      return false;
    }
    return true;
  }

  std::string became(const Tensor& w, const Stored& s) const {
    int64_t bytes = 0;
    for (const ValueId v : {s.codes, s.scales, s.zero_points})
      if (v) bytes += static_cast<int64_t>(m_.constant(v)->byte_size());
    return fmt::format("{} bits, block {}: {} -> {} bytes, relative error {:.4f}", o_.scheme.bits,
                       o_.scheme.block, w.byte_size(), bytes, s.rms);
  }

  void matmul(const Product& p) {
    if (!worth_it(p.node, *p.weight, "matmul", "MatMulNBits")) return;
    const int64_t k = p.weight->dims[p.transposed ? 1 : 0], n = p.weight->dims[p.transposed ? 0 : 1];
    const int rank = m_[p.input].type.rank();
    if (rank == 1) return ctx_.missed(rule("matmul"), p.node, "the input is a vector");
    Builder b(m_, ctx_.values, p.node);
    const auto before = stored_;
    const Stored* s = quantize(b, p.node, *p.weight, p.transposed, m_[p.stored].name, false);
    if (s == nullptr) return b.discard();
    Attrs a = attrs({{"K", k}, {"N", n}, {"bits", int64_t{o_.scheme.bits}}, {"block_size", o_.scheme.block}});
    if (o_.accuracy_level > 0) a.set("accuracy_level", o_.accuracy_level);
    std::vector<ValueId> in = {p.input, s->codes, scales_as(b, s->scales, p.weight->dtype), s->zero_points};
    if (p.bias) {
      in.resize(6);
      in[5] = p.bias;
    }
    while (!in.back()) in.pop_back();
    const ValueId y = b.op("MatMulNBits", std::move(in), std::move(a), "com.microsoft");
    finish(b, p.stored,
           {.rule = rule("matmul"),
            .root = m_[p.result].def,
            .taken = p.taken,
            .replace = {{p.result, y}},
            .tolerance = kPatchTolerance,
            .what = became(*p.weight, *s)},
           before);
  }

  void gather(NodeId n) {
    const TensorPtr w = m_.constant_ptr(m_[n].input(0));
    if (!w || w->rank() != 2 || m_[n].attrs.i("axis", 0) != 0 ||
        !worth_it(n, *w, "gather", "GatherBlockQuantized"))
      return;
    if (w->dims[1] % o_.scheme.block != 0)
      return ctx_.missed(
          rule("gather"), n,
          fmt::format("rows of {} values are not whole blocks of {}", w->dims[1], o_.scheme.block));
    Builder b(m_, ctx_.values, n);
    const ValueId table = m_[n].in[0];
    const auto before = stored_;
    const Stored* s = quantize(b, n, *w, true, m_[m_[n].in[0]].name, true);
    if (s == nullptr) return b.discard();
    std::vector<ValueId> in = {s->codes, m_[n].in[1], scales_as(b, s->scales, w->dtype)};
    if (s->zero_points) in.push_back(s->zero_points);
    const ValueId y = b.op("GatherBlockQuantized", std::move(in),
                           attrs({{"bits", int64_t{o_.scheme.bits}},
                                  {"block_size", o_.scheme.block},
                                  {"gather_axis", int64_t{0}},
                                  {"quantize_axis", int64_t{1}}}),
                           "com.microsoft");
    finish(b, table,
           {.rule = rule("gather"),
            .root = n,
            .taken = {n},
            .replace = {{m_[n].out[0], y}},
            .tolerance = kPatchTolerance,
            .what = became(*w, *s)},
           before);
  }

  void finish(Builder& b, ValueId original, Patch patch,
              std::map<std::tuple<const void*, std::vector<int64_t>, bool, bool, GraphId>, Stored> before) {
    if (ctx_.commit(b, std::move(patch))) {
      m_.require_opset("com.microsoft", 1);
      quantized_.push_back(original);
    } else {
      stored_ = std::move(before);  // the builder erased what this rewrite had stored
    }
  }

  PassContext& ctx_;
  Model& m_;
  const WeightOnlyOptions& o_;
  std::vector<ValueId> quantized_;  // float originals
  // Keyed by the bytes' identity: tensors are immutable, and originals stay alive in the mapped file.
  std::map<std::tuple<const void*, std::vector<int64_t>, bool, bool, GraphId>, Stored> stored_;
};

}  // namespace

void quantize_weights(PassContext& ctx, const WeightOnlyOptions& options) { WeightOnly(ctx, options).run(); }

}  // namespace lathe
