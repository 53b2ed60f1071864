// The IR: one arena per Model for main graph, subgraphs and function bodies. Nodes, values and graphs are
// named by 4-byte ids that are never reused; a subgraph's capture of an outer value is an ordinary use. Graph
// inputs are the outputs of a hidden `params` node and graph outputs the inputs of a hidden `ret` node, so
// that replacing a value has no output special case; public names belong to the ports. Copying a Model is a
// snapshot (tensor bytes are shared).
//
// A reference to a Node, Value or Graph is valid until the next creation of one: keep ids across edits.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ir/core/attr.h"
#include "ir/core/tensor.h"
#include "ir/core/type.h"

namespace lathe {

using StringPairs = std::vector<std::pair<std::string, std::string>>;

// What lathe carries without reading: rare, hence behind a pointer.
struct Notes {
  std::string doc;
  StringPairs metadata;  // metadata_props
  std::string carried;   // protobuf fields unknown to lathe, verbatim
  bool operator==(const Notes&) const = default;
};
using NotesPtr = std::shared_ptr<const Notes>;

// How the file spelled a node, where that is not the canonical form (ir/onnx/lift/spelling.h).
struct Spelling;
using SpellingPtr = std::shared_ptr<const Spelling>;

struct Use {
  NodeId node;
  uint32_t slot;
  auto operator<=>(const Use&) const = default;
};

struct Value {
  NodeId def;         // defining node; none for initializers (and erased values)
  uint32_t slot = 0;  // output slot of def
  GraphId graph;      // the graph whose scope owns the value
  // Unique within its graph and the graphs around it once loaded (sibling subgraphs and functions may share
  // names, as in the file); "" only for never-named new values.
  std::string name;
  Type type;  // best known: declared, then refined by inference
  std::vector<Use> uses;
  // Initializer, default of an overridable input, or output of a Constant node. Ask Model::constant()
  // instead.
  TensorPtr constant;
  std::shared_ptr<const SparseTensor> sparse;  // sparse initializer
  bool erased = false;
};

// The internal attribute of a node whose old meaning no canonical op has (ir/onnx/lift.h): the op version
// that it means.
inline constexpr std::string_view kSince = "$since";

struct Node {
  std::string domain, type, overload, name;  // domain "" is ai.onnx
  std::vector<ValueId> in, out;              // a none id is an omitted optional
  Attrs attrs;
  GraphId parent;
  NodeId prev, next;
  NotesPtr notes;
  SpellingPtr spelling;
  bool erased = false;

  bool canonical() const { return !attrs.has(kSince); }
  // Is this the op t, as its newest version means it?
  bool is(std::string_view t, std::string_view d = "") const {
    return type == t && domain == d && canonical();
  }
  ValueId input(size_t i) const { return i < in.size() ? in[i] : ValueId{}; }
  ValueId output(size_t i) const { return i < out.size() ? out[i] : ValueId{}; }
};

// A public input or output of a graph: name and declared type stay as the file says, whatever happens inside.
struct Port {
  std::string name;
  Type type;
  NotesPtr notes;
};

// A value_info entry; value is none when the file names a value that does not exist.
struct ValueInfo {
  ValueId value;
  std::string name;
  Type type;
  NotesPtr notes;
};

struct QuantAnnotation {
  ValueId value;
  std::string name;
  StringPairs parameters;  // e.g. SCALE_TENSOR -> value name
  std::string carried;
};

struct Graph {
  NodeId owner;        // the If/Loop/Scan/... node; none for main and functions
  NodeId params, ret;  // outputs of params = graph inputs, inputs of ret = graph outputs
  std::vector<Port> inputs, outputs;
  std::vector<ValueId> initializers, sparse_initializers;  // in file order
  NodeId first, last;                                      // node list, in execution order
  std::string name;
  std::vector<ValueInfo> value_info;
  std::vector<QuantAnnotation> quant_annotations;
  NotesPtr notes;
};

struct OpsetImport {
  std::string domain;
  int64_t version = 0;
  bool operator==(const OpsetImport&) const = default;
};

// A model-local function. A call is a node with the function's domain, name and overload.
struct Function {
  std::string domain, name, overload;
  GraphId body;                         // ports carry names only
  std::vector<std::string> attributes;  // required attribute parameters
  Attrs defaults;                       // attribute parameters with default values
  std::vector<OpsetImport> opsets;
  NotesPtr notes;
};

// One committed rewrite (docs/verification.md).
struct RewriteRecord {
  std::string pass, rule;
  std::vector<std::string> taken;  // names of the nodes it replaced
  std::vector<std::string> made;
};

struct ModelInfo {
  int64_t ir_version = 0;
  std::string producer_name, producer_version, domain, doc;
  int64_t model_version = 0;
  std::vector<OpsetImport> opsets;  // as asked for at save; see Model::require_opset
  StringPairs metadata;
  std::string carried;  // training_info, configuration and newer fields, verbatim
};

class Model {
 public:
  Model();

  const Node& operator[](NodeId id) const { return nodes_[id.v]; }
  const Value& operator[](ValueId id) const { return values_[id.v]; }
  const Graph& operator[](GraphId id) const { return graphs_[id.v]; }
  size_t node_capacity() const { return nodes_.size(); }  // ids are below these
  size_t value_capacity() const { return values_.size(); }
  size_t graph_capacity() const { return graphs_.size(); }

  GraphId main() const { return main_; }
  void set_main(GraphId g) { main_ = g; }  // the old one is dropped (extract.h)
  ModelInfo info;
  std::vector<Function> functions;
  std::vector<RewriteRecord> trail;

