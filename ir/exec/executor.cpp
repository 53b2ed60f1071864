#include "ir/exec/executor.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include "ir/base/buffer_pool.h"
#include "ir/base/hash.h"
#include "ir/core/label.h"
#include "ir/core/walk.h"
#include "ir/exec/memory.h"
#include "ir/exec/plan.h"
#include "ir/onnx/lift.h"
#include "ir/onnx/schema.h"
#include "ir/ops/convert.h"
#include "ir/ops/function_call.h"
#include "ir/ops/training/gradient.h"

namespace lathe {
namespace {

constexpr int kMaxDepth = 100;      // of subgraphs and function calls inside each other
constexpr int kMaxBodies = 10'000;  // of functions, once for each chain of calls

using Clock = std::chrono::steady_clock;

int64_t bytes_made(const std::vector<Datum>& results, std::span<const Datum* const> in) {
  int64_t sum = 0;
  for (const Datum& d : results) {
    const Tensor* t = d.tensor();
    if (t == nullptr) continue;
    const bool shared = std::any_of(in.begin(), in.end(), [&](const Datum* i) {
      return i != nullptr && i->tensor() != nullptr && i->tensor()->keep() == t->keep();
    });
    if (!shared) sum += static_cast<int64_t>(t->byte_size());
  }
  return sum;
}

// Plans of one model's graphs, as seen from one call chain: the main graph's, or a function body's with the
// attributes of its call.
struct Instance {
  const Model* model = nullptr;
  bool is_main_model = false;
  Attrs bound;
  bool in_function = false;
  std::unordered_map<GraphId, std::unique_ptr<Plan>> plans = {};
  std::unordered_map<NodeId, std::unique_ptr<Instance>> calls = {};  // by calling node
};

// Values of one graph in execution.
struct Frame {
  const Plan* plan = nullptr;
  std::vector<Datum> own;
  std::vector<const Datum*> at;  // every slot: own, constant or captured
};

// A schema's function body, made for one op with given attributes and input types, in a model of its own.
struct Expansion {
  Model model;
  GraphId body;
  Instance instance;
};

Type type_of(const Datum& d) {
  if (const Tensor* t = d.tensor()) {
    Shape shape;
    for (size_t i = 0; i < t->dims.size(); ++i) shape.push_back(Dim::unknown());
    return Type::tensor(t->dtype, std::move(shape));
  }
  if (d.sequence() != nullptr) return Type::sequence(Type::tensor(d.element));
  if (const MapDatum* m = d.map()) return Type::map(m->keys.dtype, Type::tensor(m->values.dtype));
  return {};
}

// As inferred where known, otherwise as the port declares.
std::vector<Type> output_types(const Model& m, GraphId g) {
  std::vector<Type> types;
  const auto values = m.outputs(g);
  for (size_t i = 0; i < values.size(); ++i)
    types.push_back(values[i] && m[values[i]].type.known() ? m[values[i]].type : m[g].outputs[i].type);
  return types;
}

}  // namespace

struct Executor::Impl {
  const Model& m;
  ExecOptions options;
  Instance root;
  uint64_t planned_at = 0;  // m.edits() that the plans are good for
  std::unordered_map<std::string, std::unique_ptr<Expansion>> expansions;
  LiveBytes live;
  int depth = 0, bodies = 0;
  Clock::time_point run_start;

  Impl(const Model& model, ExecOptions o) : m(model), options(std::move(o)), live(options.max_bytes) {
    reset();
  }

  void reset() {
    root = {};
    root.model = &m;
    root.is_main_model = true;
    bodies = 0;
    planned_at = m.edits();
  }
  void refresh() {
    if (planned_at != m.edits()) {
      reset();
      live.drop();
    }
    live.clear();
    depth = 0;
    run_start = Clock::now();
  }

  PlanOptions plan_options(const Instance& instance) const {
    return {.bound = instance.in_function ? &instance.bound : nullptr, .precise = options.precise};
  }

  const Plan& plan(Instance& instance, GraphId g) {
    auto& p = instance.plans[g];
    if (!p) p = std::make_unique<Plan>(plan_graph(*instance.model, g, plan_options(instance)));
    return *p;
  }

