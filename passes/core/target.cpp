#include "passes/core/target.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "ir/base/error.h"
#include "passes/core/slow_fusions.h"

namespace lathe {
namespace {

constexpr std::array kFloats = {DType::F16, DType::BF16, DType::F32, DType::F64};

}  // namespace

std::vector<std::string> Target::names() {
  return {"ort-cpu", "ort-web", "ort-cuda", "coreml", "tensorrt", "standard"};
}

Target Target::named(std::string_view name) {
  const auto all = names();
  if (std::find(all.begin(), all.end(), name) == all.end())
    fail_usage("unknown target '{}' (known: {})", name, fmt::join(all, ", "));
  Target t;
  t.name_ = name;
  return t;
}

const KernelTable* Target::kernels() const {
  if (name_ == "standard") return nullptr;
  std::string table = name_;
  std::replace(table.begin(), table.end(), '-', '_');
  return &KernelTable::named(table);
}

Target Target::only_faster() const {
  Target t = *this;
  t.only_faster_ = true;
  return t;
}

bool Target::has(std::string_view domain, std::string_view type, DType dtype) const {
  if (domain.empty()) return true;
  if (only_faster_ && slow_fusion(*this, type, dtype)) return false;
  const KernelTable* table = kernels();
  if (table == nullptr) return false;
  if (table->mentions(domain, type, dtype)) return true;
  // The CPU provider puts casts around float kernels where it has none for float16.
  if (is_cpu() && dtype == DType::F16) return has(domain, type, DType::F32);
  // Scales of integer ops are float by definition and in no table.
  const auto mentioned = [&](DType t) { return table->mentions(domain, type, t); };
  return dtype == DType::F32 && std::none_of(kFloats.begin(), kFloats.end(), mentioned) &&
         table->ask({domain, type, 1, {}, {}}).fit == KernelTable::Fit::yes;
}

}  // namespace lathe
