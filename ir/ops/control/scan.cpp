// Scan (opset 9 and newer: no batch axis, no sequence lengths).
#include "ir/ops/control/elements.h"
#include "ir/ops/control/stack.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

struct Lists {
  size_t scans = 0, states = 0;
  std::vector<int64_t> in_axes, in_reversed, out_axes, out_reversed;
};

int64_t at(const std::vector<int64_t>& list, size_t i) { return i < list.size() ? list[i] : 0; }

Lists read_lists(const Attrs& a, size_t inputs) {
  Lists l;
  const int64_t scans = a.i("num_scan_inputs", 0);
  if (scans < 1 || scans > static_cast<int64_t>(inputs))
    fail("{} scan inputs among {} inputs", scans, inputs);
  l.scans = static_cast<size_t>(scans);
  l.states = inputs - l.scans;
  l.in_axes = a.ints("scan_input_axes");
  l.in_reversed = a.ints("scan_input_directions");
  l.out_axes = a.ints("scan_output_axes");
  l.out_reversed = a.ints("scan_output_directions");
  return l;
}

void infer_scan(InferCtx& c) {
  const Lists l = read_lists(c.attrs(), c.inputs());
  std::vector<Type> in;
  Dim length = Dim::unknown();
  for (size_t i = 0; i < c.inputs(); ++i) {
    Type t = c.type(i);
    if (i >= l.states && t.shape) {
      const auto axis = normalize_axis(c, at(l.in_axes, i - l.states), static_cast<int64_t>(t.shape->size()));
      const auto place = t.shape->begin() + axis;
      if (length.is_unknown()) length = *place;
      t.shape->erase(place);
    }
    in.push_back(std::move(t));
  }
  const auto results = c.body(c.attrs().graph("body"), in);
  for (size_t i = 0; i < results.size() && i < c.outputs(); ++i) {
    const Type& t = results[i];
    if (i < l.states) {
      if (c.type(i).known()) c.out(i, c.type(i));  // state keeps its shape by definition
    } else if (t.is_tensor()) {
      std::optional<Shape> shape = t.shape;
      if (shape) {
        const auto axis =
            normalize_axis(c, at(l.out_axes, i - l.states), static_cast<int64_t>(shape->size()) + 1);
        shape->insert(shape->begin() + axis, length);
      }
      c.out(i, t.dtype, std::move(shape));
    }
  }
}

void eval_scan(EvalCtx& c) {
  const Lists l = read_lists(c.attrs(), c.inputs());
  const GraphId body = c.attrs().graph("body");
  if (c.outputs() < l.states) fail("{} outputs for {} state variables", c.outputs(), l.states);
  std::vector<Datum> state;
  for (size_t i = 0; i < l.states; ++i) state.push_back(c.datum(i));
  std::vector<Elements> scans;
  for (size_t i = 0; i < l.scans; ++i) {
    scans.emplace_back(c.raw(l.states + i), at(l.in_axes, i), at(l.in_reversed, i) != 0);
    if (scans[i].length() != scans[0].length())
      fail("scan inputs of length {} and {}", scans[0].length(), scans[i].length());
  }
  std::vector<Stack> stacks;
  Held held(c);
  for (size_t i = 0; i < c.outputs() - l.states; ++i)
    stacks.emplace_back(at(l.out_axes, i), at(l.out_reversed, i) != 0);

  for (int64_t k = 0; k < scans[0].length(); ++k) {
    if (c.max_iterations > 0 && k >= c.max_iterations) fail("more than {} iterations", c.max_iterations);
    std::vector<Datum> in = std::move(state);
    for (const Elements& e : scans) in.emplace_back(e.get(k));
    auto results = c.run_body(body, std::move(in));
    if (results.size() != c.outputs()) fail("the body gives {} values, not {}", results.size(), c.outputs());
    state.assign(std::make_move_iterator(results.begin()),
                 std::make_move_iterator(results.begin() + static_cast<std::ptrdiff_t>(l.states)));
    for (size_t i = 0; i < stacks.size(); ++i) stacks[i].push(results[l.states + i], held);
  }
  for (size_t i = 0; i < l.states; ++i) c.set(i, std::move(state[i]));
  const auto types = c.body_types(body);
  for (size_t i = 0; i < stacks.size(); ++i)
    stacks[i].finish(c, l.states + i, l.states + i < types.size() ? types[l.states + i] : Type());
}

}  // namespace

void register_scan(OpRegistry& r) { r.add({"", "Scan", infer_scan, eval_scan}); }

}  // namespace lathe
