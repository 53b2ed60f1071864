#include "passes/quant/int8/smooth.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "ir/base/mapped_file.h"
#include "ir/base/parallel.h"
#include "ir/core/spill.h"
#include "ir/ops/convert.h"
#include "passes/core/erase_unused.h"
#include "passes/quant/int8/sites.h"

namespace lathe {
namespace {

// A Mul costs a pass over the activations; constants cost nothing.
constexpr double kWorthMul = 0.6, kWorthFold = 0.95;

// Weight rows of all sites that share an input: what the error of a channel of activations is multiplied by.
struct RowNorms {
  std::vector<float> largest;   // [K]
  std::vector<double> squares;  // [K]
};

constexpr int64_t kPart = int64_t{1} << 18;  // elements of a weight that a thread holds in float

// Rows [first, last) as float32.
Tensor float_rows(const Tensor& t, int64_t columns, int64_t first, int64_t last) {
  const auto row = static_cast<size_t>(columns * bit_width(t.dtype) / 8);
  const auto bytes =
      t.bytes().subspan(static_cast<size_t>(first) * row, static_cast<size_t>(last - first) * row);
  return convert(Tensor::view(t.dtype, {last - first, columns}, bytes, t.keep()).aligned(), DType::F32);
}

void add_rows(RowNorms& r, const WeightSite& s) {
  const int64_t k = s.k(), n = s.n(), columns = s.transposed ? k : n, rows = s.transposed ? n : k;
  r.largest.resize(static_cast<size_t>(k));
  r.squares.resize(static_cast<size_t>(k));
  const auto see = [&](size_t row, float value) {
    const float x = std::fabs(value);
    if (!(x <= r.largest[row])) r.largest[row] = x;
    r.squares[row] += static_cast<double>(x) * x;
  };
  const int64_t part = std::max<int64_t>(1, kPart / columns);
  const auto over = [&](int64_t first, int64_t last) {
    const Tensor w = float_rows(*s.weight, columns, first, last);
    const float* v = w.data<float>().data();
    for (int64_t i = first; i < last; ++i)
      for (int64_t j = 0; j < columns; ++j) see(static_cast<size_t>(s.transposed ? j : i), *v++);
  };
  if (!s.transposed) return parallel_for(rows, part, over);  // rows have their own sums
  for (int64_t first = 0; first < rows; first += part) over(first, std::min(rows, first + part));
}

// Error of the products that rounding the activations makes, up to a constant: one step for all channels.
double rounding_error(const ChannelStats& x, const RowNorms& rows, const std::vector<float>& factor) {
  double low = 0, high = 0, weighted = 0;
  for (size_t i = 0; i < factor.size(); ++i) {
    low = std::min(low, static_cast<double>(x.low[i]) / factor[i]);
    high = std::max(high, static_cast<double>(x.high[i]) / factor[i]);
    weighted += rows.squares[i] * factor[i] * factor[i];
  }
  return (high - low) * (high - low) * weighted;
}

enum class Along { rows, columns };  // of a [rows, columns] matrix; a vector is one row

// t with row i, or column i, times factor[i] (or by 1 / factor[i]), in its own type; columns from `first` on.
// A copy of every weight may be more than memory holds: it is spilled.
Tensor scaled(const Tensor& t, std::span<const float> factor, Along along, bool divide, int64_t first = 0) {
  const int64_t columns = t.dims.back(), rows = columns == 0 ? 0 : t.count() / columns;
  std::vector<float> by(static_cast<size_t>(along == Along::rows ? rows : columns), 1.0f);
  for (size_t i = 0; i < factor.size(); ++i)
    if (const size_t at = i + static_cast<size_t>(first); at < by.size())
      by[at] = divide ? 1.0f / factor[i] : factor[i];
  const Spill out = spill(t.byte_size());
  parallel_for(rows, std::max<int64_t>(1, kPart / std::max<int64_t>(1, columns)),
               [&](int64_t begin, int64_t end) {
                 const Tensor from = float_rows(t, columns, begin, end);
                 Tensor made = Tensor::uninitialized(DType::F32, from.dims);
                 const float* a = from.data<float>().data();
                 float* b = made.mutable_data<float>().data();
                 for (int64_t i = begin; i < end; ++i, a += columns, b += columns)
                   for (int64_t j = 0; j < columns; ++j)
                     b[j] = a[j] * by[static_cast<size_t>(along == Along::rows ? i : j)];
                 const Tensor narrow = convert(made, t.dtype);
                 const size_t at = static_cast<size_t>(begin * columns * bit_width(t.dtype) / 8);
                 std::memcpy(out.data + at, narrow.bytes().data(), narrow.byte_size());
               });
  MappedFile::forget(t.bytes());
  return out.tensor(t.dtype, t.dims);
}

class Smoother {
 public:
  Smoother(PassContext& ctx, const SmoothOptions& o) : ctx_(ctx), m_(ctx.model), o_(o) {}

