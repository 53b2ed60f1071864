// Which ops, versions and element types a runtime has kernels for: the tables of passes/core/targets,
// compiled in. A line of a table is
//
//   Op[,Op...] FIRST[-LAST] [PLACES:TYPES]...      0,1:float|double  o0:t3
//
// with versions of the op's schema (not of the model's opset), places of inputs ("0,2") and outputs ("o0"),
// and element types, or names of `@types NAME = ...`. Several lines for one op are alternatives; a place that
// no line names takes any type. `@domain`, `@limits ir= opset=`, `@include TABLE`; # is a comment.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ir/core/dtype.h"

namespace lathe {

class KernelTable {
 public:
  // A table by its file's name ("ort_cpu"); parsed at first use.
  static const KernelTable& named(std::string_view name);
  explicit KernelTable(std::string_view text);

  int64_t max_ir() const { return max_ir_; }
  int64_t max_opset() const { return max_opset_; }

  struct Node {
    std::string_view domain, type;
    int version = 0;
    std::vector<DType> in, out;  // Undefined: not known, fits everything
  };
  enum class Fit : uint8_t { yes, no_op, no_version, no_type };
  struct Answer {
    Fit fit = Fit::yes;
    std::string why;  // "no kernel for double at input 0 (float, float16)"
  };
  Answer ask(const Node& node) const;
  // Is there a kernel of the op that takes or gives the type anywhere?
  bool mentions(std::string_view domain, std::string_view type, DType dtype) const;

 private:
  using Types = uint32_t;  // a bit a DType
  struct Place {
    bool output = false;
    size_t index = 0;
    Types types = 0;
  };
  struct Line {
    int first = 0, last = 0;
    std::vector<Place> places;
  };
  const std::vector<Line>* find(std::string_view domain, std::string_view type) const;
  void parse(std::string_view text);
  void parse_kernel(std::string_view line, std::string_view domain);
  Types parse_types(std::string_view text) const;

  std::map<std::string, Types, std::less<>> types_;
  std::map<std::string, std::vector<Line>, std::less<>> ops_;  // "domain::type"
  int64_t max_ir_ = 0, max_opset_ = 0;
};

}  // namespace lathe
