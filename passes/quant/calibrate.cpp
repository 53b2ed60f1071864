#include "passes/quant/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>

#include "ir/base/mapped_file.h"
#include "ir/exec/executor.h"
#include "ir/exec/npy.h"
#include "ir/exec/seed_inputs.h"
#include "ir/ops/convert.h"
#include "ir/ops/math/gemm_kernel.h"
#include "passes/core/scratch.h"
#include "passes/quant/padded.h"

namespace lathe {

Tensor channels_last(const Tensor& x, int64_t axis) {
  int64_t outer = 1, inner = 1;
  for (int64_t i = 0; i < axis; ++i) outer *= x.dims[static_cast<size_t>(i)];
  const int64_t k = x.dims[static_cast<size_t>(axis)];
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.dims.size(); ++i) inner *= x.dims[i];
  if (inner == 1) return x.reshaped({outer, k});
  Tensor out = Tensor::uninitialized(DType::F32, {outer * inner, k});
  const float* from = x.data<float>().data();
  float* to = out.mutable_data<float>().data();
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t c = 0; c < k; ++c)
      for (int64_t i = 0; i < inner; ++i) to[(o * inner + i) * k + c] = *from++;
  return out;
}

namespace {

namespace fs = std::filesystem;

class Gatherer {
 public:
  Gatherer(const std::map<ValueId, int64_t>& wanted, bool gram) : gram_(gram), axes_(wanted) {}

  void see(ValueId v, const Datum& d) {
    const auto it = axes_.find(v);
    const Tensor* t = d.tensor();
    if (it == axes_.end() || t == nullptr || !is_floating(t->dtype) || t->count() == 0) return;
    const int64_t axis = it->second < 0 ? it->second + t->rank() : it->second;
    if (axis < 0 || axis >= t->rank()) return;
    const Tensor x = channels_last(convert(t->aligned(), DType::F32), axis);
    InputStats& s = stats_[v];
    const int64_t rows = x.dims[0], k = x.dims[1];
    if (s.k != 0 && s.k != k) {
      s = {};
      axes_.erase(it);
      return;
    }
    if (s.k == 0) {
      s.k = k;
      s.square.assign(static_cast<size_t>(k), 0);
      s.absolute.assign(static_cast<size_t>(k), 0);
      if (gram_) s.gram.assign(static_cast<size_t>(checked_mul(k, k)), 0);
    }
    s.rows += rows;
    const float* p = x.data<float>().data();
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < k; ++i) {
        const float value = p[r * k + i];
        s.square[static_cast<size_t>(i)] += value * value;
        s.absolute[static_cast<size_t>(i)] += std::fabs(value);
      }
    if (gram_)
      gemm_batch(Gemm<float>{true, false, k, k, rows, 1, 1, k, k, k}, p, p, s.gram.data(), {{0, 0, 0}});
  }

  std::map<ValueId, InputStats> take() {
    std::erase_if(stats_, [](const auto& s) { return s.second.rows == 0; });
    for (auto& [v, s] : stats_) {
      const float part = 1.0f / static_cast<float>(s.rows);
      for (auto* sums : {&s.square, &s.absolute, &s.gram})
        for (float& x : *sums) {
          x *= part;
          if (!std::isfinite(x)) fail("calibration met a NaN or an infinity");
        }
    }
    return std::move(stats_);
  }

 private:
  bool gram_;
  std::map<ValueId, int64_t> axes_;
  std::map<ValueId, InputStats> stats_;
};

// Sizes of made-up inputs. length 0: as verification makes them, by `fill`.
struct Sizes {
  int64_t batch, length;
  Binding::Fill fill = Binding::Fill::ones;
};

constexpr int64_t kFew = 4;  // rows of a table of token types

// Integers that look like use: flags are set (a mask hides nothing), choices among a few rows (token types)
// are the first, or drawn.
Tensor plain_integers(const Model& m, ValueId v, Binding& binding, Tensor t, bool draw) {
  Binding probe = binding;
  const IntRange range = int_range(m, v, probe);
  if (range.high > kFew) return t;
  const bool flag = range.low == 0 && range.high == 1 && !range.index;
  if (draw && !flag) return t;
  Tensor same = Tensor::make(t.dtype, t.dims);
  for (int64_t i = 0; flag && i < same.count(); ++i) store_i64(same.dtype, same.mutable_bytes().data(), i, 1);
  return same;
}

