#include "passes/quant/calibrate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>

#include "ir/base/mapped_file.h"
#include "ir/exec/executor.h"
#include "ir/exec/npy.h"
#include "ir/exec/seed_inputs.h"
#include "ir/ops/convert.h"
#include "ir/ops/math/gemm_kernel.h"
#include "passes/core/scratch.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;

class Gatherer {
 public:
  Gatherer(const std::vector<ValueId>& wanted, bool gram) : gram_(gram) {
    for (const ValueId v : wanted) stats_[v];
  }

  void see(ValueId v, const Datum& d) {
    const auto it = stats_.find(v);
    const Tensor* t = d.tensor();
    if (it == stats_.end() || t == nullptr || t->rank() < 1 || !is_floating(t->dtype) || t->count() == 0)
      return;
    const Tensor x = convert(t->aligned(), DType::F32);
    InputStats& s = it->second;
    const int64_t k = x.dims.back(), rows = x.count() / k;
    if (s.k != 0 && s.k != k) fail("a calibrated value has {} channels in one run and {} in another", s.k, k);
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
  std::map<ValueId, InputStats> stats_;
};

// Integers that look like use: flags are set (a mask hides nothing), choices among a few rows (token types)
// are the first.
Tensor plain_integers(const Model& m, ValueId v, Binding& binding, Tensor t) {
  constexpr int64_t kFew = 4;
  Binding probe = binding;
  const IntRange range = int_range(m, v, probe);
  if (range.high > kFew) return t;
  const bool flag = range.low == 0 && range.high == 1 && !range.index;
  Tensor same = Tensor::make(t.dtype, t.dims);
  for (int64_t i = 0; flag && i < same.count(); ++i) store_i64(same.dtype, same.mutable_bytes().data(), i, 1);
  return same;
}

std::vector<Datum> seeded_inputs(const Model& m, const ShapeValues& values, int64_t batch, int64_t length,
                                 Binding::Fill fill, uint64_t seed, std::string& why) {
  constexpr int64_t kMaxElements = int64_t{1} << 26;
  Binding binding(fill);
  for (const ValueId v : m.inputs(m.main())) {
    if (!m[v].type.shape || length == 0) continue;
    bool first = true;
    for (const Dim d : *m[v].type.shape) {
      if (d.is_symbol() && !binding.sizes().contains(d.symbol_name()))
        binding.set(d.symbol_name(), first ? batch : length);
      first = false;
    }
  }
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
      *d = plain_integers(m, v, binding, *t);
    inputs.push_back(std::move(*d));
  }
  return inputs;
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
    if (t == nullptr || t->rank() != 2 || bit_width(t->dtype) % 8 != 0 || !declared ||
        !(*declared)[1].is_symbol() || (!dims.empty() && t->dims != dims))
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
  // Nobody asked to run the model: what it may take follows from its size.
  if (options.data == "seeded") exec.max_bytes = scratch_bytes(m);
  Executor executor(m, exec);
  if (options.data != "seeded") {
    for (const fs::path& file : data_files(options.data)) {
      std::vector<Datum> inputs = read_inputs(m, file), shorter;
      if (options.shorts) shorter = short_version(m, inputs);
      executor.run(std::move(inputs));
      first = false;
      if (!shorter.empty()) executor.run(std::move(shorter));
    }
    return;
  }
  // A batch of sequences where the names of the dims allow it; else what verification would use.
  std::string why = "its inputs are not known well enough";
  struct Sizes {
    int64_t batch, length;
    Binding::Fill fill;
  };
  for (const Sizes z : {Sizes{options.batch, options.length, Binding::Fill::ones},
                        Sizes{0, 0, Binding::Fill::primes}, Sizes{0, 0, Binding::Fill::ones}}) {
    auto inputs = seeded_inputs(m, values, z.batch, z.length, z.fill, options.seed, why);
    if (inputs.empty() && !m.inputs(m.main()).empty()) continue;
    try {
      executor.run(std::move(inputs));
      return;
    } catch (const Error& e) {
      why = e.what();
      restart();
    }
  }
  fail("calibration cannot run the model on seeded inputs ({}); give it data=FILE.npz", why);
}

std::map<ValueId, InputStats> calibrate(const Model& m, const ShapeValues& values,
                                        const std::vector<ValueId>& wanted,
                                        const CalibrationOptions& options) {
  Gatherer gatherer(wanted, options.gram);
  run_calibration(
      m, values, options, [&](ValueId v, const Datum& d) { gatherer.see(v, d); },
      [&] { gatherer = Gatherer(wanted, options.gram); });
  return gatherer.take();
}

std::map<ValueId, InputStats> calibrate(const Model& m, const std::vector<ValueId>& wanted,
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
  bool symbols = false;
  for (const ValueId v : m.inputs(m.main()))
    if (m[v].type.shape)
      for (const Dim d : *m[v].type.shape) symbols = symbols || d.is_symbol();
  struct Sizes {
    int64_t batch, length;
    Binding::Fill fill;
  };
  // Short inputs average fewer errors out: they are where a model suffers first.
  const std::vector<Sizes> named = {{16, 4, Binding::Fill::ones},
                                    {16, 8, Binding::Fill::ones},
                                    {12, 16, Binding::Fill::ones},
                                    {8, 32, Binding::Fill::ones},
                                    {4, 64, Binding::Fill::ones}};
  const std::vector<Sizes> plain = {{0, 0, Binding::Fill::primes}, {0, 0, Binding::Fill::ones}};
  std::string why = "its inputs are not known well enough";
  for (const auto& sizes :
       symbols ? std::vector<std::vector<Sizes>>{named, plain} : std::vector<std::vector<Sizes>>{plain}) {
    for (const Sizes& z : sizes) {
      if (!runs.empty() && z.length == 0) break;
      auto inputs = seeded_inputs(m, values, z.batch, z.length, z.fill, seed + runs.size(), why);
      if (inputs.empty()) continue;
      try {
        Executor(m, {.seed = seed, .max_bytes = scratch_bytes(m), .max_iterations = 10'000}).run(inputs);
        runs.push_back(std::move(inputs));
      } catch (const Error& e) {
        why = e.what();
      }
    }
    if (!runs.empty()) return runs;
  }
  fail("the model cannot be run on seeded inputs ({}); give it data=FILE.npz", why);
}

}  // namespace lathe
