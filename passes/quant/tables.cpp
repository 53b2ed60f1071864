#include "passes/quant/tables.h"

#include <fmt/format.h>

#include "passes/quant/int8/sites.h"
#include "passes/quant/weight_only.h"

namespace lathe {

void quantize_tables(PassContext& ctx, const std::string& bits, int64_t least, const std::string& keep) {
  Scheme s;
  s.bits = bits == "4" ? 4 : 8;
  s.symmetric = false;
  s.scales = DType::F16;
  s.block = bits == "4" ? 64 : 128;
  s.rounding = Rounding::mse;
  if (bits == "rows" || bits == "true" || !ctx.settings.target.has_contrib()) {
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
    return {s, {}};
  };
  quantize_weights(ctx, w);
}

}  // namespace lathe
