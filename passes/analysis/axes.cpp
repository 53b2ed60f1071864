#include "passes/analysis/axes.h"

#include <algorithm>
#include <unordered_set>

#include "passes/analysis/ranges.h"

namespace lathe {
namespace {

using Kind = AxisFact::Kind;
using Verdict = AxisVerdict::Kind;

std::string node_text(const Model& m, NodeId n) {
  return fmt::format("{} '{}'", m[n].type, m[n].name.empty() ? m[m[n].output(0)].name : m[n].name);
}

Kind kind_of(Dim d) { return d.is_const() ? Kind::fixed : d.has_unknown() ? Kind::unknown : Kind::symbolic; }

bool mentions(Dim d, const std::string& symbol) {
  const auto names = d.symbols();
  return std::binary_search(names.begin(), names.end(), symbol);
}

bool shape_mentions(const Model& m, ValueId v, const std::string& symbol) {
  const auto& shape = m[v].type.shape;
  return v && shape && std::any_of(shape->begin(), shape->end(), [&](Dim d) { return mentions(d, symbol); });
}

class Analysis {
 public:
  explicit Analysis(Model& m) : m_(m) {}

  Axes run() {
    const Graph& g = m_[m_.main()];
    const std::vector<ValueId> in = m_.inputs(m_.main());
    std::vector<Type> declared;
    for (const ValueId v : in) declared.push_back(m_[v].type);
    shapes_ = analyze_shapes(m_, {.trust_declared = false});
    index_limits();
    for (size_t i = 0; i < in.size(); ++i) {
      if (m_[in[i]].constant != nullptr) continue;
      input_values_.push_back(in[i]);
      declared_.push_back(declared[i]);
      out_.inputs.push_back(input(g.inputs[i], declared[i]));
    }
    choose_axes();
    const std::vector<ValueId> results = m_.outputs(m_.main());
    for (size_t i = 0; i < results.size(); ++i) out_.outputs.push_back(output(g.outputs[i], results[i]));
    relations();
    judge_batch();
    judge_sequence();
    return std::move(out_);
  }

 private:
  const SolvedSize* solved(const std::string& symbol) const {
    for (const SolvedSize& s : shapes_.solved)
      if (s.symbol == symbol) return &s;
    return nullptr;
  }
  const SizeLimit* limit(const std::string& symbol) const {
    for (const SizeLimit& l : shapes_.limits)
      if (l.symbol == symbol) return &l;
    return nullptr;
  }

  // Tables that are indexed with positions bound the sizes that positions count to.
  void index_limits() {
    for (const IndexLimit& l : analyze_ranges(m_, shapes_.values).limits) {
      if (!l.size.is_symbol() || !l.most.is_const()) {
        out_.relations.push_back(
            fmt::format("{} <= {}  ({})", l.size.str(), l.most.str(), node_text(m_, l.node)));
        continue;
      }
      const std::string name = l.size.symbol_name();
      const auto known = std::find_if(shapes_.limits.begin(), shapes_.limits.end(),
                                      [&](const SizeLimit& k) { return k.symbol == name; });
      if (known == shapes_.limits.end())
        shapes_.limits.push_back({name, l.most.value(), l.node});
      else if (l.most.value() < known->most)
        *known = {name, l.most.value(), l.node};
    }
  }

  PortAxes input(const Port& port, const Type& declared) {
    PortAxes p{port.name, port.type, declared.shape.has_value(), {}};
    if (!declared.shape) return p;
    for (const Dim d : *declared.shape) {
      AxisFact a;
      a.says = kind_of(d);
      a.said = a.is = d;
      a.proven = a.says;
      const std::vector<std::string> names = d.is_unknown() ? std::vector{d.str()} : d.symbols();
      if (names.size() == 1) {
        if (const SolvedSize* s = solved(names[0])) {
          a.is = s->value;
          a.proven = kind_of(s->value);
          a.by = s->node;
          a.why = a.proven == Kind::fixed
                      ? fmt::format("{} runs only at {}", node_text(m_, s->node), s->value.str())
                      : fmt::format("{} needs it to be {}", node_text(m_, s->node), s->value.str());
        } else if (const SizeLimit* l = limit(names[0])) {
          a.most = l->most;
          a.by = l->node;
          a.why = fmt::format("{} has positions for {}", node_text(m_, l->node), l->most);
        }
      }
      p.axes.push_back(std::move(a));
    }
    return p;
  }