// The first open dim of an input is its batch: that of a recurrent state [layers, batch, hidden] too.
void bind(Binding& binding, const Shape& shape, const Sizes& sizes) {
  constexpr size_t kState = 3;
  bool batch = shape.empty() || !shape[0].is_const() || (shape.size() == kState && shape[0].value() > 1);
  for (const Dim d : shape) {
    if (d.is_const()) continue;
    const std::string name = d.is_symbol() ? d.symbol_name() : d.str();
    if ((d.is_symbol() || d.is_unknown()) && !binding.sizes().contains(name))
      binding.set(name, batch ? sizes.batch : sizes.length);
    batch = false;
  }
}

std::vector<Datum> seeded_inputs(const Model& m, const ShapeValues& values, const Sizes& sizes, bool draw,
                                 uint64_t seed, std::string& why) {
  constexpr int64_t kMaxElements = int64_t{1} << 26;
  Binding binding(sizes.fill);
  for (const ValueId v : m.inputs(m.main()))
    if (m[v].type.shape && sizes.length > 0) bind(binding, *m[v].type.shape, sizes);
  Rng rng(seed, "calibration");
  std::vector<Datum> inputs;
  for (const ValueId v : m.inputs(m.main())) {
    if (m.constant(v) != nullptr) {
      inputs.emplace_back();
      continue;
    }
    auto d = seed_value(m, values, v, binding, rng, FloatFill::normal, kMaxElements, &why);
    if (!d) return {};
    if (const Tensor* t = d->tensor(); t != nullptr && is_integer(t->dtype) && !values.contains(v))
      *d = plain_integers(m, v, binding, *t, draw);
    inputs.push_back(std::move(*d));
  }
  return inputs;
}

bool has_nan(const Datum& d) {
  const Tensor* t = d.tensor();
  if (t == nullptr || !is_floating(t->dtype) || t->count() == 0) return false;
  const Tensor x = convert(t->aligned(), DType::F32);
  return std::any_of(x.data<float>().begin(), x.data<float>().end(), [](float f) { return std::isnan(f); });
}

