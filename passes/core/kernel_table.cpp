#include "passes/core/kernel_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "ir/base/error.h"
#include "ir/base/parse.h"

namespace lathe {
namespace {

static_assert(kDTypeCount <= 32);

struct TableText {
  std::string_view name, text;
};
constexpr TableText kKernelTables[] = {
#include "kernel_tables.inc"
};

uint32_t bit(DType t) { return uint32_t{1} << static_cast<unsigned>(t); }

// The next word of a line, up to any of the separators.
std::string_view take(std::string_view& text, std::string_view separators = " ") {
  const size_t begin = std::min(text.find_first_not_of(separators), text.size());
  text.remove_prefix(begin);
  const size_t end = std::min(text.find_first_of(separators), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

int64_t number(std::string_view text) {
  const auto n = parse_number<int64_t>(text);
  if (!n) fail("kernel table: '{}' is not a number", text);
  return *n;
}

std::string key(std::string_view domain, std::string_view type) {
  return fmt::format("{}::{}", domain, type);
}

std::string type_names(uint32_t types) {
  std::string out;
  for (int i = 1; i < kDTypeCount; ++i)
    if ((types >> i & 1) != 0) out += fmt::format("{}{}", out.empty() ? "" : ", ", onnx_name(DType(i)));
  return out;
}

}  // namespace

const KernelTable& KernelTable::named(std::string_view name) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<const KernelTable>, std::less<>> tables;
  const auto text = std::find_if(std::begin(kKernelTables), std::end(kKernelTables),
                                 [&](const auto& t) { return t.name == name; });
  if (text == std::end(kKernelTables)) fail("there is no kernel table '{}'", name);
  const std::lock_guard lock(mutex);
  std::unique_ptr<const KernelTable>& table = tables[std::string(name)];
  if (!table) table = std::make_unique<const KernelTable>(text->text);
  return *table;
}

KernelTable::KernelTable(std::string_view text) { parse(text); }

void KernelTable::parse(std::string_view text) {
  std::string domain;
  while (!text.empty()) {
    std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find('#'));
    std::string_view rest = line;
    const std::string_view word = take(rest);
    if (word.empty()) continue;
    if (word == "@domain") {
      domain = take(rest);
      if (domain == "ai.onnx") domain.clear();
    } else if (word == "@include") {
      const std::string_view name = take(rest);
      for (const auto& t : kKernelTables)
        if (t.name == name) parse(t.text);
    } else if (word == "@limits") {
      for (std::string_view limit = take(rest); !limit.empty(); limit = take(rest))
        (limit.starts_with("ir=") ? max_ir_ : max_opset_) = number(limit.substr(limit.find('=') + 1));
    } else if (word == "@types") {
      const std::string name(take(rest));
      types_[name] = parse_types(rest.substr(rest.find('=') + 1));
    } else {
      parse_kernel(line, domain);
    }
  }
}

KernelTable::Types KernelTable::parse_types(std::string_view text) const {
  Types types = 0;
  for (std::string_view t = take(text, " |"); !t.empty(); t = take(text, " |")) {
    if (const auto it = types_.find(t); it != types_.end())
      types |= it->second;
    else if (const auto dtype = dtype_from_name(t))
      types |= bit(*dtype);
    else
      fail("kernel table: '{}' is no element type", t);
  }
  return types;
}

void KernelTable::parse_kernel(std::string_view line, std::string_view domain) {
  std::string_view names = take(line), versions = take(line);
  Line out;
  out.first = out.last = static_cast<int>(number(versions.substr(0, versions.find('-'))));
  if (versions.find('-') != versions.npos)
    out.last = static_cast<int>(number(versions.substr(versions.find('-') + 1)));
  for (std::string_view place = take(line); !place.empty(); place = take(line)) {
    std::string_view list = place.substr(0, place.find(':'));
    const Types types = parse_types(place.substr(std::min(list.size() + 1, place.size())));
    for (std::string_view p = take(list, ","); !p.empty(); p = take(list, ",")) {
      const bool output = p.starts_with('o');
      out.places.push_back({output, static_cast<size_t>(number(p.substr(output ? 1 : 0))), types});
    }
  }
  for (std::string_view name = take(names, ","); !name.empty(); name = take(names, ","))
    ops_[key(domain, name)].push_back(out);
}

const std::vector<KernelTable::Line>* KernelTable::find(std::string_view domain,
                                                        std::string_view type) const {
  const auto it = ops_.find(key(domain, type));
  return it == ops_.end() ? nullptr : &it->second;
}

KernelTable::Answer KernelTable::ask(const Node& node) const {
  const std::vector<Line>* lines = find(node.domain, node.type);
  if (lines == nullptr) return {Fit::no_op, fmt::format("no kernel for {}", node.type)};
  std::optional<std::string> type_problem;
  int newest = 0;
  for (const Line& l : *lines) {
    newest = std::max(newest, l.last);
    if (node.version < l.first || node.version > l.last) continue;
    std::string problem;
    for (const Place& p : l.places) {
      const std::vector<DType>& known = p.output ? node.out : node.in;
      if (p.index >= known.size() || known[p.index] == DType::Undefined) continue;
      if ((p.types & bit(known[p.index])) != 0) continue;
      problem = fmt::format("{} has no kernel for {} at {} {} (but {})", node.type, onnx_name(known[p.index]),
                            p.output ? "output" : "input", p.index, type_names(p.types));
      break;
    }
    if (problem.empty()) return {};
    if (!type_problem) type_problem = problem;
  }
  if (type_problem) return {Fit::no_type, *type_problem};
  return {Fit::no_version,
          fmt::format("no kernel for {} as opset {} defines it (up to {})", node.type, node.version, newest)};
}

bool KernelTable::mentions(std::string_view domain, std::string_view type, DType dtype) const {
  const std::vector<Line>* lines = find(domain, type);
  return lines != nullptr && std::any_of(lines->begin(), lines->end(), [&](const Line& l) {
           return std::any_of(l.places.begin(), l.places.end(),
                              [&](const Place& p) { return (p.types & bit(dtype)) != 0; });
         });
}

}  // namespace lathe
