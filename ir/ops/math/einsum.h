// The terms of an Einsum equation.
#pragma once
#include <string>
#include <vector>

namespace lathe {

struct EinsumTerms {
  using Labels = std::vector<int>;  // one a dim: the letters themselves; those under an ellipsis are others
  std::vector<Labels> in;
  Labels out;
};

// For inputs of these ranks. An equation that does not fit them is an input error.
EinsumTerms einsum_terms(const std::string& equation, const std::vector<size_t>& ranks);

}  // namespace lathe
