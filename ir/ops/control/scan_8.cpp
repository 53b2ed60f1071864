// Scan of opset 8: a batch axis before the sequence axis, and a length for each batch entry.
#include "ir/ops/control/elements.h"
#include "ir/ops/control/stack.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

struct Counts {
  size_t states = 0, scans = 0;
};

// Input 0 is the lengths.
Counts counts_of(const Attrs& a, size_t inputs) {
  const int64_t scans = a.i("num_scan_inputs", 0);
  if (scans < 1 || scans + 1 > static_cast<int64_t>(inputs))
    fail("{} scan inputs among {} inputs", scans, inputs);
  return {inputs - 1 - static_cast<size_t>(scans), static_cast<size_t>(scans)};
}

void infer_scan_8(InferCtx& c) {
  const Counts n = counts_of(c.attrs(), c.inputs());
  std::vector<Type> in;
  Dim batch = Dim::unknown(), length = Dim::unknown();
  for (size_t i = 1; i < c.inputs(); ++i) {
    Type t = c.type(i);
    const size_t outer = i <= n.states ? 1 : 2;
    if (t.shape) {
      if (t.shape->size() < outer) c.contradiction("an input has no batch or sequence axis");
      batch = (*t.shape)[0];
      if (outer == 2) length = (*t.shape)[1];
      t.shape->erase(t.shape->begin(), t.shape->begin() + static_cast<std::ptrdiff_t>(outer));
    }
    in.push_back(std::move(t));
  }
  const auto results = c.body(c.attrs().graph("body"), in);
  for (size_t i = 0; i < results.size() && i < c.outputs(); ++i) {
    if (i < n.states) {
      if (c.type(i + 1).known()) c.out(i, c.type(i + 1));
    } else if (results[i].is_tensor()) {
      std::optional<Shape> shape = results[i].shape;
      if (shape) shape->insert(shape->begin(), {batch, length});
      c.out(i, results[i].dtype, std::move(shape));
    }
  }
}

void eval_scan_8(EvalCtx& c) {
  const Counts n = counts_of(c.attrs(), c.inputs());
  const GraphId body = c.attrs().graph("body");
  if (c.outputs() < n.states) fail("{} outputs for {} state variables", c.outputs(), n.states);
  const auto reversed = c.attrs().ints("directions");
  std::vector<Elements> states, scans;
  for (size_t i = 1; i < c.inputs(); ++i) {
    const bool scan = i > n.states;
    if (c.raw(i).rank() < (scan ? 2 : 1)) fail("input {} has no batch or sequence axis", i);
    (scan ? scans : states).emplace_back(c.raw(i), 0, false);
  }
  const int64_t batch = scans[0].length(), length = c.raw(n.states + 1).dims[1];
  for (const auto* group : {&states, &scans})
    for (const Elements& e : *group)
      if (e.length() != batch) fail("batches of {} and {}", batch, e.length());
  for (size_t i = 0; i < n.scans; ++i)
    if (c.raw(n.states + 1 + i).dims[1] != length) fail("sequences of different lengths");
  std::vector<int64_t> lengths(static_cast<size_t>(batch), length);
  if (c.has(0)) {
    lengths = read_ints(c.in(0));
    if (static_cast<int64_t>(lengths.size()) != batch)
      fail("{} lengths for a batch of {}", lengths.size(), batch);
    for (const int64_t l : lengths)
      if (l < 0 || l > length) fail("length {} is outside of 0..{}", l, length);
  }
  const auto types = c.body_types(body);
  const size_t stacked = c.outputs() - n.states;
  std::vector<Stack> out_states(n.states), out_scans(stacked);
  Held held(c);
  for (int64_t b = 0; b < batch; ++b) {
    std::vector<Datum> state;
    for (const Elements& e : states) state.emplace_back(e.get(b));
    std::vector<Elements> steps;
    for (size_t i = 0; i < n.scans; ++i) steps.emplace_back(scans[i].get(b), 0, false);
    std::vector<Stack> made(stacked);
    const int64_t own = lengths[static_cast<size_t>(b)];
    for (int64_t k = 0; k < own; ++k) {
      if (c.max_iterations > 0 && k >= c.max_iterations) fail("more than {} iterations", c.max_iterations);
      std::vector<Datum> in = std::move(state);
      for (size_t i = 0; i < n.scans; ++i) {
        const bool back = i < reversed.size() && reversed[i] != 0;
        in.emplace_back(steps[i].get(back ? own - 1 - k : k));
      }
      auto results = c.run_body(body, std::move(in));
      if (results.size() != c.outputs())
        fail("the body gives {} values, not {}", results.size(), c.outputs());
      state.assign(std::make_move_iterator(results.begin()),
                   std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(n.states)));
      for (size_t i = 0; i < stacked; ++i) made[i].push(results[n.states + i], held);
    }
    for (size_t i = 0; i < n.states; ++i) out_states[i].push(state[i], held);
    for (size_t i = 0; i < stacked; ++i)
      out_scans[i].push(made[i].joined(n.states + i < types.size() ? types[n.states + i] : Type(), length),
                        held);
  }
  for (size_t i = 0; i < n.states; ++i) out_states[i].finish(c, i, i < types.size() ? types[i] : Type());
  for (size_t i = 0; i < stacked; ++i)
    out_scans[i].finish(c, n.states + i, n.states + i < types.size() ? types[n.states + i] : Type());
}

}  // namespace

void register_scan_8(OpRegistry& r) { r.add({"", "Scan@8", infer_scan_8, eval_scan_8}); }

}  // namespace lathe
