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

// The first of the patterns, separated by ';', that matches one of the names; "" if none.
std::string kept_by(std::string_view node, std::string_view weight, std::string_view patterns);
// Why a weight of so many elements stays float: a pattern keeps it, or it has fewer than `least`; "" if
// neither.
std::string stays_float(std::string_view node, std::string_view weight, int64_t elements,
                        std::string_view keep, int64_t least);

}  // namespace lathe
