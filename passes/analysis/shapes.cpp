#include "passes/analysis/shapes.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "ir/core/label.h"
#include "ir/core/walk.h"
#include "ir/onnx/lift.h"
#include "ir/ops/infer.h"

namespace lathe {
namespace {

// Names of symbols and unknowns ("?3") that occur in d, sorted.
std::vector<std::string> atoms(Dim d) {
  std::set<std::string> names;
  d.substitute([&](const std::string& name) -> std::optional<Dim> {
    names.insert(name);
    return std::nullopt;
  });
  return {names.begin(), names.end()};
}

class Solver {
 public:
  Solver(Model& m, Shapes& shapes) : m_(m), shapes_(shapes) {
    for (const ValueId v : m.inputs(m.main()))
      if (m[v].type.shape)
        for (const Dim d : *m[v].type.shape)
          for (const std::string& name : d.symbols()) declared_.try_emplace(name, declared_.size());
  }

  void run(const std::vector<DimRelation>& found) {
    std::vector<DimRelation> open = each_once(found);
    // Solving one symbol may make another relation solvable.
    for (bool progress = true; progress;) {
      progress = false;
      std::vector<DimRelation> left;
      for (const DimRelation& r : open) {
        const Dim a = apply(r.a), b = apply(r.b);
        if (a == b || (r.or_one && (a.is_const(1) || b.is_const(1)))) continue;
        check(r, a, b);
        if (!r.or_one && shapes_.solved.size() < kMaxSolved && solve(r, a - b))
          progress = true;
        else
          left.push_back(r);
      }
      open = std::move(left);
    }
    for (DimRelation& r : open) {
      r.a = apply(r.a);
      r.b = apply(r.b);
      if (!limit(r, r.a, r.b) && !limit(r, r.b, r.a)) {
        reduce(r);
        shapes_.needs.push_back(r);
      }
    }
    shapes_.needs = each_once(shapes_.needs);
    if (!shapes_.solved.empty()) rewrite();
  }

 private:
  static std::vector<DimRelation> each_once(const std::vector<DimRelation>& all) {
    std::vector<DimRelation> out;
    std::unordered_map<uint64_t, std::vector<std::pair<Dim, Dim>>> pairs;
    for (const DimRelation& r : all) {
      auto& same = pairs[r.a.hash() * 31 + r.b.hash() + (r.or_one ? 1 : 0)];
      const bool known = std::any_of(same.begin(), same.end(), [&](const auto& p) {
        return (p.first == r.a && p.second == r.b) || (p.first == r.b && p.second == r.a);
      });
      if (known) continue;
      same.emplace_back(r.a, r.b);
      out.push_back(r);
    }
    return out;
  }

  Dim apply(Dim d) const {
    if (d.is_const() || known_.empty()) return d;
    return d.substitute([&](const std::string& name) -> std::optional<Dim> {
      const auto it = known_.find(name);
      return it == known_.end() ? std::nullopt : std::optional(shapes_.solved[it->second].value);
    });
  }

  // The nodes that fixed what occurs in d.
  std::string because(Dim a, Dim b) const {
    std::string text;
    for (const Dim d : {a, b})
      for (const std::string& name : atoms(d))
        if (const auto it = known_.find(name); it != known_.end()) {
          const SolvedSize& s = shapes_.solved[it->second];
          text += fmt::format("{} {} needs {} = {}", text.empty() ? ", but" : " and",
                              node_place(m_, m_[s.node]), name, s.value.str());
        }
    return text;
  }

  void check(const DimRelation& r, Dim a, Dim b) const {
    const bool sizes = !a.has_unknown() && !b.has_unknown();
    const bool never = r.or_one ? a.is_const() && b.is_const() : sizes && Dim::provably_ne(a, b);
    if (never)
      fail("{} needs {} = {}{}{}", node_place(m_, m_[r.node]), r.a.str(), r.b.str(),
           r.or_one ? " (or one of them 1)" : "", because(r.a, r.b));
  }

