// What runs on bytes: products by constant matrices, and the packed projection inside com.microsoft
// Attention.
#pragma once
#include <vector>

#include "passes/quant/sites.h"

namespace lathe {

// Products as of find_weight_sites() and Attention nodes (weight [K, 3 N], bias among its operands), in
// execution order.
std::vector<WeightSite> find_byte_sites(const Model& m);

inline bool is_attention(const Model& m, const WeightSite& s) {
  return m[s.node].is("Attention", "com.microsoft");
}

// Does `pattern` ('*': any text) match the whole of `text`?
bool matches(std::string_view pattern, std::string_view text);
// The first of the patterns, separated by ';', that matches one of the names; "" if none.
std::string kept_by(std::string_view node, std::string_view weight, std::string_view patterns);

}  // namespace lathe