  PortAxes output(const Port& port, ValueId v) {
    const Type& t = m_[v].type;
    PortAxes p{port.name, port.type, t.shape.has_value(), {}};
    if (!t.shape) return p;
    const auto& said = port.type.shape;
    for (size_t i = 0; i < t.shape->size(); ++i) {
      AxisFact a;
      a.is = (*t.shape)[i];
      a.proven = kind_of(a.is);
      if (said && said->size() == t.shape->size()) {
        a.said = (*said)[i];
        a.says = kind_of(a.said);
      }
      if (a.says == Kind::symbolic && a.proven == Kind::fixed && is_input_symbol(a.said)) {
        const SolvedSize* s = solved(a.said.symbol_name());
        a.by = s != nullptr ? s->node : dropper(v, a.said.symbol_name());
        a.why = a.by ? fmt::format("{} fixes it", describe_freezer(a.by))
                     : "nothing that is computed varies here";
      } else if (a.says == Kind::fixed &&
                 (a.proven == Kind::symbolic || (a.proven == Kind::fixed && !(a.said == a.is)))) {
        a.why = fmt::format("the file says {}, the graph computes {}", a.said.str(), a.is.str());
      }
      p.axes.push_back(std::move(a));
    }
    return p;
  }

  // --- the node that takes an axis away

  bool is_input_symbol(Dim d) const {
    return d.is_symbol() && std::any_of(declared_.begin(), declared_.end(), [&](const Type& t) {
             return t.shape && std::find(t.shape->begin(), t.shape->end(), d) != t.shape->end();
           });
  }

  // Nearest node, walking back from v, that reads a tensor with `symbol` as an axis and gives none.
  NodeId dropper(ValueId v, const std::string& symbol) const {
    std::vector<ValueId> work{v};
    std::unordered_set<ValueId> seen{v};
    for (size_t i = 0; i < work.size(); ++i) {
      const NodeId n = m_[work[i]].def;
      if (!n || m_.is_hidden(n) || m_[n].is("Shape") || m_[n].is("Size")) continue;
      for (const ValueId x : m_[n].in) {
        if (!x || m_.constant(x) != nullptr) continue;
        if (shape_mentions(m_, x, symbol)) return n;
        if (seen.insert(x).second) work.push_back(x);
      }
    }
    return {};
  }

  // The first node on the way to v that has `symbol` as an axis of its own in an operand, and only inside of
  // another axis in its result, after which no node restores it.
  NodeId folder(ValueId v, const std::string& symbol) const {
    const Dim s = Dim::symbol(symbol);
    const auto own = [&](ValueId x) {
      const auto& shape = m_[x].type.shape;
      return shape && std::find(shape->begin(), shape->end(), s) != shape->end();
    };
    std::vector<ValueId> work{v};
    std::unordered_set<ValueId> seen{v};
    for (size_t i = 0; i < work.size(); ++i) {
      const NodeId n = m_[work[i]].def;
      if (!n || m_.is_hidden(n)) continue;
      for (const ValueId x : m_[n].in) {
        if (!x || m_.constant(x) != nullptr || !shape_mentions(m_, x, symbol)) continue;
        // A product with one more factor in front (batch*seq, d) can still be taken apart; a leading constant
        // cannot.
        const auto& out = m_[work[i]].type.shape;
        const auto& in = m_[x].type.shape;
        if (own(x)) return n;
        if (!in->empty() && mentions(in->front(), symbol) && out && !out->empty() && out->front().is_const())
          return n;
        if (seen.insert(x).second) work.push_back(x);
      }
    }
    return {};
  }

  std::string describe_freezer(NodeId n) const {
    const Node& node = m_[n];
    if (node.is("Reshape") || node.is("Expand"))
      if (const Tensor* t = m_.constant(node.input(1));
          t != nullptr && t->count() <= 8 && t->byte_size() > 0) {
        std::string dims;
        for (const int64_t d : t->to_i64()) dims += fmt::format("{}{}", dims.empty() ? "" : ", ", d);
        return fmt::format("{} to the baked-in [{}]", node_text(m_, n), dims);
      }
    return node_text(m_, n);
  }

  // --- which axes are batch and sequence