  // --- building
  // ------------------------------------------------------------------------------------------------
  GraphId add_graph(NodeId owner = {}, std::string name = {});
  ValueId add_input(GraphId g, Port port);  // the value takes the port's name and type
  void add_output(GraphId g, ValueId v, Port port);
  // An initializer of g; an empty name asks for a fresh one.
  ValueId add_initializer(GraphId g, Tensor tensor, std::string name = {});
  // One that has no name and no place in the file: an input that only the canonical form has. Lowering takes
  // it away again, or gives it a name if a pass has put it to other use.
  ValueId add_unnamed_constant(GraphId g, Tensor tensor);
  ValueId add_sparse_initializer(GraphId g, SparseTensor tensor, std::string name);
  // Gives an input a default value (initializer of the same name).
  void set_default(ValueId input, Tensor tensor);
  // A floating node: it uses its inputs, but is in no graph until placed. Output names are given or stay
  // empty.
  NodeId create(std::string domain, std::string type, std::vector<ValueId> in, Attrs attrs, size_t outputs,
                std::string name = {}, std::vector<std::string> output_names = {});

  // --- the five mutators that keep use lists exact
  // ----------------------------------------------------------------
  void place(NodeId n, GraphId g,
             NodeId before = {});                    // none = at the end; moves a node that is placed already
  void set_input(NodeId n, size_t slot, ValueId v);  // grows the list when slot is past its end
  void truncate_inputs(NodeId n, size_t count);
  void replace_uses(ValueId from, ValueId to);  // captures and graph outputs alike
  void erase(NodeId n);                         // its outputs must have no uses; its subgraphs go with it

  // --- other edits
  // -----------------------------------------------------------------------------------------------
  void set_type(ValueId v, Type type);
  void set_attr(NodeId n, std::string_view name, AttrValue value);
  void erase_attr(NodeId n, std::string_view name);
  void set_op(NodeId n, std::string domain, std::string type);
  void set_overload(NodeId n, std::string overload);
  void set_name(NodeId n, std::string name);
  void set_name(ValueId v, std::string name);
  void set_notes(NodeId n, NotesPtr notes);
  void set_attrs(NodeId n, Attrs attrs);  // all of them; the subgraphs must stay the same
  void set_inputs(NodeId n, std::vector<ValueId> in);
  void set_spelling(NodeId n, SpellingPtr spelling);
  void set_constant(ValueId v, TensorPtr t);  // replaces an initializer's (or Constant output's) tensor
  void add_outputs(NodeId n, size_t count);   // grows the output list with omitted outputs
  void drop_output(NodeId n, size_t slot);    // makes an unused output omitted
  ValueId make_output(NodeId n, size_t slot, std::string name);  // gives an omitted output a value
  void erase_initializer(ValueId v);                             // must have no uses
  // As erase_initializer for all dense ones of g that `drop` names, in one go.
  void erase_initializers(GraphId g, const std::function<bool(ValueId)>& drop);
  void erase_graph_outputs(GraphId g, const std::vector<size_t>& slots);  // of subgraphs and functions
  Graph& edit(GraphId g) {
    ++edits_;
    return graphs_[g.v];
  }  // names, ports, value_info, order lists

  // --- questions
  // ------------------------------------------------------------------------------------------------- The
  // tensor that v always has: an initializer that no caller can override, or the output of a Constant node.
  const Tensor* constant(ValueId v) const { return constant_ptr(v).get(); }
  TensorPtr constant_ptr(ValueId v) const;
  bool is_initializer(ValueId v) const;   // dense, without a defining node
  bool is_graph_input(ValueId v) const;   // of main, a subgraph or a function
  bool is_graph_output(ValueId v) const;  // one of its uses is a `ret` node
  bool is_hidden(NodeId n) const;         // params or ret
  std::vector<ValueId> inputs(GraphId g) const { return (*this)[(*this)[g].params].out; }
  std::vector<ValueId> outputs(GraphId g) const { return (*this)[(*this)[g].ret].in; }
  std::vector<NodeId> nodes(GraphId g) const;        // a copy: safe to edit while walking
  std::vector<GraphId> subgraphs(NodeId n) const;    // in attribute order
  const Function* function(const Node& call) const;  // the local function a node calls, or null
  int64_t opset(std::string_view domain) const;      // 0 if not imported
  // Raises (never lowers) the opset that the model is saved with.
  void require_opset(std::string_view domain, int64_t version);
  // Is `inner` equal to `outer` or nested in it?
  bool encloses(GraphId outer, GraphId inner) const;

  // A name that no value, node or port has, made from `base` ("gelu", "gelu_1", ...), and reserved from now
  // on.
  std::string unique_name(std::string_view base);
  uint64_t edits() const { return edits_; }  // grows with every change: the key of cached analyses

 private:
  Node& at(NodeId id) { return nodes_[id.v]; }
  Value& at(ValueId id) { return values_[id.v]; }
  void add_use(ValueId v, NodeId n, size_t slot);
  void drop_use(ValueId v, NodeId n, size_t slot);
  void unlink(NodeId n);
  ValueId new_value(NodeId def, size_t slot, GraphId g, std::string name);
  void collect_names();

  std::vector<Node> nodes_;
  std::vector<Value> values_;
  std::vector<Graph> graphs_;
  GraphId main_;
  std::unordered_set<std::string> names_;
  bool names_ready_ = false;
  uint64_t edits_ = 0;
};

}  // namespace lathe