  void run() {
    std::vector<WeightSite> sites = find_byte_sites(m_);
    std::map<const void*, std::set<ValueId>> readers;  // weight -> inputs that it is multiplied with
    std::set<NodeId> products;
    for (const WeightSite& s : sites) {
      readers[s.weight->bytes().data()].insert(s.input);
      products.insert(s.node);
    }
    // One that something else reads stays float: a scaled copy would only make the model larger.
    const auto shared = [&](ValueId v) {
      return std::any_of(m_[v].uses.begin(), m_[v].uses.end(), [&](const Use& u) {
        const bool table = m_[u.node].is("Gather") && u.slot == 0;
        return !table && !(u.slot == 1 && products.contains(u.node));
      });
    };
    std::vector<ValueId> order;
    std::map<ValueId, std::vector<WeightSite>> groups;
    for (WeightSite& s : sites) {
      const bool plain = m_[s.node].input(1) == s.stored && s.refusal.empty() && s.weight->count() > 0 &&
                         is_floating(s.weight->dtype) && readers[s.weight->bytes().data()].size() == 1 &&
                         !shared(s.stored);
      if (!plain || !o_.choose(s)) continue;
      if (!groups.contains(s.input)) order.push_back(s.input);
      groups[s.input].push_back(std::move(s));
    }
    if (order.empty()) return;
    std::map<ValueId, int64_t> wanted;
    for (const ValueId x : order) wanted[x] = -1;
    CalibrationOptions c;
    if (!o_.data.empty()) c.data = o_.data;
    c.seed = ctx_.settings.seed;
    c.padded = o_.padded;
    const bool tokens = reads_tokens(m_);
    if (c.data == "seeded" && !tokens) {  // a normalization's output varies alike, whatever it reads
      const auto odd = [&](ValueId x) {
        const NodeId n = m_[x].def;
        if (n && !m_.is_hidden(n) && m_[n].type.ends_with("Normalization")) return false;
        ctx_.missed("smooth", groups[x][0].node,
                    "made-up inputs say nothing about real ones here; give it data");
        return true;
      };
      std::erase_if(order, odd);
      if (order.empty()) return;
      std::erase_if(wanted, [&](const auto& w) {
        return std::find(order.begin(), order.end(), w.first) == order.end();
      });
    }
    std::map<ValueId, ChannelStats> stats;
    try {
      stats = channel_stats(m_, ctx_.values, wanted, c);
    } catch (const Error& e) {
      if (c.data != "seeded") throw;
      return ctx_.missed("smooth", groups[order[0]][0].node, e.what());
    }
    if (c.data != "seeded" && tokens) widen(stats, wanted, c, groups[order[0]][0].node);
    for (const ValueId x : order)
      if (const auto it = stats.find(x); it != stats.end() && !ctx_.out_of_fuel())
        smooth(x, groups[x], it->second);
    erase_unused(m_, originals_);
  }

 private:
  // A few sentences do not make every channel speak up that a vocabulary can: made-up inputs reach more of
  // them.
  void widen(std::map<ValueId, ChannelStats>& stats, const std::map<ValueId, int64_t>& wanted,
             CalibrationOptions c, NodeId site) {
    c.data = "seeded";
    try {
      for (const auto& [v, more] : channel_stats(m_, ctx_.values, wanted, c)) {
        const auto it = stats.find(v);
        if (it == stats.end() || it->second.k != more.k) continue;
        for (size_t i = 0; i < more.low.size(); ++i) {
          it->second.low[i] = std::min(it->second.low[i], more.low[i]);
          it->second.high[i] = std::max(it->second.high[i], more.high[i]);
        }
      }
    } catch (const Error& e) {  // the data is all there is
      ctx_.missed("smooth", site, e.what());
    }
  }