  // An operand that only picks rows of a constant table: token ids.
  bool picks_rows(ValueId v) const {
    std::vector<ValueId> work{v};
    for (size_t i = 0; i < work.size() && i < 16; ++i)
      for (const Use& u : m_[work[i]].uses) {
        const Node& n = m_[u.node];
        if (n.is("Gather") && u.slot == 1 && m_.constant(n.in[0]) != nullptr && m_[n.in[0]].type.rank() == 2)
          return true;
        if (n.is("EmbedLayerNormalization", "com.microsoft") && u.slot < 2) return true;
        if (n.is("GatherBlockQuantized", "com.microsoft") && u.slot == 1) return true;
        if ((n.is("Cast") || n.is("Identity") || n.is("Reshape") || n.is("Flatten")) && u.slot == 0)
          work.push_back(n.out[0]);
      }
    return false;
  }

  void choose_axes() {
    for (size_t i = 0; i < input_values_.size(); ++i) {
      const Type& t = declared_[i];
      if (!t.is_tensor() || t.rank() != 2 || !is_integer(t.dtype) || !picks_rows(input_values_[i])) continue;
      main_ = i;
      sequence_axis_ = 1;
      break;
    }
    if (!main_)
      for (size_t i = 0; i < input_values_.size() && !main_; ++i)
        if (declared_[i].rank() >= 2) main_ = i;
    if (!main_ && !declared_.empty() && declared_[0].rank() >= 1) main_ = 0;
    // [3, height, width] is one image.
    if (main_ && declared_[*main_].rank() == 3 && declared_[*main_].shape->front().is_const(3)) main_.reset();
    if (!main_) return;
    const Shape& s = *declared_[*main_].shape;
    const auto sequential = [](const std::string& n) {
      return n.find("seq") != std::string::npos || n.find("time") != std::string::npos ||
             n.find("length") != std::string::npos || n.find("tokens") != std::string::npos;
    };
    // Other inputs: an axis whose symbol says so (there is no structure to see it by).
    for (size_t i = 1; i < s.size() && !sequence_axis_; ++i)
      if (s[i].is_symbol() &&
          (sequential(s[i].symbol_name()) || (is_integer(declared_[*main_].dtype) && s.size() == 2)))
        sequence_axis_ = i;
    if (s[0].is_symbol()) batch_ = s[0].symbol_name();
    if (sequence_axis_ && s[*sequence_axis_].is_symbol()) sequence_symbol_ = s[*sequence_axis_].symbol_name();
  }

  // --- relations

  void relations() {
    const auto named = [](const std::string& s) { return !s.starts_with('?'); };
    for (const SolvedSize& s : shapes_.solved)
      if (named(s.symbol) && !s.value.has_unknown())
        out_.relations.push_back(
            fmt::format("{} = {}  ({})", s.symbol, s.value.str(), node_text(m_, s.node)));
    for (const DimRelation& r : shapes_.needs) {
      if (r.a.has_unknown() || r.b.has_unknown()) continue;
      const bool compound = r.a.is_const() || (r.b.is_symbol() && !r.a.is_symbol());
      const Dim a = compound ? r.b : r.a, b = compound ? r.a : r.b;
      out_.relations.push_back(fmt::format("{} = {}{}  ({})", a.str(), b.str(),
                                           r.or_one ? ", or one of them is 1" : "", node_text(m_, r.node)));
    }
    for (const SizeLimit& l : shapes_.limits)
      out_.relations.push_back(fmt::format("{} <= {}  ({})", l.symbol, l.most, node_text(m_, l.node)));
  }

  // A size that the symbol is held to although no relation defines it: batch*seq = 128 (Reshape), or
  // seq = 128 unless it is 1 (broadcast with a constant of 128 rows). Other symbols are taken to be 1.
  struct Pin {
    int64_t size = 0;
    NodeId by;
    std::string why;
  };
  std::optional<Pin> pinned(const std::string& symbol) const {
    for (const DimRelation& r : shapes_.needs) {
      const Dim number = r.a.is_const() ? r.a : r.b, formula = r.a.is_const() ? r.b : r.a;
      if (!number.is_const() || formula.has_unknown() || !mentions(formula, symbol)) continue;
      if (r.or_one && !(formula == Dim::symbol(symbol))) continue;
      const Dim alone = formula.substitute(
          [&](const std::string& n) { return n == symbol ? std::nullopt : std::optional(Dim(1)); });
      const auto factor = Dim::exact_div(alone, Dim::symbol(symbol));
      if (!factor || !factor->is_const() || factor->value() <= 0 || number.value() % factor->value() != 0)
        continue;
      return Pin{number.value() / factor->value(), r.node,
                 fmt::format("{} needs {} = {}{}", node_text(m_, r.node), formula.str(), number.str(),
                             r.or_one ? " (or 1)" : "")};
    }
    return std::nullopt;
  }

