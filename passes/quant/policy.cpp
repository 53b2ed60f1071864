#include "passes/quant/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "passes/quant/glob.h"

namespace lathe {

Role role_of(const WeightSite& site, const Roles& roles) {
  return site.kind == WeightSite::Kind::table ? Role::embedding : roles[site.node].role;
}

std::optional<DType> PolicyRule::half() const {
  if (scheme == "fp16") return DType::F16;
  if (scheme == "bf16") return DType::BF16;
  return std::nullopt;
}

bool PolicyRule::matches_all() const {
  return !role && !part && op.empty() && name.empty() && layers.empty() && share_above <= 0 &&
         share_below >= 1 && min_elements <= 0;
}

const PolicyRule* find_rule(const Policy& p, const Model& m, const Roles& roles, const PolicySubject& s) {
  const WeightSite& site = *s.site;
  const Node& node = m[site.node];
  const NodeRole& role = roles[site.node];
  const double share = s.all > 0 ? static_cast<double>(s.bytes) / static_cast<double>(s.all) : 0;
  const auto matches = [&](const PolicyRule& r) {
    if (r.role && role_of(site, roles) != *r.role) return false;
    if (r.part && role.part != *r.part) return false;
    if (!r.op.empty() && node.type != r.op) return false;
    if (!r.name.empty() && !glob_matches(r.name, node.name, '?') &&
        !(site.stored && glob_matches(r.name, m[site.stored].name, '?')))
      return false;
    if (!r.layers.empty() && std::none_of(r.layers.begin(), r.layers.end(), [&](const auto& range) {
          return role.layer >= range.first && role.layer <= range.second;
        }))
      return false;
    const int64_t elements = site.weight ? site.weight->count() : 0;
    return share >= r.share_above && share <= r.share_below && elements >= r.min_elements;
  };
  const auto it = std::find_if(p.rules.begin(), p.rules.end(), matches);
  return it == p.rules.end() ? nullptr : &*it;
}

std::string scheme_text(const Scheme& s) {
  const char* rounding = s.rounding == Rounding::rtn    ? "rtn"
                         : s.rounding == Rounding::mse  ? "mse"
                         : s.rounding == Rounding::hqq  ? "hqq"
                         : s.rounding == Rounding::gptq ? "gptq"
                                                        : "awq";
  constexpr int64_t kLongestBlock = 256;  // above: a scale for a whole row
  std::string text =
      s.block > kLongestBlock ? std::string("rows") : fmt::format("quant{} block {}", s.bits, s.block);
  if (s.symmetric && s.block <= kLongestBlock) text += " symmetric";
  if (s.float_zero) text += " float zeros";
  if (s.form == Form::standard && s.block <= kLongestBlock) text += " standard";
  return text + " " + rounding;
}

}  // namespace lathe