  // --- frames
  // ----------------------------------------------------------------------------------------------------

  static Frame open(const Plan& plan) {
    Frame f;
    f.plan = &plan;
    f.own.resize(plan.made);
    f.at.reserve(plan.slots());
    for (const Datum& d : f.own) f.at.push_back(&d);
    for (const Datum& d : plan.constants) f.at.push_back(&d);
    return f;
  }

  void store(Instance& instance, Frame& f, Slot slot, Datum d) {
    if (options.precise) d = promoted(d);
    live.add(d);
    const auto i = static_cast<size_t>(slot);
    f.own[i] = std::move(d);
    if (options.on_value && instance.is_main_model) options.on_value(f.plan->ids[i], f.own[i]);
  }

  void release(Frame& f, const std::vector<Slot>& slots) {
    for (const Slot s : slots) {
      Datum& d = f.own[static_cast<size_t>(s)];
      live.remove(d);
      d = Datum();
    }
  }

  std::vector<Datum> run_graph(Instance& instance, GraphId g, std::vector<Datum> inputs, const Frame* outer) {
    if (depth >= kMaxDepth) fail("subgraphs or function calls are nested deeper than {}", kMaxDepth);
    ++depth;
    const Plan& p = plan(instance, g);
    Frame f = open(p);
    for (const ValueId v : p.captures) {
      const auto it = outer != nullptr ? outer->plan->slot_of.find(v) : p.slot_of.end();
      if (outer == nullptr || it == outer->plan->slot_of.end())
        fail("value '{}' has no definition here", (*instance.model)[v].name);
      f.at.push_back(outer->at[static_cast<size_t>(it->second)]);
    }
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      Datum d = i < inputs.size() ? std::move(inputs[i]) : Datum();
      if (p.inputs[i] >= 0) store(instance, f, p.inputs[i], std::move(d));
    }
    inputs.clear();
    for (const PlanStep& step : p.steps) {
      run_step(instance, f, step);
      release(f, step.last);
    }
    std::vector<Datum> out;
    for (const Slot s : p.outputs) out.push_back(s >= 0 ? *f.at[static_cast<size_t>(s)] : Datum());
    for (const Datum& d : f.own) live.remove(d);
    --depth;
    return out;
  }

  // --- nodes
  // -----------------------------------------------------------------------------------------------------

  void run_step(Instance& instance, Frame& f, const PlanStep& step) {
    const Node& n = step.resolved ? *step.resolved : (*instance.model)[step.id];
    const bool timed = options.on_node && instance.is_main_model;
    const auto start = timed ? Clock::now() : Clock::time_point();
    int64_t made = 0;
    try {
      std::vector<const Datum*> in;
      in.reserve(step.in.size());
      for (const Slot s : step.in) in.push_back(s >= 0 ? f.at[static_cast<size_t>(s)] : nullptr);
      std::vector<Datum> results = evaluate(instance, f, step, n, in);
      if (timed) made = bytes_made(results, in);
      for (size_t i = 0; i < step.out.size(); ++i)
        if (step.out[i] >= 0)
          store(instance, f, step.out[i], i < results.size() ? std::move(results[i]) : Datum());
    } catch (const NodeError&) {
      throw;
    } catch (const Error& e) {
      throw NodeError(e.kind(), node_place(*instance.model, n) + ": " + e.what());
    } catch (const std::bad_alloc&) {
      throw NodeError(ErrorKind::input, node_place(*instance.model, n) + ": out of memory");
    } catch (const std::length_error&) {  // a vector beyond what the address space holds
      throw NodeError(ErrorKind::input, node_place(*instance.model, n) + ": out of memory");
    }
    if (timed)
      options.on_node({step.id, std::chrono::duration<double>(start - run_start).count(),
                       std::chrono::duration<double>(Clock::now() - start).count(), made});
  }

