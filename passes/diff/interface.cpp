#include "passes/diff/interface.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ir/base/quote.h"
#include "ir/onnx/save.h"
#include "passes/diff/scope.h"
#include "passes/diff/text.h"

namespace lathe::diff {
namespace {

using Kind = InterfaceChange::Kind;

class Interface {
 public:
  Interface(const Model& a, const Model& b, const Alignment& al) : a_(a), b_(b), al_(al) {}

  std::vector<InterfaceChange> run() {
    const Graph &ga = a_[a_.main()], &gb = b_[b_.main()];
    ports(Kind::input, ga.inputs, gb.inputs, al_.inputs);
    defaults();
    ports(Kind::output, ga.outputs, gb.outputs, al_.outputs);
    pairs(Kind::opset, opsets(a_), opsets(b_));
    functions();
    properties();
    pairs(Kind::metadata, metadata(a_), metadata(b_));
    return std::move(out_);
  }

 private:
  void add(Kind kind, std::string name, std::string before, std::string after) {
    out_.push_back({kind, std::move(name), std::move(before), std::move(after)});
  }

  void ports(Kind kind, const std::vector<Port>& pa, const std::vector<Port>& pb,
             const std::vector<std::pair<size_t, size_t>>& together) {
    std::vector<bool> in_a(pa.size(), false), in_b(pb.size(), false);
    std::vector<size_t> order;
    for (const auto& [i, k] : together) {
      in_a[i] = in_b[k] = true;
      order.push_back(k);
      const std::string ta = type_text(pa[i].type), tb = type_text(pb[k].type);
      if (pa[i].name != pb[k].name)
        add(kind, pa[i].name, pa[i].name + (ta == tb ? "" : ": " + ta),
            pb[k].name + (ta == tb ? "" : ": " + tb));
      else if (ta != tb)
        add(kind, pa[i].name, ta, tb);
    }
    for (size_t i = 0; i < pa.size(); ++i)
      if (!in_a[i]) add(kind, pa[i].name, type_text(pa[i].type), "");
    for (size_t k = 0; k < pb.size(); ++k)
      if (!in_b[k]) add(kind, pb[k].name, "", type_text(pb[k].type));
    if (!std::is_sorted(order.begin(), order.end())) {
      const auto names = [](const std::vector<Port>& ports, const std::vector<bool>& shared) {
        std::string s;
        for (size_t i = 0; i < ports.size(); ++i)
          if (shared[i]) s += (s.empty() ? "" : ", ") + ports[i].name;
        return s;
      };
      add(kind, "order", names(pa, in_a), names(pb, in_b));
    }
  }

  // Initializers of inputs that a caller may override.
  void defaults() {
    const auto in_a = a_.inputs(a_.main()), in_b = b_.inputs(b_.main());
    for (const auto& [i, k] : al_.inputs) {
      const TensorPtr &x = a_[in_a[i]].constant, &y = b_[in_b[k]].constant;
      if ((x == nullptr && y == nullptr) || (x != nullptr && y != nullptr && same_content(*x, *y))) continue;
      const auto text = [](const TensorPtr& t) {
        return t ? "default " + tensor_text(*t) : std::string("no default");
      };
      add(Kind::input, a_[a_.main()].inputs[i].name, text(x), text(y));
    }
  }

  using Texts = std::map<std::string, std::string>;
  void pairs(Kind kind, const Texts& x, const Texts& y) {
    for (const auto& [key, value] : x) {
      const auto it = y.find(key);
      if (it == y.end())
        add(kind, key, value, "");
      else if (it->second != value)
        add(kind, key, value, it->second);
    }
    for (const auto& [key, value] : y)
      if (!x.contains(key)) add(kind, key, "", value);
  }

  static Texts opsets(const Model& m) {
    Texts out;
    for (const OpsetImport& o : m.info.opsets)
      out[o.domain.empty() ? "ai.onnx" : o.domain] = std::to_string(o.version);
    return out;
  }
  static Texts metadata(const Model& m) {
    Texts out;
    for (const auto& [key, value] : m.info.metadata)
      if (key != kRewritesKey) out[key] = value;
    return out;
  }

  void functions() {
    std::vector<bool> in_a(a_.functions.size(), false), in_b(b_.functions.size(), false);
    const auto full = [](const Function& f) {
      return f.domain + "." + f.name + (f.overload.empty() ? "" : ":" + f.overload);
    };
    const auto size = [](const Model& m, const Function& f) {
      return fmt::format("{} nodes", Scope(m, f.body).size());
    };
    for (const auto& [i, k] : al_.functions) {
      in_a[i] = in_b[k] = true;
      const std::string x = full(a_.functions[i]), y = full(b_.functions[k]);
      if (x != y) add(Kind::function, x, x, y);
    }
    for (size_t i = 0; i < in_a.size(); ++i)
      if (!in_a[i]) add(Kind::function, full(a_.functions[i]), size(a_, a_.functions[i]), "");
    for (size_t k = 0; k < in_b.size(); ++k)
      if (!in_b[k]) add(Kind::function, full(b_.functions[k]), "", size(b_, b_.functions[k]));
  }

  void properties() {
    const ModelInfo &x = a_.info, &y = b_.info;
    const auto text = [&](const char* name, const std::string& before, const std::string& after) {
      if (before != after) add(Kind::model, name, before, after);
    };
    const auto number = [&](const char* name, int64_t before, int64_t after) {
      if (before != after) add(Kind::model, name, std::to_string(before), std::to_string(after));
    };
    number("ir_version", x.ir_version, y.ir_version);
    text("producer_name", x.producer_name, y.producer_name);
    text("producer_version", x.producer_version, y.producer_version);
    text("domain", x.domain, y.domain);
    number("model_version", x.model_version, y.model_version);
    text("doc_string", x.doc, y.doc);
    text("graph name", a_[a_.main()].name, b_[b_.main()].name);
  }

  const Model &a_, &b_;
  const Alignment& al_;
  std::vector<InterfaceChange> out_;
};

}  // namespace

const char* kind_name(InterfaceChange::Kind k) {
  static constexpr const char* kNames[] = {"input", "output", "opset", "function", "model", "metadata"};
  return kNames[static_cast<size_t>(k)];
}

std::vector<InterfaceChange> interface_changes(const Model& a, const Model& b, const Alignment& al) {
  return Interface(a, b, al).run();
}

}  // namespace lathe::diff