  // --- verdicts

  void step(std::string question, bool ok, std::string answer) {
    out_.steps.push_back({std::move(question), std::move(answer), ok});
  }

  // The size is held: an answer against the axis, which is the verdict's reason too.
  void hold(AxisVerdict& v, Verdict kind, int64_t size, NodeId by, std::string why, const char* question) {
    v.kind = kind;
    v.size = size;
    v.by = by;
    v.why = std::move(why);
    step(question, false, v.why);
  }

  std::string port_list(const std::vector<std::string>& names) const {
    std::string s;
    for (size_t i = 0; i < names.size() && i < 3; ++i)
      s += fmt::format("{}'{}'", i > 0 ? ", " : "", names[i]);
    if (names.size() > 3) s += fmt::format(" and {} more", names.size() - 3);
    return s;
  }

  // Inputs that the caller sizes together with the main one: those with its axis.
  void inputs_step(const char* axis, const std::string& symbol) {
    std::vector<std::string> with, fixed;
    for (const PortAxes& p : out_.inputs) {
      const bool has = std::any_of(p.axes.begin(), p.axes.end(), [&](const AxisFact& a) {
        return mentions(a.said, symbol) || mentions(a.is, symbol);
      });
      if (has)
        with.push_back(p.name);
      else if (!p.axes.empty() && p.axes[0].says == Kind::fixed)
        fixed.push_back(p.name);
    }
    step(fmt::format("do the inputs expose a symbolic {} axis?", axis), true,
         fmt::format("{} on {}{}", symbol, port_list(with),
                     fixed.empty() ? "" : fmt::format("; {} of fixed size", port_list(fixed))));
  }

  void judge_batch() {
    AxisVerdict& v = out_.batch;
    if (!main_) {
      step("do the inputs expose a batch axis?", false, "no input has one");
      return;
    }
    const PortAxes& port = out_.inputs[*main_];
    const AxisFact& a = port.axes[0];
    if (a.says == Kind::fixed) {
      v.kind = Verdict::fixed;
      v.size = a.said.value();
      v.why = fmt::format("'{}' has {} rows in the file", port.name, a.said.value());
      step("do the inputs expose a symbolic batch axis?", false, v.why);
      out_.warnings.push_back(
          fmt::format("fixed shapes: run with batch_size={} (make-dynamic{{batch}} may free it)", v.size));
      return;
    }
    v.symbol = batch_;
    if (batch_.empty()) {  // an axis without a name
      step("do the inputs expose a symbolic batch axis?", true,
           fmt::format("axis 0 of '{}' has no name", port.name));
      v.kind = Verdict::free;
      v.why = fmt::format("axis 0 of '{}' is left open", port.name);
      return;
    }
    inputs_step("batch", batch_);
    if (const SolvedSize* s = solved(batch_); s != nullptr && s->value.is_const()) {
      hold(v, s->value.is_const(1) ? Verdict::clamped : Verdict::fixed, s->value.value(), s->node,
           fmt::format("{} runs only at {} = {}", describe_freezer(s->node), batch_, s->value.str()),
           "does every node run at other sizes?");
      out_.warnings.push_back(
          fmt::format("the batch axis is called '{}' but frozen: run with batch_size={}", batch_, v.size));
      return;
    }
    if (const auto pin = pinned(batch_)) {
      const bool alone = pin->why.find('*') == std::string::npos;
      hold(v, alone ? Verdict::fixed : Verdict::clamped, alone ? pin->size : 1, pin->by, pin->why,
           "does every node run at other sizes?");
      out_.warnings.push_back(fmt::format(
          "the batch axis is called '{}' but held to a size: run with batch_size={}", batch_, v.size));
      return;
    }
    step("does every node run at other sizes?", true, "no node pins it");
    judge_outputs(v);
  }

