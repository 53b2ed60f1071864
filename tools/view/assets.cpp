#include "tools/view/assets.h"

#include <fmt/format.h>

#include <array>
#include <span>

#include "ir/base/error.h"
#include "ir/base/sha256.h"

namespace lathe::view {
namespace {

struct Asset {
  std::string_view name, text;
};
constexpr Asset kAssets[] = {
#include "assets.inc"
};

// Of the SHA-256: what a content security policy wants.
std::string hash_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const std::string hex = sha256_hex(std::as_bytes(std::span(text.data(), text.size())));
  std::string out;
  uint32_t bits = 0, held = 0;
  const auto put = [&](uint32_t nibble) {
    bits = bits << 4 | nibble;
    held += 4;
    if (held < 6) return;
    held -= 6;
    out += kDigits[bits >> held & 63];
  };
  for (const char c : hex) put(static_cast<uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10));
  if (held > 0) out += kDigits[bits << (6 - held) & 63];
  while (out.size() % 4 != 0) out += '=';
  return out;
}

// JSON inside of a script element: no "</script>", no "<!--".
std::string inert(std::string_view json) {
  std::string out;
  for (const char c : json) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string_view asset(std::string_view name) {
  for (const Asset& a : kAssets)
    if (a.name == name) return a.text;
  fail("no asset {}", name);
}

std::string assets(std::initializer_list<std::string_view> names) {
  std::string out;
  for (const std::string_view name : names) out += asset(name);
  return out;
}

std::string theme_variables(const Theme& t) {
  return fmt::format("--page:{};--ink:{};--soft:{};--line:{};--card:{};--pill:{};--edge:{};", t.page, t.ink,
                     t.soft, t.line, t.card, t.pill, t.edge);
}

std::string html_page(const PageParts& p) {
  std::string out = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta "
      "http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{}'\">\n<meta "
      "name=\"viewport\" "
      "content=\"width=device-width\"><title>{}</title>\n<style>\n{}</style></head>\n<body>\n{}",
      hash_base64(p.script), p.title, p.style, p.body);
  if (!p.data.empty())
    out += "<script type=\"application/json\" id=\"model\">" + inert(p.data) + "</script>\n";
  return out + "<script>" + p.script + "</script>\n</body></html>\n";
}

}  // namespace lathe::view
