// StringConcat, StringSplit, StringNormalizer, RegexFullMatch.
#include <re2/re2.h>
#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <unordered_set>

#include "ir/base/quote.h"
#include "ir/ops/op_def.h"
#include "ir/ops/tensor/args.h"

namespace lathe {
namespace {

const std::vector<std::string>& strings_in(EvalCtx& c, size_t i) { return c.in(i, DType::String).strings(); }

// ---------------------------------------------------------------- StringConcat

void infer_concat(InferCtx& c) {
  const Shape *x = c.shape(0), *y = c.shape(1);
  c.out(0, DType::String,
        x != nullptr && y != nullptr ? std::optional(broadcast_shapes(c, *x, *y)) : std::nullopt);
}

void eval_concat(EvalCtx& c) {
  const auto &x = strings_in(c, 0), &y = strings_in(c, 1);
  const Dims dims = broadcast_dims(c.in(0).dims, c.in(1).dims);
  const StridedLoop<2> loop(dims,
                            {broadcast_strides(c.in(0).dims, dims), broadcast_strides(c.in(1).dims, dims)});
  std::vector<std::string> out(static_cast<size_t>(loop.count()));
  const auto step = loop.inner();
  loop.run(0, loop.count(), [&](int64_t o, const auto& at, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
      out[static_cast<size_t>(o + i)] =
          x[static_cast<size_t>(at[0] + i * step[0])] + y[static_cast<size_t>(at[1] + i * step[1])];
  });
  c.set(0, Tensor::of_strings(dims, std::move(out)));
}

// ---------------------------------------------------------------- StringSplit

// Length in bytes of the white space at `at`, 0 if there is none.
size_t space_at(std::string_view s, size_t at) {
  int32_t i = static_cast<int32_t>(at);
  UChar32 ch = 0;
  U8_NEXT(s.data(), i, static_cast<int32_t>(s.size()), ch);
  return ch >= 0 && u_isUWhiteSpace(ch) ? static_cast<size_t>(i) - at : 0;
}

size_t skip_spaces(std::string_view s, size_t at) {
  while (at < s.size()) {
    const size_t n = space_at(s, at);
    if (n == 0) break;
    at += n;
  }
  return at;
}

// At most `most` cuts (negative: any number), as Python's str.split: runs of white space cut once, and those
// at the ends give no empty parts.
std::vector<std::string> split_at_spaces(std::string_view s, int64_t most) {
  std::vector<std::string> out;
  for (size_t at = skip_spaces(s, 0); at < s.size();) {
    if (most >= 0 && static_cast<int64_t>(out.size()) == most) {
      out.emplace_back(s.substr(at));
      break;
    }
    size_t end = at;
    while (end < s.size() && space_at(s, end) == 0) ++end;
    out.emplace_back(s.substr(at, end - at));
    at = skip_spaces(s, end);
  }
  return out;
}

std::vector<std::string> split_at(std::string_view s, std::string_view delimiter, int64_t most) {
  std::vector<std::string> out;
  size_t at = 0;
  while (most < 0 || static_cast<int64_t>(out.size()) < most) {
    const size_t end = s.find(delimiter, at);
    if (end == std::string_view::npos) break;
    out.emplace_back(s.substr(at, end - at));
    at = end + delimiter.size();
  }
  out.emplace_back(s.substr(at));
  return out;
}

void infer_split(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) {
    c.out(0, DType::String);
    return c.out(1, DType::I64);
  }
  Shape parts = *x;
  parts.push_back(Dim::unknown());
  c.out(0, DType::String, std::move(parts));
  c.out(1, DType::I64, *x);
}

void eval_split(EvalCtx& c) {
  const auto& x = strings_in(c, 0);
  const std::string delimiter = c.attrs().s("delimiter", "");
  const int64_t most = c.attrs().i("maxsplit", -1);
  std::vector<std::vector<std::string>> rows;
  size_t width = 0;
  Tensor& counts = c.out(1, DType::I64, c.in(0).dims);
  const auto count = counts.mutable_data<int64_t>();
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i].size() > INT32_MAX) fail("a string of {} bytes", x[i].size());
    rows.push_back(delimiter.empty() ? split_at_spaces(x[i], most) : split_at(x[i], delimiter, most));
    width = std::max(width, rows[i].size());
    count[i] = static_cast<int64_t>(rows[i].size());
  }
  Dims dims = c.in(0).dims;
  dims.push_back(static_cast<int64_t>(width));
  Tensor out = Tensor::uninitialized(DType::String, dims);
  for (size_t i = 0; i < rows.size(); ++i)
    std::move(rows[i].begin(), rows[i].end(),
              out.mutable_strings().begin() + static_cast<std::ptrdiff_t>(i * width));
  c.set(0, std::move(out));
}