  std::vector<Datum> evaluate(Instance& instance, Frame& f, const PlanStep& step, const Node& n,
                              std::span<const Datum* const> in) {
    if (step.function != nullptr) return call(instance, step, n, in);
    if (step.def == nullptr) return expand(n, step, in);
    EvalCtx c(n, in, n.out.size());
    if (!step.bodies.empty()) {
      c.run_body = [&](GraphId g, std::vector<Datum> inputs) {
        return run_graph(instance, g, std::move(inputs), &f);
      };
      c.body_types = [&](GraphId g) { return output_types(*instance.model, g); };
    }
    uint64_t stream = step.id.v;  // a named value keeps its random numbers when other nodes come and go
    if (n.output(0)) stream = hash_string((*instance.model)[n.output(0)].name);
    c.seed = hash_combine(options.seed, stream);
    c.max_iterations = options.max_iterations;
    c.max_bytes = live.left();
    StepMemory* const memory = step.memory.get();
    const bool again = memory != nullptr && std::exchange(memory->ran, true);  // what runs once is not packed
    const bool room =  // under a limit a small part of it: later runs may need the rest
        again && (c.max_bytes == 0 || c.max_bytes / 8 > memory->constants.constant_bytes());
    const int64_t before = room ? memory->constants.kept_bytes() : 0;
    const KeptOperands::Scope kept(room ? &memory->constants : nullptr);
    const BufferLimit limit(c.max_bytes);
    if (is_gradient(n))
      differentiate(instance, c);
    else
      step.def->eval(c);
    if (room) live.keep(memory->constants.kept_bytes() - before);
    return std::move(c.results());
  }

  void differentiate(Instance& instance, EvalCtx& c) const {
    std::vector<std::unique_ptr<Expansion>> made;
    eval_gradient(*instance.model, c, options.precise,
                  [&](const Node& n, std::span<const Datum* const> in) -> OpBody {
                    auto e = make_expansion(n, in);
                    if (!e) return {};
                    made.push_back(std::move(e));
                    return {&made.back()->model, made.back()->body};
                  });
  }

  static std::vector<Datum> copies(std::span<const Datum* const> in) {
    std::vector<Datum> out;
    out.reserve(in.size());
    for (const Datum* d : in) out.push_back(d != nullptr ? *d : Datum());
    return out;
  }

  std::vector<Datum> call(Instance& instance, const PlanStep& step, const Node& n,
                          std::span<const Datum* const> in) {
    auto& callee = instance.calls[step.id];
    if (!callee) {
      if (++bodies > kMaxBodies)
        fail("function calls inside each other make more than {} bodies", kMaxBodies);
      callee = std::make_unique<Instance>();
      callee->model = instance.model;
      callee->is_main_model = instance.is_main_model;
      callee->bound = bind_call(*step.function, n.attrs);
      callee->in_function = true;
    }
    return run_graph(*callee, step.function->body, copies(in), nullptr);
  }

  // Halves are computed in float and rounded once, as kernels do: the body sees floats.
  std::vector<Datum> expand(const Node& n, const PlanStep& step, std::span<const Datum* const> in) {
    if (!step.bodies.empty()) fail("there is no kernel for this op");
    DType half = DType::Undefined;
    std::vector<Datum> wide = copies(in);
    std::vector<const Datum*> operands(in.begin(), in.end());
    for (size_t i = 0; i < in.size(); ++i) {
      const Tensor* t = in[i] != nullptr ? in[i]->tensor() : nullptr;
      if (t == nullptr || (t->dtype != DType::F16 && t->dtype != DType::BF16)) continue;
      half = t->dtype;
      wide[i] = convert(*t, DType::F32);
      operands[i] = &wide[i];
    }
    if (half == DType::Undefined) return run_body(n, in);
    std::vector<Datum> out = run_body(n, operands);
    for (Datum& d : out)
      if (const Tensor* t = d.tensor(); t != nullptr && t->dtype == DType::F32) d = convert(*t, half);
    return out;
  }

