// Backend cases whose expected output is one random draw: checked for shape, type, range and moments instead.
#pragma once
#include <string>
#include <string_view>

#include "ir/exec/case_data.h"

namespace lathe::test {

bool is_random_case(std::string_view name);
// What is wrong; empty if nothing is.
std::string check_random_case(std::string_view name, const Model& m, const CaseData& data);

}  // namespace lathe::test