  template <class Id>
  static Id now(const std::map<Id, Id>& moved, Id id) {
    for (auto it = moved.find(id); it != moved.end(); it = moved.find(id)) id = it->second;
    return id;
  }

  struct Rewrite {
    Patch patch;
    std::vector<std::pair<NodeId, NodeId>> nodes;  // old, new
  };

  // The node again, with other operands; `first`: its first output stands for the old one.
  void again(Builder& b, Rewrite& r, NodeId n, const std::vector<std::pair<size_t, ValueId>>& changed,
             bool first = true) {
    const Node old = m_[n];
    std::vector<ValueId> in = old.in;
    for (const auto& [slot, v] : changed) in[slot] = v;
    const auto used = [&](size_t i) { return old.out[i] && !m_[old.out[i]].uses.empty(); };
    size_t count = old.out.size();
    while (count > 1 && !used(count - 1)) --count;
    const auto out = b.ops(old.type, in, old.attrs, count, old.domain);
    const NodeId made = m_[out[0]].def;
    for (size_t i = 0; i < count; ++i) {
      if (i == 0 && !first) continue;
      if (used(i))
        r.patch.replace.emplace_back(old.out[i], out[i]);
      else if (i > 0)
        m_.drop_output(made, i);
    }
    r.patch.taken.push_back(n);
    r.nodes.emplace_back(n, made);
  }

  ValueId constant_like(Builder& b, ValueId v, Tensor t) {
    originals_.push_back(v);
    return b.constant(std::move(t), m_[v].name + "_smooth");
  }

  // Do the nodes and nothing else read x?
  bool only_read_by(ValueId x, const std::set<NodeId>& nodes) const {
    return std::all_of(m_[x].uses.begin(), m_[x].uses.end(),
                       [&](const Use& u) { return u.slot == 0 && nodes.contains(u.node); });
  }

  // Operands of a normalization that hold a factor a channel.
  std::vector<size_t> norm_slots(const Node& n) const {
    if (n.is("LayerNormalization")) return {1, 2};
    if (n.is("RMSNormalization") || n.type == "SimplifiedLayerNormalization") return {1};
    if (n.is("SkipLayerNormalization", "com.microsoft")) return {2, 3};
    if (n.is("SkipSimplifiedLayerNormalization", "com.microsoft")) return {2};
    return {};
  }

  // x divided, by constants of the node before; none where there is no such place.
  ValueId folded(Builder& b, Rewrite& r, ValueId x, const std::vector<float>& factor) {
    const NodeId n = m_[x].def;
    if (!n || m_.is_hidden(n) || m_[n].output(0) != x) return {};
    const auto k = static_cast<int64_t>(factor.size());
    std::vector<std::pair<size_t, ValueId>> changed;
    if (m_[n].is("Attention", "com.microsoft")) {
      const ValueId w = m_[n].input(1), bias = m_[n].input(2);
      const Tensor *tw = m_.constant(w), *tb = bias ? m_.constant(bias) : nullptr;
      const bool cache = m_[n].input(4) || m_[n].output(1);
      if (tw == nullptr || tw->rank() != 2 || tw->dims[1] < k || (bias && tb == nullptr) || cache) return {};
      const int64_t first = tw->dims[1] - k;
      const std::vector<int64_t> sizes = m_[n].attrs.ints("qkv_hidden_sizes", {k, k, k});
      if (sizes.size() != 3 || sizes[2] != k || sizes[0] + sizes[1] != first) return {};
      changed.emplace_back(1, constant_like(b, w, scaled(*tw, factor, Along::columns, true, first)));
      if (tb != nullptr)
        changed.emplace_back(2, constant_like(b, bias, scaled(*tb, factor, Along::columns, true, first)));
    } else {
      const std::vector<size_t> slots = norm_slots(m_[n]);
      if (slots.empty()) return {};
      for (const size_t slot : slots) {
        const ValueId v = m_[n].input(slot);
        const Tensor* t = v ? m_.constant(v) : nullptr;
        if (v && (t == nullptr || t->rank() != 1 || t->dims[0] != k)) return {};
        if (v) changed.emplace_back(slot, constant_like(b, v, scaled(*t, factor, Along::columns, true)));
      }
    }
    again(b, r, n, changed, false);
    return m_[r.nodes.back().second].out[0];
  }

