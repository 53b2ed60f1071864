#include "ir/core/walk.h"
#include "ir/onnx/schema.h"
#include "passes/core/kernel_table.h"
#include "passes/lint/all_lints.h"
#include "passes/lint/context.h"

namespace lathe::lint {
namespace {

class Check {
 public:
  explicit Check(Context& c) : c_(c), m_(c.spelled()), table_(c.target().kernels()) {}

  void run() {
    graphs(m_.main(), m_.info.opsets, true);
    for (const Function& f : m_.functions) graphs(f.body, f.opsets, false);
  }

 private:
  void graphs(GraphId root, const std::vector<OpsetImport>& opsets, bool typed) {
    for (const GraphId g : nested_graphs(m_, root))
      for (NodeId n = m_[g].first; n; n = m_[n].next) {
        const Node& node = m_[n];
        if (m_.function(node) != nullptr || (node.domain.empty() && node.type == "Constant")) continue;
        int64_t opset = 0;
        for (const OpsetImport& o : opsets)
          if (o.domain == node.domain) opset = o.version;
        look(n, opset, typed);
      }
  }

  void look(NodeId n, int64_t opset, bool typed) {
    const Node& node = m_[n];
    if (table_ == nullptr) {  // standard ops only
      if (!node.domain.empty() && node.domain != "ai.onnx.ml")
        c_.at_node(n, fmt::format("{} is of the domain {}", node.type, node.domain));
      return;
    }
    KernelTable::Node ask{node.domain, node.type, op_version(node.domain, node.type, opset), {}, {}};
    if (ask.version == 0) ask.version = 1;  // a domain that lathe has no schemas of
    const auto types = [&](const std::vector<ValueId>& values) {
      std::vector<DType> out;
      for (const ValueId v : values) {
        const Type* t = typed && v ? &c_.model()[v].type : nullptr;
        out.push_back(t != nullptr && t->is_tensor() ? t->dtype : DType::Undefined);
      }
      return out;
    };
    ask.in = types(node.in);
    ask.out = types(node.out);
    const KernelTable::Answer answer = table_->ask(ask);
    if (answer.fit == KernelTable::Fit::yes) return;
    if (has_body(node, opset)) return;
    if (c_.target().is_cpu()) {
      if (in_float32(*table_, ask))
        return c_.at_node(n, fmt::format("{} in float16 is computed in float32 between casts", node.type),
                          Severity::note);
      return c_.at_node(n, answer.why);
    }
    // What the provider leaves, the CPU provider takes.
    const KernelTable& cpu = *Target::named("ort-cpu").kernels();
    if (cpu.ask(ask).fit != KernelTable::Fit::yes && !in_float32(cpu, ask))
      return c_.at_node(n, answer.why + ", nor has the CPU provider one");
    bool tiny = true;
    for (const ValueId v : node.out) tiny = tiny && (!v || !typed || c_.is_shape_math(v));
    c_.at_node(n, answer.why + ": it runs on the CPU", tiny ? Severity::note : Severity::warning);
  }

  // onnxruntime inlines the function body of an op that no provider takes.
  static bool has_body(const Node& node, int64_t opset) {
    const Schema* s = opset > 0 ? find_schema(node.domain, node.type, opset) : nullptr;
    return s != nullptr && s->has_function;
  }

  // The CPU provider's graph gets casts around float kernels where it has none for float16.
  static bool in_float32(const KernelTable& table, KernelTable::Node ask) {
    bool any = false;
    for (auto* list : {&ask.in, &ask.out})
      for (DType& t : *list)
        if (t == DType::F16) {
          t = DType::F32;
          any = true;
        }
    return any && table.ask(ask).fit == KernelTable::Fit::yes;
  }

  Context& c_;
  const Model& m_;
  const KernelTable* table_;
};

}  // namespace

LintDef no_kernel() {
  return {.id = "no-kernel",
          .group = "target",
          .severity = Severity::error,
          .summary = "a node that the target has no kernel for",
          .help =
              "By op, version and element types, from tables made of what the runtimes publish "
              "(passes/core/targets, each names its source). On ort-cpu and ort-web (WebAssembly) such a "
              "model does not load; ort-cuda, coreml and tensorrt leave the node to the CPU, and tensors are "
              "copied to it and back (a warning). Ops whose schema has a function body are taken to run. "
              "Limits on attributes and ranks are not in the tables.",
          .fix = "export with another opset or type, or choose another target",
          .run = [](Context& c) { Check(c).run(); }};
}

}  // namespace lathe::lint