  // d == 0 as a statement on one symbol of it.
  bool solve(const DimRelation& r, Dim d) {
    struct Candidate {
      std::string name;
      Dim value;
      int64_t rank;
    };
    std::optional<Candidate> best;
    for (const std::string& name : atoms(d)) {
      const auto with = [&](Dim x) {
        return d.substitute(
            [&](const std::string& n) { return n == name ? std::optional(x) : std::nullopt; });
      };
      const bool unknown = name.starts_with('?');
      static const Dim x = Dim::symbol("$x");  // d as a function of the one name
      const Dim base = with(Dim(0)), slope = with(Dim(1)) - base;
      if (slope.is_const(0) || !(slope * x + base == with(x))) continue;
      const auto value = Dim::exact_div(Dim(0) - base, slope);
      if (!value) continue;
      const std::vector<std::string> inside = atoms(*value);
      if (std::find(inside.begin(), inside.end(), name) != inside.end()) continue;
      // Unknowns go first, then formulas that are sizes for sure, then the symbol that is declared last.
      const auto place = declared_.find(name);
      const int64_t rank = (unknown ? int64_t{1} << 40 : 0) +
                           (Dim::provably_ge(*value, 0) ? int64_t{1} << 30 : 0) +
                           (place == declared_.end() ? 1 << 20 : static_cast<int64_t>(place->second));
      if (!best || rank > best->rank) best = Candidate{name, *value, rank};
    }
    if (!best) return false;
    if (best->value.is_const() && best->value.value() < 0)
      fail("{} needs {} = {}, which is no size{}", node_place(m_, m_[r.node]), best->name, best->value.str(),
           because(r.a, r.b));
    known_[best->name] = shapes_.solved.size();
    shapes_.solved.push_back({best->name, best->value, r.node});
    for (SolvedSize& s : shapes_.solved) s.value = apply(s.value);
    return true;
  }

  // b = min(a, n): a table of n rows was cut to a and stretched over a.
  bool limit(const DimRelation& r, Dim a, Dim b) {
    if (!r.or_one || !a.is_symbol()) return false;
    constexpr int64_t kHuge = int64_t{1} << 40;
    const std::string name = a.symbol_name();
    const auto most =
        b.eval([&](const std::string& n) { return n == name ? std::optional(kHuge) : std::nullopt; });
    if (!most || *most >= kHuge || !(Dim::min(a, *most) == b)) return false;
    const auto known = std::find_if(shapes_.limits.begin(), shapes_.limits.end(),
                                    [&](const SizeLimit& l) { return l.symbol == name; });
    if (known == shapes_.limits.end())
      shapes_.limits.push_back({name, *most, r.node});
    else if (*most < known->most)
      *known = {name, *most, r.node};
    return true;
  }

  // 384*batch*seq = 49152 reads batch*seq = 128.
  static void reduce(DimRelation& r) {
    if (r.or_one || (!r.a.is_const() && !r.b.is_const())) return;
    const int64_t number = r.a.is_const() ? r.a.value() : r.b.value();
    Dim& formula = r.a.is_const() ? r.b : r.a;
    Dim& constant = r.a.is_const() ? r.a : r.b;
    int64_t left = number;
    for (int64_t p = 2; p <= left && p < 1000;) {
      const auto smaller = left % p == 0 ? Dim::exact_div(formula, p) : std::nullopt;
      if (!smaller) {
        ++p;
        continue;
      }
      formula = *smaller;
      left /= p;
    }
    constant = left;
  }

  void rewrite() {
    for (const GraphId g : all_graphs(m_)) {
      const auto type_of = [&](ValueId v) {
        if (!v || m_[v].constant != nullptr || !m_[v].type.shape) return;
        Type t = m_[v].type;
        for (Dim& d : *t.shape) d = apply(d);
        if (!(t == m_[v].type)) m_.set_type(v, std::move(t));
      };
      for (const ValueId v : m_.inputs(g)) type_of(v);
      for (NodeId n = m_[g].first; n; n = m_[n].next)
        for (const ValueId v : m_[n].out) type_of(v);
    }
    for (auto& [v, contents] : shapes_.values)
      for (Dim& d : contents) d = apply(d);
  }

  static constexpr size_t kMaxSolved = 1000;  // a bound on work: each one is put into all others

  Model& m_;
  Shapes& shapes_;
  std::unordered_map<std::string, size_t> known_;     // name -> index into solved
  std::unordered_map<std::string, size_t> declared_;  // symbols of the inputs, in order
};

void forget_declared(Model& m) {
  for (const GraphId g : all_graphs(m))
    for (NodeId n = m[g].first; n; n = m[n].next)
      for (const ValueId v : m[n].out)
        if (v && m[v].constant == nullptr && m[v].type.known()) m.set_type(v, Type());
}

}  // namespace

Shapes analyze_shapes(Model& m, const ShapeOptions& options) {
  Shapes s;
  if (!options.trust_declared) forget_declared(m);
  RelationLog log;
  s.values = infer_types(m);
  if (lift_marked(m) > 0) {
    log.found.clear();
    s.values = infer_types(m);
  }
  if (options.solve) Solver(m, s).run(log.found);
  return s;
}

bool fully_known(const Type& t) {
  return t.is_tensor() && t.shape &&
         std::none_of(t.shape->begin(), t.shape->end(), [](Dim d) { return d.has_unknown(); });
}

}  // namespace lathe