// Runs the model on made-up inputs of these sizes, and gives them; none, and why, where it cannot be run, or
// where its outputs are no numbers: a choice among a few rows may have been the one that hides everything,
// so others are drawn then. `restart` is called before each run.
std::optional<std::vector<Datum>> run_seeded(const Model& m, const ShapeValues& values, const Sizes& sizes,
                                             uint64_t seed, Executor& executor,
                                             const std::function<void()>& restart, std::string& why) {
  for (const bool draw : {false, true}) {
    auto inputs = seeded_inputs(m, values, sizes, draw, seed, why);
    if (inputs.empty() && !m.inputs(m.main()).empty()) return std::nullopt;
    try {
      restart();
      const std::vector<Datum> outputs = executor.run(inputs);
      if (std::none_of(outputs.begin(), outputs.end(), has_nan)) return inputs;
      why = "its outputs are NaN";
    } catch (const Error& e) {
      why = e.what();
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// What a run that nobody asked for may take: as much as the model's size allows, and what a convolution over
// a few seconds of sound takes.
int64_t run_bytes(const Model& m) { return std::max(scratch_bytes(m), int64_t{128} << 20); }

// Longer inputs, one at a time: for models that cannot be run on short ones (windows, chains of pools).
constexpr std::array kLonger = {Sizes{1, 64}, Sizes{1, 256}, Sizes{1, 512}, Sizes{1, 2048}, Sizes{1, 16384}};
constexpr std::array kPlain = {Sizes{0, 0, Binding::Fill::primes}, Sizes{0, 0, Binding::Fill::ones}};

// Does an input have two open dims behind its batch and channels?
bool takes_images(const Model& m) {
  constexpr size_t kImage = 4;
  for (const ValueId v : m.inputs(m.main()))
    if (const auto& s = m[v].type.shape;
        s && s->size() >= kImage && !(*s)[2].is_const() && !(*s)[3].is_const())
      return true;
  return false;
}

std::vector<Datum> read_inputs(const Model& m, const fs::path& file) {
  const NamedTensors arrays = read_npz(file);
  std::vector<Datum> inputs;
  const Graph& g = m[m.main()];
  for (size_t i = 0; i < g.inputs.size(); ++i) {
    const auto it = std::find_if(arrays.begin(), arrays.end(),
                                 [&](const auto& a) { return a.first == g.inputs[i].name; });
    if (it != arrays.end()) {
      inputs.emplace_back(it->second);
    } else if (m.constant(m.inputs(m.main())[i]) != nullptr || m[m.inputs(m.main())[i]].constant) {
      inputs.emplace_back();
    } else {
      fail("{} has no array '{}', which the model wants as an input", file.string(), g.inputs[i].name);
    }
  }
  return inputs;
}

std::vector<fs::path> data_files(const std::string& data) {
  if (!fs::exists(data)) fail("calibration data '{}' is not there", data);
  if (!fs::is_directory(data)) return {data};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(data))
    if (entry.path().extension() == ".npz") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  if (files.empty()) fail("calibration data '{}' holds no .npz file", data);
  return files;
}

}  // namespace

std::vector<Datum> short_version(const Model& m, const std::vector<Datum>& inputs) {
  constexpr int64_t kEnd = 2, kShortest = 3 * kEnd;
  const auto ids = m.inputs(m.main());
  std::vector<int64_t> dims;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor* t = inputs[i].tensor();
    if (inputs[i].empty()) continue;
    const auto& declared = m[ids[i]].type.shape;
    if (t == nullptr || t->rank() != 2 || !is_integer(t->dtype) || bit_width(t->dtype) % 8 != 0 ||
        !declared || !(*declared)[1].is_symbol() || (!dims.empty() && t->dims != dims))
      return {};
    dims = t->dims;
  }
  if (dims.empty() || dims[1] < kShortest) return {};
  const int64_t rows = dims[0], length = dims[1];
  std::vector<int64_t> ends(static_cast<size_t>(rows), 0);  // past the last position that is no padding
  std::vector<Tensor> whole;
  for (const Datum& d : inputs) {
    if (d.empty()) continue;
    const Tensor& t = whole.emplace_back(d.tensor()->aligned());
    const int64_t unit = bit_width(t.dtype) / 8;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = length - 1; c >= ends[static_cast<size_t>(r)]; --c) {
        const auto at =
            t.bytes().subspan(static_cast<size_t>((r * length + c) * unit), static_cast<size_t>(unit));
        if (std::all_of(at.begin(), at.end(), [](std::byte b) { return b == std::byte{0}; })) continue;
        ends[static_cast<size_t>(r)] = c + 1;
        break;
      }
  }
  std::vector<int64_t> kept;
  for (int64_t r = 0; r < rows; ++r)
    if (ends[static_cast<size_t>(r)] >= kShortest) kept.push_back(r);
  if (kept.empty()) return {};
  std::vector<Datum> out;
  auto from = whole.begin();
  for (const Datum& d : inputs) {
    if (d.empty()) {
      out.emplace_back();
      continue;
    }
    const Tensor& t = *from++;
    const int64_t unit = bit_width(t.dtype) / 8;
    Tensor made = Tensor::uninitialized(t.dtype, {static_cast<int64_t>(kept.size()), 2 * kEnd});
    std::byte* to = made.mutable_bytes().data();
    for (const int64_t r : kept)
      for (const int64_t start : {int64_t{0}, ends[static_cast<size_t>(r)] - kEnd}) {
        std::memcpy(to, t.bytes().data() + (r * length + start) * unit, static_cast<size_t>(kEnd * unit));
        to += kEnd * unit;
      }
    out.emplace_back(std::move(made));
  }
  return out;
}

namespace {

// The weights that the node of v has read leave memory, if a file holds them: a run passes over all of them.
void forget_weights(const Model& m, ValueId v) {
  constexpr size_t kLarge = size_t{1} << 20;
  const NodeId n = m[v].def;
  if (!n || m.is_hidden(n)) return;
  for (const ValueId in : m[n].in)
    if (const Tensor* t = in ? m.constant(in) : nullptr; t != nullptr && t->byte_size() >= kLarge)
      MappedFile::forget(t->bytes());
}

}  // namespace

bool reads_tokens(const Model& m) {
  const auto inputs = m.inputs(m.main());
  return std::any_of(inputs.begin(), inputs.end(), [&](ValueId v) {
    if (!is_integer(m[v].type.dtype)) return false;
    Binding binding(Binding::Fill::ones);
    return int_range(m, v, binding).high > kFew;
  });
}

