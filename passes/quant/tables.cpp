#include "passes/quant/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "passes/quant/int8/sites.h"
#include "passes/quant/weight_only.h"

namespace lathe {

void quantize_tables(PassContext& ctx, const std::string& bits, Form rows_form, int64_t least,
                     const std::string& keep) {
  Scheme s;
  s.bits = bits == "4" ? 4 : 8;
  s.symmetric = false;
  s.scales = DType::F16;
  s.block = bits == "4" ? 64 : 128;
  s.rounding = Rounding::mse;
  const bool rows = bits == "rows" || bits == "true";
  if (rows) s.symmetric = true;
  if ((rows && rows_form == Form::standard) || !ctx.settings.target.has_contrib()) {
    s.bits = 8;
    s.form = Form::standard;
    s.symmetric = true;
    s.block = int64_t{1} << 20;  // a whole row
  }
  const Model& m = ctx.model;
  WeightOnlyOptions w;
  w.choose = [&](const WeightSite& site) -> SiteChoice {
    if (site.kind != WeightSite::Kind::table || site.weight->count() < least) return {};
    if (const std::string by = kept_by(m[site.node].name, m[site.stored].name, keep); !by.empty())
      return {{}, fmt::format("'{}' keeps it", by)};
    Scheme own = s;
    constexpr uint64_t kLeastBlock = 16;
    if (rows && s.form != Form::standard)  // the power of two that a row fits in
      own.block = static_cast<int64_t>(std::bit_ceil(std::max(static_cast<uint64_t>(site.k()), kLeastBlock)));
    return {own, {}};
  };
  quantize_weights(ctx, w);
}

}  // namespace lathe