  std::vector<Datum> run_body(const Node& n, std::span<const Datum* const> in) {
    std::string key = n.domain + "::" + n.type + "/" + std::to_string(n.out.size());
    for (size_t i = 0; i < n.out.size(); ++i) key += n.out[i] ? 'y' : 'n';
    for (const Attr& a : n.attrs.items()) key += fmt::format("/{}={:x}", a.name, hash_value(a.value));
    for (const Datum* d : in) {
      const Type t = d != nullptr ? type_of(*d) : Type();
      key += fmt::format("/{}:{}:{}", static_cast<int>(t.kind), static_cast<int>(t.dtype), t.rank());
    }
    auto& e = expansions[key];
    if (!e) e = make_expansion(n, in);
    if (!e) fail("there is no kernel for this op");
    return run_graph(e->instance, e->body, copies(in), nullptr);
  }

  // Null where the op has no function body.
  std::unique_ptr<Expansion> make_expansion(const Node& n, std::span<const Datum* const> in) const {
    auto e = std::make_unique<Expansion>();
    e->model.info.ir_version = m.info.ir_version;
    e->model.info.opsets = m.info.opsets;
    std::vector<ValueId> inputs;
    for (size_t i = 0; i < in.size(); ++i) {
      const bool given = in[i] != nullptr && !in[i]->empty();
      inputs.push_back(
          given ? e->model.add_input(e->model.main(), {fmt::format("x{}", i), type_of(*in[i]), nullptr})
                : ValueId());
    }
    std::vector<std::string> names;
    for (size_t i = 0; i < n.out.size(); ++i)
      names.push_back(n.out[i] ? fmt::format("y{}", i) : std::string());
    const NodeId copy = e->model.create(n.domain, n.type, inputs, n.attrs, n.out.size(), n.name, names);
    for (size_t i = 0; i < n.out.size(); ++i)
      if (!n.out[i]) e->model.drop_output(copy, i);
    e->model.place(copy, e->model.main());
    const auto body = expand_function(e->model, copy);
    if (!body) return nullptr;
    e->body = *body;
    e->instance.model = &e->model;
    return e;
  }

  // --- entry points
  // ----------------------------------------------------------------------------------------------

  // The given datum must be what the port declares; one symbol is one size over all inputs.
  void check_input(const Port& port, const Datum& d, std::unordered_map<std::string, int64_t>& sizes) const {
    const Tensor* t = d.tensor();
    if (!port.type.is_tensor() || t == nullptr) {
      const bool map = port.type.kind == Type::Kind::Map;
      if (port.type.is_tensor() || (map && d.map() == nullptr))
        fail("input '{}' needs {}", port.name, port.type.str());
      return;
    }
    const auto refuse = [&] {
      fail("input '{}' is {}{}, the model declares {}", port.name, onnx_name(t->dtype),
           to_string(Shape(t->dims.begin(), t->dims.end())), port.type.str());
    };
    if (port.type.dtype != DType::Undefined && port.type.dtype != t->dtype) refuse();
    if (!port.type.shape) return;
    if (port.type.shape->size() != t->dims.size()) refuse();
    for (size_t i = 0; i < t->dims.size(); ++i) {
      const Dim want = (*port.type.shape)[i];
      if (want.is_const() && want.value() != t->dims[i]) refuse();
      if (!want.is_symbol()) continue;
      const auto [it, fresh] = sizes.try_emplace(want.symbol_name(), t->dims[i]);
      if (!fresh && it->second != t->dims[i])
        fail("input '{}' has {} = {}, another input has {}", port.name, want.str(), t->dims[i], it->second);
    }
  }

  std::vector<Datum> run(std::vector<Datum> inputs) {
    refresh();
    const Graph& g = m[m.main()];
    const std::vector<ValueId> ids = m.inputs(m.main());
    if (inputs.size() > ids.size()) fail("{} inputs given, the model has {}", inputs.size(), ids.size());
    inputs.resize(ids.size());
    std::unordered_map<std::string, int64_t> sizes;
    for (size_t i = 0; i < ids.size(); ++i) {
      if (inputs[i].empty() && m[ids[i]].constant) inputs[i] = *m[ids[i]].constant;
      if (inputs[i].empty() && g.inputs[i].type.kind != Type::Kind::Optional)
        fail("input '{}' is missing", g.inputs[i].name);
      // Runtimes take one element in any shape for a declared scalar, and feeds are often written so.
      const Type& declared = g.inputs[i].type;
      if (const Tensor* t = inputs[i].tensor();
          t != nullptr && declared.shape && declared.shape->empty() && t->count() == 1)
        inputs[i] = t->reshaped({});
      if (!inputs[i].empty()) check_input(g.inputs[i], inputs[i], sizes);
    }
    std::vector<Datum> out = run_graph(root, m.main(), std::move(inputs), nullptr);
    if (options.precise) {
      for (size_t i = 0; i < out.size(); ++i) {
        const Type& declared = g.outputs[i].type;
        const Tensor* t = out[i].tensor();
        if (t != nullptr && t->dtype == DType::F64 && declared.is_tensor() && is_floating(declared.dtype))
          out[i] = convert(*t, declared.dtype);
      }
    }
    return out;
  }