  void smooth(ValueId original, const std::vector<WeightSite>& sites, const ChannelStats& stats) {
    const ValueId x = now(values_, original);
    RowNorms rows;
    std::set<NodeId> nodes;
    for (const WeightSite& s : sites) {
      if (s.k() != stats.k) return;
      add_rows(rows, s);
      nodes.insert(now(nodes_, s.node));
    }
    const std::vector<float> factor = smooth_factors(stats, rows.largest, o_.power);
    const double before = rounding_error(stats, rows, std::vector<float>(factor.size(), 1.0f));
    const double after = rounding_error(stats, rows, factor);
    const NodeId first = now(nodes_, sites[0].node);
    const double gain = before > 0 ? after / before : 1;
    if (!(gain < kWorthFold) || !std::isfinite(after))
      return ctx_.missed("smooth", first, fmt::format("'{}' has no channels that stand out", m_[x].name));
    Builder b(m_, ctx_.values, first);
    Rewrite r;
    ValueId divided;
    if (only_read_by(x, nodes)) divided = folded(b, r, x, factor);
    const bool free = bool(divided);
    if (!divided) {
      if (gain > kWorthMul) {
        b.discard();
        return ctx_.missed(
            "smooth", first,
            fmt::format("a Mul for '{}' would leave {:.0f} % of the error", m_[x].name, 100 * gain));
      }
      Tensor t = Tensor::uninitialized(DType::F32, {stats.k});
      for (size_t i = 0; i < factor.size(); ++i) t.mutable_data<float>()[i] = 1.0f / factor[i];
      divided = b.op("Mul", {x, b.constant(convert(t, m_[x].type.dtype), m_[original].name + "_smooth")});
    }
    for (const WeightSite& s : sites) {
      const Along along = s.transposed ? Along::columns : Along::rows;
      const NodeId n = now(nodes_, s.node);
      const ValueId stored = m_[n].input(1);
      const Tensor& w = *m_.constant(stored);  // a batch of one keeps its rank
      Tensor made = scaled(w.reshaped(s.weight->dims), factor, along, false).reshaped(w.dims);
      again(b, r, n, {{0, divided}, {1, constant_like(b, stored, std::move(made))}});
    }
    r.patch.rule = "smooth";
    r.patch.root = first;
    r.patch.what = fmt::format("channels of '{}' evened {}, error of its rounding {:.0f} %", m_[x].name,
                               free ? "in the node before" : "by a Mul", 100 * gain);
    const auto replaced = r.patch.replace;
    if (!ctx_.commit(b, std::move(r.patch))) return;
    for (const auto& [from, to] : replaced) values_[from] = to;
    for (const auto& [from, to] : r.nodes) nodes_[from] = to;
  }

  PassContext& ctx_;
  Model& m_;
  const SmoothOptions& o_;
  std::map<ValueId, ValueId> values_;  // replaced by
  std::map<NodeId, NodeId> nodes_;
  std::vector<ValueId> originals_;
};

}  // namespace

std::vector<float> smooth_factors(const ChannelStats& x, std::span<const float> largest_weight,
                                  double power) {
  constexpr double kLeast = 1e-5;
  std::vector<double> raw(largest_weight.size());
  for (size_t i = 0; i < raw.size(); ++i)
    raw[i] = std::pow(std::max(static_cast<double>(x.largest(i)), kLeast), power) /
             std::pow(std::max(static_cast<double>(largest_weight[i]), kLeast), 1 - power);
  std::vector<double> sorted = raw;
  const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2);
  std::nth_element(sorted.begin(), middle, sorted.end());
  std::vector<float> factor(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) factor[i] = static_cast<float>(std::max(raw[i] / *middle, 1.0));
  return factor;
}

void smooth_inputs(PassContext& ctx, const SmoothOptions& options) { Smoother(ctx, options).run(); }

double smooth_option(const PassContext& ctx, const PassOptions& o) {
  const double power = o.number("smooth");
  if (!(power >= 0 && power <= 1)) fail_usage("pass '{}': smooth={} is not between 0 and 1", ctx.pass, power);
  return power;
}

}  // namespace lathe
