// Seeded tensors for values of known type: what verification, benches and self-checks feed a graph with.
#pragma once
#include <map>
#include <string>

#include "ir/base/rng.h"
#include "ir/ops/datum.h"
#include "ir/ops/infer_ctx.h"

namespace lathe {

// Sizes for symbols and unknowns, made up on demand so that one name is one size everywhere.
class Binding {
 public:
  enum class Fill : uint8_t { primes, ones, named_primes };  // named_primes: unknowns are 1
  explicit Binding(Fill fill) : fill_(fill) {}
  void set(const std::string& name, int64_t size) { sizes_[name] = size; }
  // Constant dims that another size stands for (patch_sizes.h).
  void set_constants(std::map<int64_t, int64_t> sizes) { constants_ = std::move(sizes); }
  int64_t size(const std::string& name);
  std::optional<int64_t> eval(Dim d);
  const std::map<std::string, int64_t>& sizes() const { return sizes_; }

 private:
  Fill fill_;
  std::map<std::string, int64_t> sizes_;
  std::map<int64_t, int64_t> constants_;
  size_t next_ = 0;
};

// Integers that a value may safely take: [low, high].
struct IntRange {
  int64_t low = 0, high = 1;  // masks, flags: what most integer inputs are when nothing else is known
  bool index = false;         // rows of a table are picked by it
};
// From its uses: an index of a Gather stays inside the table, and so on, through casts and reshapes.
IntRange int_range(const Model& m, ValueId v, Binding& binding);

enum class FloatFill : uint8_t { normal, positive };

// A tensor for a value whose tensor type and rank are known; integer contents that shape analysis knows are
// used. nullopt with a reason in `why` when the type does not say enough or a size is beyond max_elements.
std::optional<Datum> seed_value(const Model& m, const ShapeValues& values, ValueId v, Binding& binding,
                                Rng& rng, FloatFill fill, int64_t max_elements, std::string* why);

// One for each input of the main graph, in order; none for those that have a default.
std::optional<std::vector<Datum>> seed_inputs(const Model& m, const ShapeValues& values, Binding& binding,
                                              Rng& rng, int64_t max_elements, std::string* why);

}  // namespace lathe
