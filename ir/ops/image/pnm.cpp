// Netpbm: PBM, PGM and PPM, plain (P1 to P3) and raw (P4 to P6).
#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

class Scanner {
 public:
  explicit Scanner(Encoded bytes) : bytes_(bytes) {}

  // Decimal, after white space and comments.
  int64_t number(int64_t most) {
    skip_space();
    if (at_ >= bytes_.size()) fail("the data end too early");
    if (!is_digit(bytes_[at_])) fail("a number is missing");
    int64_t v = 0;
    for (; at_ < bytes_.size() && is_digit(bytes_[at_]); ++at_) {
      v = v * 10 + (bytes_[at_] - '0');
      if (v > most) fail("a number above {}", most);
    }
    return v;
  }

  int64_t bit() {  // of a plain bitmap, whose digits may stand together
    skip_space();
    const uint8_t c = byte();
    if (c != '0' && c != '1') fail("a bit is neither 0 nor 1");
    return c - '0';
  }

  uint8_t byte() {
    if (at_ >= bytes_.size()) fail("the data end too early");
    return bytes_[at_++];
  }

  void need(int64_t bytes) const {
    if (static_cast<int64_t>(bytes_.size() - at_) < bytes) fail("the data end too early");
  }

 private:
  static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
  static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space() {
    for (; at_ < bytes_.size(); ++at_) {
      if (bytes_[at_] == '#')
        while (at_ < bytes_.size() && bytes_[at_] != '\n') ++at_;
      else if (!is_space(bytes_[at_]))
        return;
    }
  }

  Encoded bytes_;
  size_t at_ = 2;  // after the magic
};

uint8_t scaled(int64_t v, int64_t top) {
  if (v > top) fail("a sample of {} above the largest, {}", v, top);
  return static_cast<uint8_t>(top == 255 ? v : (v * 255 + top / 2) / top);
}

void read_bits(Scanner& in, Image& image) {
  const int64_t stride = (image.width + 7) / 8;
  in.need(stride * image.height);
  for (int64_t y = 0; y < image.height; ++y) {
    uint8_t byte = 0;
    for (int64_t x = 0; x < image.width; ++x) {
      if (x % 8 == 0) byte = in.byte();
      image.row(y)[x] = (byte >> (7 - x % 8) & 1) != 0 ? 0 : 255;
    }
  }
}

}  // namespace

Image decode_pnm(Encoded bytes) {
  const char kind = static_cast<char>(bytes[1]);
  const bool plain = kind <= '3', bitmap = kind == '1' || kind == '4', color = kind == '3' || kind == '6';
  Scanner in(bytes);
  const int64_t width = in.number(kMaxPixels), height = in.number(kMaxPixels);
  const int64_t top = bitmap ? 1 : in.number(65535), wide = top > 255 ? 2 : 1;
  if (top == 0) fail("the largest sample is 0");
  if (!plain) in.byte();  // one white space before the samples
  check_image_size(width, height);
  const int64_t samples = width * height * (color ? 3 : 1);
  in.need(plain ? (bitmap ? samples : 2 * samples - 1) : bitmap ? 0 : samples * wide);
  Image image = make_image(width, height, color ? 3 : 1);
  if (bitmap && !plain) {
    read_bits(in, image);
    return image;
  }
  for (uint8_t& p : image.pixels) {
    if (bitmap) {
      p = in.bit() != 0 ? 0 : 255;
    } else if (plain) {
      p = scaled(in.number(65535), top);
    } else {
      int64_t v = in.byte();
      if (wide == 2) v = v * 256 + in.byte();
      p = scaled(v, top);
    }
  }
  return image;
}

}  // namespace lathe