// ---------------------------------------------------------------- StringNormalizer

enum class Case : uint8_t { keep, lower, upper };

Case case_of(const Attrs& attrs) {
  const std::string how = attrs.s("case_change_action", "NONE");
  if (how == "LOWER") return Case::lower;
  if (how == "UPPER") return Case::upper;
  if (how != "NONE") fail("case_change_action {} is none of LOWER, UPPER, NONE", quote(how));
  return Case::keep;
}

std::string with_case(const std::string& s, Case how, const icu::Locale& locale) {
  if (how == Case::keep) return s;
  if (s.size() > INT32_MAX) fail("a string of {} bytes", s.size());
  icu::UnicodeString u =
      icu::UnicodeString::fromUTF8(icu::StringPiece(s.data(), static_cast<int32_t>(s.size())));
  how == Case::lower ? u.toLower(locale) : u.toUpper(locale);
  std::string out;
  return u.toUTF8String(out);
}

void infer_normalize(InferCtx& c) {
  const Shape* x = c.shape(0);
  if (x == nullptr) return c.out(0, DType::String);
  if (x->empty() || x->size() > 2) c.contradiction("the input must be [C] or [1, C]");
  Shape out = *x;
  out.back() = Dim::unknown();  // stopwords go
  c.out(0, DType::String, std::move(out));
}

void eval_normalize(EvalCtx& c) {
  const auto& x = strings_in(c, 0);
  const Dims& dims = c.in(0).dims;
  if (dims.empty() || dims.size() > 2 || (dims.size() == 2 && dims[0] != 1))
    fail("the input must be [C] or [1, C]");
  const icu::Locale locale(c.attrs().s("locale", "en_US").c_str());
  if (locale.isBogus()) fail("locale {} is not known", quote(c.attrs().s("locale", "")));
  const Case how = case_of(c.attrs());
  const Case compare = c.attrs().i("is_case_sensitive", 0) != 0 ? Case::keep : Case::lower;
  std::unordered_set<std::string> stops;
  for (const std::string& word : c.attrs().strings("stopwords"))
    stops.insert(with_case(word, compare, locale));
  std::vector<std::string> out;
  for (const std::string& s : x)
    if (stops.empty() || !stops.contains(with_case(s, compare, locale)))
      out.push_back(with_case(s, how, locale));
  if (out.empty()) out.emplace_back();
  const auto n = static_cast<int64_t>(out.size());
  c.set(0, Tensor::of_strings(dims.size() == 1 ? Dims{n} : Dims{1, n}, std::move(out)));
}

// ---------------------------------------------------------------- RegexFullMatch

void infer_regex(InferCtx& c) {
  const Shape* x = c.shape(0);
  c.out(0, DType::Bool, x != nullptr ? std::optional(*x) : std::nullopt);
}

// RE2 takes time linear in the text, whatever the pattern.
void eval_regex(EvalCtx& c) {
  const auto& x = strings_in(c, 0);
  RE2::Options options;
  options.set_log_errors(false);
  const RE2 pattern(c.attrs().s("pattern", ""), options);
  if (!pattern.ok()) fail("pattern {}: {}", quote(pattern.pattern()), pattern.error());
  const auto y = c.out(0, DType::Bool, c.in(0).dims).mutable_data<uint8_t>();
  for (size_t i = 0; i < x.size(); ++i) y[i] = RE2::FullMatch(x[i], pattern) ? 1 : 0;
}

}  // namespace

void register_strings(OpRegistry& r) {
  r.add({"", "RegexFullMatch", infer_regex, eval_regex, Exactness::bitwise});
  r.add({"", "StringConcat", infer_concat, eval_concat, Exactness::bitwise});
  r.add({"", "StringNormalizer", infer_normalize, eval_normalize, Exactness::bitwise});
  r.add({"", "StringSplit", infer_split, eval_split, Exactness::bitwise});
}

}  // namespace lathe