void run_calibration(const Model& m, const ShapeValues& values, const CalibrationOptions& options,
                     const std::function<void(ValueId, const Datum&)>& seen,
                     const std::function<void()>& restart) {
  ExecOptions exec;
  exec.seed = options.seed;
  bool first = true;  // later runs would only read the same pages again
  exec.on_value = [&](ValueId v, const Datum& d) {
    seen(v, d);
    if (first) forget_weights(m, v);
  };
  exec.max_iterations = 10'000;
  if (options.data == "seeded") exec.max_bytes = run_bytes(m);
  Executor executor(m, exec);
  const auto run_padded = [&] {
    const int mask = options.padded ? mask_input(m) : -1;
    if (mask < 0) return;
    if (auto inputs = padded_together(m, run_inputs(m, values, options.data, options.seed), mask);
        !inputs.empty())
      executor.run(std::move(inputs));
  };
  if (options.data != "seeded") {
    for (const fs::path& file : data_files(options.data)) {
      std::vector<Datum> inputs = read_inputs(m, file), shorter;
      if (options.shorts) shorter = short_version(m, inputs);
      executor.run(std::move(inputs));
      first = false;
      if (!shorter.empty()) executor.run(std::move(shorter));
    }
    return run_padded();
  }
  // A batch of sequences where the dims allow it; else what verification would use.
  std::string why = "its inputs are not known well enough";
  std::vector<Sizes> sizes = {{options.batch, options.length}};
  sizes.insert(sizes.end(), kLonger.begin(), kLonger.end());
  sizes.insert(sizes.end(), kPlain.begin(), kPlain.end());
  for (const Sizes& z : sizes)
    if (run_seeded(m, values, z, options.seed, executor, restart, why)) return run_padded();
  fail("calibration cannot run the model on seeded inputs ({}); give it data=FILE.npz", why);
}

std::map<ValueId, InputStats> calibrate(const Model& m, const ShapeValues& values,
                                        const std::map<ValueId, int64_t>& wanted,
                                        const CalibrationOptions& options) {
  Gatherer gatherer(wanted, options.gram);
  run_calibration(
      m, values, options, [&](ValueId v, const Datum& d) { gatherer.see(v, d); },
      [&] { gatherer = Gatherer(wanted, options.gram); });
  return gatherer.take();
}

std::map<ValueId, InputStats> calibrate(const Model& m, const std::map<ValueId, int64_t>& wanted,
                                        const std::vector<std::vector<Datum>>& runs, bool gram,
                                        uint64_t seed) {
  Gatherer gatherer(wanted, gram);
  ExecOptions exec;
  exec.seed = seed;
  exec.on_value = [&](ValueId v, const Datum& d) { gatherer.see(v, d); };
  exec.max_iterations = 10'000;
  Executor executor(m, exec);
  for (const auto& inputs : runs) executor.run(inputs);
  return gatherer.take();
}

std::vector<std::vector<Datum>> run_inputs(const Model& m, const ShapeValues& values, const std::string& data,
                                           uint64_t seed) {
  std::vector<std::vector<Datum>> runs;
  if (!data.empty() && data != "seeded") {
    for (const fs::path& file : data_files(data)) runs.push_back(read_inputs(m, file));
    return runs;
  }
  bool open = false;  // is a dim?
  for (const ValueId v : m.inputs(m.main()))
    if (m[v].type.shape)
      for (const Dim d : *m[v].type.shape) open = open || !d.is_const();
  // Short inputs average fewer errors out: they are where a model suffers first. Sides of images are whole
  // numbers of the cells of common backbones.
  const std::vector<Sizes> sequences = {{16, 4}, {16, 8}, {12, 16}, {8, 32}, {4, 64}};
  const std::vector<Sizes> images = {{2, 32}, {2, 64}, {1, 96}, {1, 128}, {1, 160}};
  std::vector<std::vector<Sizes>> groups = {{kPlain.begin(), kPlain.end()}};
  if (open)
    groups = {takes_images(m) ? images : sequences,
              {kLonger.begin(), kLonger.end()},
              {kPlain.begin(), kPlain.end()}};
  std::string why = "its inputs are not known well enough";
  Executor executor(m, {.seed = seed, .max_bytes = run_bytes(m), .max_iterations = 10'000});
  for (size_t g = 0; g < groups.size() && runs.empty(); ++g) {
    constexpr size_t kSome = 2;  // of long ones, or of those whose sizes say nothing
    const size_t most = open && g == 0 ? groups[g].size() : open && g == 1 ? kSome : 1;
    for (const Sizes& z : groups[g]) {
      auto inputs = run_seeded(m, values, z, seed + runs.size(), executor, [] {}, why);
      if (inputs) runs.push_back(std::move(*inputs));
      if (runs.size() == most) break;
    }
  }
  if (!runs.empty()) return runs;
  fail("the model cannot be run on seeded inputs ({}); give it data=FILE.npz", why);
}

}  // namespace lathe