  void run_nodes(std::span<const NodeId> nodes, std::unordered_map<ValueId, Datum>& env) {
    refresh();
    PlanOptions how = plan_options(root);
    how.given = &env;
    const Plan p = plan_nodes(m, nodes, how);
    Frame f = open(p);
    std::vector<Datum> given(p.captures.size());
    for (size_t i = 0; i < given.size(); ++i) {
      const auto it = env.find(p.captures[i]);
      if (it == env.end()) fail("value '{}' is needed and not given", m[p.captures[i]].name);
      given[i] = options.precise ? promoted(it->second) : it->second;
      f.at.push_back(&given[i]);
    }
    for (const PlanStep& step : p.steps) run_step(root, f, step);
    for (size_t i = 0; i < p.made; ++i) env[p.ids[i]] = std::move(f.own[i]);
    for (const NodeId n : nodes)  // folded Constant nodes
      for (const ValueId v : m[n].out)
        if (const Tensor* t = v && !p.slot_of.contains(v) ? m.constant(v) : nullptr) env[v] = *t;
  }
};

Executor::Executor(const Model& m, ExecOptions options)
    : impl_(std::make_unique<Impl>(m, std::move(options))) {}
Executor::~Executor() = default;

std::vector<Datum> Executor::run(std::vector<Datum> inputs) { return impl_->run(std::move(inputs)); }

std::vector<Datum> Executor::run(const std::map<std::string, Datum>& inputs) {
  const auto& ports = impl_->m[impl_->m.main()].inputs;
  std::vector<Datum> by_position(ports.size());
  for (const auto& [name, d] : inputs) {
    const auto it = std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.name == name; });
    if (it == ports.end()) fail("the model has no input '{}'", name);
    by_position[static_cast<size_t>(it - ports.begin())] = d;
  }
  return impl_->run(std::move(by_position));
}

void Executor::run_nodes(std::span<const NodeId> nodes, std::unordered_map<ValueId, Datum>& env) {
  impl_->run_nodes(nodes, env);
}

std::string first_unsupported(const Model& m, std::span<const NodeId> nodes) {
  std::vector<NodeId> stack(nodes.rbegin(), nodes.rend());
  std::unordered_set<GraphId> seen;
  const auto enter = [&](GraphId g) {
    if (!seen.insert(g).second) return;
    const auto inner = m.nodes(g);
    stack.insert(stack.end(), inner.rbegin(), inner.rend());
  };
  while (!stack.empty()) {
    const NodeId id = stack.back();
    stack.pop_back();
    const Node& n = m[id];
    for (const GraphId g : m.subgraphs(id)) enter(g);
    if (n.is("Constant") && n.output(0) && m.constant(n.output(0)) != nullptr) continue;
    if (const Function* f = m.function(n)) {
      enter(f->body);
      continue;
    }
    const OpDef* def = op_registry().find(n);
    if (def != nullptr && def->eval != nullptr) continue;
    if (!is_canonical(n) && m.subgraphs(id).empty()) continue;  // has a body of canonical ops
    const Schema* schema = find_schema(n.domain, n.type, newest_opset(n.domain));
    if (schema == nullptr || !schema->has_function || !m.subgraphs(id).empty())
      return n.domain.empty() ? n.type : n.domain + "." + n.type;
  }
  return "";
}

}  // namespace lathe
