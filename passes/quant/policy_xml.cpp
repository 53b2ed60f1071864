// The XML of a policy: docs/policy.xsd says the same, and tests hold the two together.
#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>

#include "passes/quant/policy.h"

namespace lathe {
namespace {

namespace fs = std::filesystem;
using tinyxml2::XMLAttribute;
using tinyxml2::XMLElement;

constexpr int64_t kWholeRow = int64_t{1} << 20;

template <class T>
using Words = std::vector<std::pair<std::string_view, T>>;

const Words<int64_t> kBlocks = {{"16", 16}, {"32", 32}, {"64", 64}, {"128", 128}, {"256", 256}};
const Words<DType> kScales = {{"float32", DType::F32}, {"float16", DType::F16}, {"bfloat16", DType::BF16}};
const Words<Rounding> kRoundings = {{"rtn", Rounding::rtn},
                                    {"mse", Rounding::mse},
                                    {"hqq", Rounding::hqq},
                                    {"gptq", Rounding::gptq},
                                    {"awq", Rounding::awq}};
const Words<Form> kForms = {{"contrib", Form::contrib}, {"standard", Form::standard}};
const Words<bool> kFlags = {{"true", true}, {"false", false}};
const Words<bool> kZeroPoints = {{"integer", false}, {"float", true}};

const Words<Role>& role_words() {
  static const Words<Role> words = [] {
    Words<Role> w;
    for (size_t i = 0; i < kRoleCount; ++i)
      w.emplace_back(role_name(static_cast<Role>(i)), static_cast<Role>(i));
    return w;
  }();
  return words;
}

const Words<Part>& part_words() {
  static const Words<Part> words = [] {
    Words<Part> w;
    for (auto i = static_cast<int>(Part::query); i <= static_cast<int>(Part::down); ++i)
      w.emplace_back(part_name(static_cast<Part>(i)), static_cast<Part>(i));
    return w;
  }();
  return words;
}

// What a scheme is before attributes change it; the defaults of the pass of that name.
std::optional<Scheme> scheme_word(std::string_view word) {
  Scheme s{.symmetric = false, .scales = DType::F16, .rounding = Rounding::mse};
  if (word == "quant2" || word == "quant4" || word == "quant8") {
    s.bits = word.back() - '0';
    s.block = s.bits == 8 ? 128 : 16;
    return s;
  }
  if (word != "rows") return std::nullopt;
  s.bits = 8;
  s.block = kWholeRow;
  s.symmetric = true;
  s.form = Form::standard;
  return s;
}

constexpr const char* kSchemes =
    "float, quant2, quant4, quant8, rows, fp16, bf16, quant-dynamic, quant-static";

std::string read_text(const fs::path& file) {
  constexpr uintmax_t kMaxBytes = 1 << 20;
  std::error_code error;
  if (!fs::exists(file, error)) fail("policy '{}' is not there", file.string());
  if (!fs::is_regular_file(file, error)) fail("policy '{}' is not a regular file", file.string());
  const uintmax_t size = fs::file_size(file, error);
  if (error) fail("policy '{}' cannot be read: {}", file.string(), error.message());
  if (size > kMaxBytes) fail("policy '{}' has {} bytes, more than 1 MB", file.string(), size);
  std::ifstream in(file, std::ios::binary);
  if (!in) fail("policy '{}' cannot be read", file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

class Reader {
 public:
  explicit Reader(const fs::path& file)
      : file_(file), label_(file.filename().string()), text_(read_text(file)) {
    starts_.push_back(0);
    for (size_t i = 0; i < text_.size(); ++i)
      if (text_[i] == '\n') starts_.push_back(i + 1);
    if (text_.find('\0') != std::string::npos)
      fail("policy '{}' holds a zero byte: it is not XML", file.string());
    if (document_.Parse(text_.data(), text_.size()) == tinyxml2::XML_SUCCESS) return;
    const int line = std::max(document_.ErrorLineNum(), 1);
    if (document_.ErrorID() == tinyxml2::XML_ELEMENT_DEPTH_EXCEEDED)
      fail("policy {}:{}:1: elements are nested more than {} deep", file.string(), line,
           TINYXML2_MAX_ELEMENT_DEPTH);
    fail("policy {}:{}:{}: not well-formed XML ({})", file.string(), line, first_column(line),
         document_.ErrorName());
  }

  // Its own rules; `extends` is left to the caller.
  Policy read(std::string& extends) {
    check_nodes(document_);
    const XMLElement* root = document_.RootElement();
    if (root == nullptr) fail("policy {}:1:1: wanted is <policy>, there is no element", file_.string());
    if (std::string_view(root->Name()) != "policy")
      wrong(root, fmt::format("wanted is <policy>, not <{}>", root->Name()));
    check_nodes(*root);
    Policy p;
    p.name = fs::path(label_).stem().string();
    for (const auto* a = root->FirstAttribute(); a != nullptr; a = a->Next()) {
      const std::string_view name = a->Name();
      if (name == "name")
        p.name = a->Value();
      else if (name == "extends")
        extends = a->Value();
      else if (name.substr(0, 5) != "xmlns" && name.substr(0, 4) != "xsi:")
        wrong(a, fmt::format("<policy> has no attribute '{}' (name, extends)", name));
    }
    for (const auto* e = root->FirstChildElement(); e != nullptr; e = e->NextSiblingElement()) {
      if (std::string_view(e->Name()) != "rule")
        wrong(e, fmt::format("there is no element <{}> (wanted is <rule>)", e->Name()));
      p.rules.push_back(rule(*e));
    }
    return p;
  }

  [[noreturn]] void wrong_extends(const std::string& why) const {
    for (const auto* a = document_.RootElement()->FirstAttribute(); a != nullptr; a = a->Next())
      if (std::string_view(a->Name()) == "extends") wrong(a, why);
    fail("policy {}: {}", file_.string(), why);
  }

 private:
  size_t first_column(int line) const {
    const size_t start = starts_[std::min(static_cast<size_t>(line) - 1, starts_.size() - 1)];
    const size_t word = text_.find_first_not_of(" \t", start);
    return word == std::string::npos ? 1 : word - start + 1;
  }

  // tinyxml2 knows lines. Names point into its own copy of the text, so their distance to the name of the
  // root element gives the column.
  size_t column(const char* name, int line) const {
    const XMLElement* root = document_.RootElement();
    const size_t root_line = starts_[static_cast<size_t>(root->GetLineNum()) - 1];
    const size_t root_at = text_.find(std::string("<") + root->Name(), root_line);
    if (root_at == std::string::npos) return 1;
    const auto at = static_cast<size_t>(static_cast<std::ptrdiff_t>(root_at + 1) + (name - root->Name()));
    const size_t start = starts_[static_cast<size_t>(line) - 1];
    return at >= start && at < text_.size() ? at - start + 1 : 1;
  }
  [[noreturn]] void at(const char* name, int line, const std::string& why) const {
    const int known = std::clamp(line, 1, static_cast<int>(starts_.size()));
    fail("policy {}:{}:{}: {}", file_.string(), known, column(name, known), why);
  }
  [[noreturn]] void wrong(const XMLElement* e, const std::string& why) const {
    at(e->Name(), e->GetLineNum(), why);
  }
  [[noreturn]] void wrong(const XMLAttribute* a, const std::string& why) const {
    at(a->Name(), a->GetLineNum(), why);
  }

  // Elements and comments only: no DOCTYPE (entities), no stray text.
  void check_nodes(const tinyxml2::XMLNode& parent) const {
    for (const auto* n = parent.FirstChild(); n != nullptr; n = n->NextSibling()) {
      const int line = std::max(n->GetLineNum(), 1);
      if (n->ToUnknown() != nullptr)
        fail("policy {}:{}:{}: a policy has no DOCTYPE and no entities", file_.string(), line,
             first_column(line));
      if (n->ToText() != nullptr)
        fail("policy {}:{}:{}: text outside of rules", file_.string(), line, first_column(line));
    }
  }

  template <class T>
  T number(const XMLAttribute* a, T low, T high) const {
    const std::string_view text = a->Value();
    T v{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
    if (error != std::errc{} || end != text.data() + text.size() || !(v >= low) || !(v <= high))
      wrong(a, fmt::format("{}=\"{}\": wanted is a number from {} to {}", a->Name(), text, low, high));
    return v;
  }

  template <class T>
  T word(const XMLAttribute* a, const Words<T>& words) const {
    std::string known;
    for (const auto& [text, value] : words) {
      if (text == a->Value()) return value;
      known += (known.empty() ? "" : ", ") + std::string(text);
    }
    wrong(a, fmt::format("{}=\"{}\": known are {}", a->Name(), a->Value(), known));
  }

  // "0-3,5"
  std::vector<std::pair<int32_t, int32_t>> ranges(const XMLAttribute* a) const {
    std::vector<std::pair<int32_t, int32_t>> out;
    const std::string text = a->Value();
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
      int32_t low = 0, high = 0;
      const char *begin = part.data(), *end = begin + part.size();
      auto [stop, error] = std::from_chars(begin, end, low);
      high = low;
      if (error == std::errc{} && stop != end && *stop == '-') {
        const auto second = std::from_chars(stop + 1, end, high);
        stop = second.ptr;
        error = second.ec;
      }
      if (error != std::errc{} || stop != end || low < 0 || high < low)
        wrong(a, fmt::format("layers=\"{}\": wanted are numbers and ranges, as in 0-3,5", text));
      out.emplace_back(low, high);
    }
    if (out.empty() || text.back() == ',')
      wrong(a, fmt::format("layers=\"{}\": wanted are numbers and ranges, as in 0-3,5", text));
    return out;
  }

  PolicyRule rule(const XMLElement& e) const {
    PolicyRule r;
    r.place = fmt::format("{}:{}", label_, e.GetLineNum());
    check_nodes(e);
    if (const auto* child = e.FirstChildElement()) wrong(child, "a <rule> holds no element");
    const XMLAttribute* scheme = e.FindAttribute("scheme");
    if (scheme == nullptr) wrong(&e, "the rule has no scheme");
    r.scheme = scheme->Value();
    r.weight_only = scheme_word(r.scheme);
    if (!r.weight_only && !r.half() && r.scheme != "float" && r.scheme != "quant-dynamic" &&
        r.scheme != "quant-static")
      wrong(scheme, fmt::format("scheme=\"{}\": known are {}", r.scheme, kSchemes));
    r.best_rounding = r.weight_only && e.FindAttribute("rounding") == nullptr;
    for (const auto* a = e.FirstAttribute(); a != nullptr; a = a->Next()) {
      const std::string_view name = a->Name();
      if (name == "scheme") continue;
      if (!matching(a, r) && !detail(a, r))
        wrong(a, fmt::format("<rule> has no attribute '{}' (role, part, op, name, layers, share-above, "
                             "share-below, min-elements, scheme, block, symmetric, zero-points, scales, "
                             "rounding, form, accuracy-level)",
                             name));
    }
    if (r.share_above > r.share_below) wrong(&e, "share-above is more than share-below: nothing can match");
    return r;
  }

  bool matching(const XMLAttribute* a, PolicyRule& r) const {
    const std::string_view name = a->Name();
    const auto text = [&] {
      if (*a->Value() == '\0') wrong(a, fmt::format("{} is empty", name));
      return std::string(a->Value());
    };
    if (name == "role")
      r.role = word(a, role_words());
    else if (name == "part")
      r.part = word(a, part_words());
    else if (name == "op")
      r.op = text();
    else if (name == "name")
      r.name = text();
    else if (name == "layers")
      r.layers = ranges(a);
    else if (name == "share-above")
      r.share_above = number<double>(a, 0, 1);
    else if (name == "share-below")
      r.share_below = number<double>(a, 0, 1);
    else if (name == "min-elements")
      r.min_elements = number<int64_t>(a, 0, int64_t{1} << 60);
    else
      return false;
    return true;
  }

  // How the scheme departs from its defaults.
  bool detail(const XMLAttribute* a, PolicyRule& r) const {
    const std::string_view name = a->Name();
    constexpr std::string_view kDetails[] = {"block",    "symmetric", "zero-points",   "scales",
                                             "rounding", "form",      "accuracy-level"};
    if (std::find(std::begin(kDetails), std::end(kDetails), name) == std::end(kDetails)) return false;
    if (!r.weight_only || (r.scheme == "rows" && name != "scales" && name != "rounding"))
      wrong(a, fmt::format("scheme \"{}\" has no {}", r.scheme, name));
    Scheme& s = *r.weight_only;
    if (name == "block")
      s.block = word(a, kBlocks);
    else if (name == "symmetric")
      s.symmetric = word(a, kFlags);
    else if (name == "zero-points")
      s.float_zero = word(a, kZeroPoints);
    else if (name == "scales")
      s.scales = word(a, kScales);
    else if (name == "rounding")
      s.rounding = word(a, kRoundings);
    else if (name == "form")
      s.form = word(a, kForms);
    else
      s.accuracy_level = number<int64_t>(a, 0, 4);
    return true;
  }

  fs::path file_;
  std::string label_, text_;
  std::vector<size_t> starts_;  // of lines
  tinyxml2::XMLDocument document_;
};

bool inside(const fs::path& file, const fs::path& folder) {
  const auto [f, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return f == folder.end() && rest != file.end();
}

template <class T>
std::string_view word_of(T value, const Words<T>& words) {
  for (const auto& [text, v] : words)
    if (v == value) return text;
  return "";
}

}  // namespace

Policy read_policy(const fs::path& file) {
  constexpr size_t kMaxDepth = 16;
  std::vector<fs::path> seen;
  Policy p;
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(fs::absolute(file).parent_path(), error);
  fs::path next = file;
  while (true) {
    Reader reader(next);
    std::string extends;
    Policy part = reader.read(extends);
    if (seen.empty()) p.name = part.name;
    p.rules.insert(p.rules.end(), part.rules.begin(), part.rules.end());
    seen.push_back(fs::weakly_canonical(fs::absolute(next), error));
    if (extends.empty()) break;
    const fs::path base = next.parent_path() / extends;
    const fs::path real = fs::weakly_canonical(fs::absolute(base), error);  // where links lead
    if (error || !inside(real, folder))
      reader.wrong_extends(fmt::format("extends=\"{}\" leads out of the policy's folder", extends));
    if (!fs::exists(base, error))
      reader.wrong_extends(fmt::format("extends=\"{}\": there is no such file", extends));
    if (std::find(seen.begin(), seen.end(), real) != seen.end())
      reader.wrong_extends(
          fmt::format("extends=\"{}\": the policies extend each other in a circle", extends));
    if (seen.size() >= kMaxDepth)
      reader.wrong_extends(fmt::format("policies extend each other more than {} deep", kMaxDepth));
    next = base;
  }
  if (p.rules.empty()) fail("policy '{}' has no rule", file.string());
  return p;
}

std::string to_xml(const Policy& p, const std::vector<std::string>& comments) {
  tinyxml2::XMLDocument d;
  d.InsertEndChild(d.NewDeclaration());
  XMLElement* root = d.NewElement("policy");
  d.InsertEndChild(root);
  root->SetAttribute("name", p.name.c_str());
  for (std::string c : comments) {
    for (size_t i; (i = c.find("--")) != std::string::npos;)
      c.insert(i + 1, " ");  // XML's one rule for comments
    root->InsertEndChild(d.NewComment((" " + c + " ").c_str()));
  }
  for (const PolicyRule& r : p.rules) {
    XMLElement* e = root->InsertNewChildElement("rule");
    const auto set = [&](const char* name, std::string_view value) {
      e->SetAttribute(name, std::string(value).c_str());
    };
    if (r.role) set("role", role_name(*r.role));
    if (r.part) set("part", part_name(*r.part));
    if (!r.op.empty()) set("op", r.op);
    if (!r.name.empty()) set("name", r.name);
    std::string layers;
    for (const auto& [low, high] : r.layers) {
      layers += fmt::format("{}{}", layers.empty() ? "" : ",", low);
      if (high > low) layers += fmt::format("-{}", high);
    }
    if (!layers.empty()) set("layers", layers);
    if (r.share_above > 0) set("share-above", fmt::format("{}", r.share_above));
    if (r.share_below < 1) set("share-below", fmt::format("{}", r.share_below));
    if (r.min_elements > 0) set("min-elements", fmt::format("{}", r.min_elements));
    set("scheme", r.scheme);
    if (!r.weight_only) continue;
    const Scheme &s = *r.weight_only, plain = *scheme_word(r.scheme);
    if (s.block != plain.block) set("block", word_of(s.block, kBlocks));
    if (s.symmetric != plain.symmetric) set("symmetric", word_of(s.symmetric, kFlags));
    if (s.float_zero) set("zero-points", "float");
    if (s.scales != plain.scales) set("scales", word_of(s.scales, kScales));
    if (!r.best_rounding) set("rounding", word_of(s.rounding, kRoundings));
    if (s.form != plain.form) set("form", word_of(s.form, kForms));
    if (s.accuracy_level != 0) set("accuracy-level", fmt::format("{}", s.accuracy_level));
  }
  tinyxml2::XMLPrinter printer;
  d.Print(&printer);
  return printer.CStr();
}

}  // namespace lathe
