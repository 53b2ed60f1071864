#include "ir/onnx/graph_scan.h"

#include "ir/base/error.h"
#include "ir/onnx/fields.h"
#include "ir/onnx/place.h"

namespace lathe {
namespace {

using wire::Bytes;
using wire::Field;
using wire::Reader;

class Scanner {
 public:
  Scanner(PartBudget& budget, std::string& trace) : budget_(budget), trace_(trace) {}

  RawGraph graph(Bytes message, int depth) {
    RawGraph g;
    // The name first: errors below want it.
    for_each(message, [&](const Field& f) {
      if (f.number == field::graph::name) g.name = f.text();
    });
    PlaceScope place(trace_, depth == 0 ? "graph" : "subgraph", g.name);
    if (depth > kMaxGraphDepth) fail("graphs are nested deeper than {}", kMaxGraphDepth);
    for_each(message, [&](const Field& f) {
      switch (f.number) {
        case field::graph::node:
          node(g, f.message(), depth);
          break;
        case field::graph::name:
          if (f.message().empty()) rest(g, f);
          break;
        case field::graph::initializer:
          item(g.initializers, f.message(), field::tensor::name);
          break;
        case field::graph::sparse_initializer:
          sparse(g, f.message());
          break;
        case field::graph::input:
          item(g.inputs, f.message(), field::value_info::name);
          break;
        case field::graph::output:
          item(g.outputs, f.message(), field::value_info::name);
          break;
        case field::graph::value_info:
          item(g.value_info, f.message(), field::value_info::name);
          break;
        case field::graph::quantization_annotation:
          item(g.annotations, f.message(), field::annotation::tensor_name);
          break;
        default:
          rest(g, f);
      }
    });
    return g;
  }

  RawGraph function(Bytes message) {
    RawGraph g;
    g.is_function = true;
    for_each(message, [&](const Field& f) {
      switch (f.number) {
        case field::function::node:
          node(g, f.message(), 0);
          break;
        case field::function::input:
          budget_.take(PartBudget::kItem);
          g.inputs.push_back({f.text(), {}});
          break;
        case field::function::output:
          budget_.take(PartBudget::kItem);
          g.outputs.push_back({f.text(), {}});
          break;
        case field::function::value_info:
          item(g.value_info, f.message(), field::value_info::name);
          break;
        default:
          rest(g, f);
      }
    });
    return g;
  }

 private:
  template <class F>
  static void for_each(Bytes message, F&& body) {
    Reader reader(message);
    for (Field f; reader.next(f);) body(f);
  }

  static std::string_view name_in(Bytes message, uint32_t number) {
    std::string_view name;
    for_each(message, [&](const Field& f) {
      if (f.number == number) name = f.text();
    });
    return name;
  }

  void rest(RawGraph& g, const Field& f) {
    budget_.take(PartBudget::kEntry);
    g.rest.push_back(f);
  }

  void item(std::vector<RawItem>& list, Bytes message, uint32_t name_number) {
    budget_.take(PartBudget::kItem);
    list.push_back({name_in(message, name_number), message});
  }

  void sparse(RawGraph& g, Bytes message) {
    budget_.take(PartBudget::kItem);
    RawItem item{{}, message};
    for_each(message, [&](const Field& f) {
      if (f.number == field::sparse::values) item.name = name_in(f.message(), field::tensor::name);
    });
    g.sparse_initializers.push_back(item);
  }

  void node(RawGraph& g, Bytes message, int depth) {
    budget_.take(PartBudget::kNode);
    RawNode n;
    n.body = message;
    n.names = g.names.size();
    n.children = static_cast<uint32_t>(g.children.size());
    outputs_.clear();
    for_each(message, [&](const Field& f) {
      switch (f.number) {
        case field::node::input:
          budget_.take(PartBudget::kOperand);
          g.names.push_back(f.text());
          break;
        case field::node::output:
          budget_.take(PartBudget::kResult);
          outputs_.push_back(f.text());
          break;
        case field::node::name:
          n.name = f.text();
          break;
        case field::node::op_type:
          n.type = f.text();
          break;
        default:  // attributes and the like
          budget_.take(PartBudget::kEntry);
          break;
      }
    });
    PlaceScope place(trace_, "node", n.name, n.type);
    n.inputs = static_cast<uint32_t>(g.names.size() - n.names);
    n.outputs = static_cast<uint32_t>(outputs_.size());
    g.names.insert(g.names.end(), outputs_.begin(), outputs_.end());
    if (n.type.empty()) fail("a node has no op_type");
    if (n.type[0] == '$') fail("op_type {} begins with '$', which is lathe's own", quote(n.type));
    for_each(message, [&](const Field& f) {
      if (f.number == field::node::attribute) subgraphs(g, f.message(), depth);
    });
    n.child_count = static_cast<uint32_t>(g.children.size()) - n.children;
    g.nodes.push_back(n);
  }

  void subgraphs(RawGraph& g, Bytes attribute, int depth) {
    for_each(attribute, [&](const Field& f) {
      if (f.number != field::attribute::g && f.number != field::attribute::graphs) return;
      PlaceScope place(trace_, "attribute", name_in(attribute, field::attribute::name));
      g.children.push_back(graph(f.message(), depth + 1));
    });
  }

  PartBudget& budget_;
  std::string& trace_;
  std::vector<std::string_view> outputs_;
};

}  // namespace

RawGraph scan_graph(Bytes message, PartBudget& budget, std::string& trace) {
  return Scanner(budget, trace).graph(message, 0);
}
RawGraph scan_function(Bytes message, PartBudget& budget, std::string& trace) {
  return Scanner(budget, trace).function(message);
}

}  // namespace lathe