  void judge_outputs(AxisVerdict& v) {
    const Dim symbol = apply(Dim::symbol(batch_));
    const auto results = m_.outputs(m_.main());
    std::vector<std::string> carrying, without;
    for (size_t i = 0; i < out_.outputs.size(); ++i) {
      const PortAxes& p = out_.outputs[i];
      if (!p.ranked) {
        out_.warnings.push_back(fmt::format("the rank of output '{}' is not known", p.name));
        continue;
      }
      const bool carries =
          std::any_of(p.axes.begin(), p.axes.end(), [&](const AxisFact& a) { return a.is == symbol; });
      const bool said_static =
          !p.axes.empty() && p.axes[0].says == Kind::fixed && p.axes[0].proven != Kind::fixed;
      if (carries && !said_static) {
        carrying.push_back(p.name);
        continue;
      }
      const bool mixed = shape_mentions(m_, results[i], batch_);
      const bool depends = std::any_of(p.axes.begin(), p.axes.end(),
                                       [](const AxisFact& a) { return a.proven == Kind::unknown; });
      if (!mixed && depends) continue;  // sizes that data decides: no batch axis to carry
      without.push_back(p.name);
      if (v.kind != Verdict::none) continue;
      v.kind = Verdict::clamped;
      v.size = 1;
      if (carries) {
        v.why = fmt::format("output '{}' is declared with {} rows, though the graph computes {}", p.name,
                            p.axes[0].said.str(), p.axes[0].is.str());
        continue;
      }
      v.by = mixed ? folder(results[i], batch_) : dropper(results[i], batch_);
      v.why = v.by ? fmt::format("output '{}' has no axis '{}': {} {}", p.name, batch_,
                                 describe_freezer(v.by), mixed ? "mixes it into another axis" : "drops it")
                   : fmt::format("output '{}' has no axis '{}'", p.name, batch_);
    }
    if (without.empty()) {
      v.kind = Verdict::free;
      if (const SizeLimit* l = limit(batch_)) v.most = l->most;
      v.why = fmt::format("inputs and outputs share the axis '{}' and no node pins it", batch_);
      step("do the outputs carry the same symbol?", true, port_list(carrying));
    } else {
      step("do the outputs carry the same symbol?", false, v.why);
      out_.warnings.push_back(
          fmt::format("outputs are static under dynamic inputs: run with batch_size=1 ({})", v.why));
    }
  }

  void judge_sequence() {
    AxisVerdict& v = out_.sequence;
    if (!main_ || !sequence_axis_) return;
    const PortAxes& port = out_.inputs[*main_];
    const AxisFact& a = port.axes[*sequence_axis_];
    v.symbol = sequence_symbol_;
    if (a.says == Kind::fixed || a.proven == Kind::fixed) {
      const int64_t size = (a.says == Kind::fixed ? a.said : a.is).value();
      hold(v, Verdict::fixed, size, a.by,
           a.says == Kind::fixed ? fmt::format("'{}' has length {} in the file", port.name, size) : a.why,
           "may the sequence be of any length?");
      out_.warnings.push_back(fmt::format("the sequence length is fixed: run with length {}", v.size));
      return;
    }
    if (const auto pin = sequence_symbol_.empty() ? std::nullopt : pinned(sequence_symbol_)) {
      hold(v, Verdict::fixed, pin->size, pin->by, pin->why, "may the sequence be of any length?");
      out_.warnings.push_back(fmt::format(
          "the sequence is called '{}' but held to a size: run with length {}", sequence_symbol_, v.size));
      return;
    }
    v.kind = Verdict::free;
    v.most = a.most;
    v.by = a.by;
    v.why = a.most ? a.why : "no node pins it";
    step("may the sequence be of any length?", true,
         a.most ? fmt::format("up to {}: {}", *a.most, a.why) : "no node pins it");
  }

  Dim apply(Dim d) const {
    return d.substitute([&](const std::string& n) -> std::optional<Dim> {
      const SolvedSize* s = solved(n);
      return s == nullptr ? std::nullopt : std::optional(s->value);
    });
  }

  Model& m_;
  Shapes shapes_;
  std::vector<ValueId> input_values_;
  std::vector<Type> declared_;
  std::optional<size_t> main_, sequence_axis_;  // index among out_.inputs; axis of it
  std::string batch_, sequence_symbol_;
  Axes out_;
};

}  // namespace

Axes analyze_axes(Model& m) { return Analysis(m).run(); }

}  // namespace lathe
