// Windows bitmaps: core, info, V4 and V5 headers; 1, 4, 8, 16, 24 and 32 bits; run lengths and bit fields.
#include <array>
#include <bit>

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

enum Compression : uint32_t { kRgb = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3, kAlphaBitFields = 6 };

class Bytes {
 public:
  explicit Bytes(Encoded bytes) : bytes_(bytes) {}
  uint32_t le(uint64_t at, size_t n) const {
    uint32_t v = 0;
    for (size_t i = 0; i < n; ++i) v |= uint32_t{byte(at + i)} << (8 * i);
    return v;
  }
  uint32_t u16(uint64_t at) const { return le(at, 2); }
  uint32_t u32(uint64_t at) const { return le(at, 4); }
  uint8_t byte(uint64_t at) const {
    if (at >= bytes_.size()) fail("the data end too early");
    return bytes_[at];
  }

 private:
  Encoded bytes_;
};

struct Color {
  uint8_t r = 0, g = 0, b = 0;
};

struct Header {
  uint64_t pixels = 0;  // offset of the pixel data
  int64_t width = 0, height = 0;
  bool top_down = false;
  uint32_t bits = 0, compression = kRgb;
  std::array<uint32_t, 3> masks{};
  std::vector<Color> palette;
};

void read_palette(const Bytes& in, Header& h, uint64_t at, uint32_t colors, uint64_t entry) {
  const uint32_t most = 1u << h.bits;
  if (colors == 0) colors = most;
  if (colors > most) fail("{} colors for {} bits", colors, h.bits);
  h.palette.resize(most);
  for (uint32_t i = 0; i < colors && at + (i + 1) * entry <= h.pixels; ++i)
    h.palette[i] = {in.byte(at + i * entry + 2), in.byte(at + i * entry + 1), in.byte(at + i * entry)};
}

Header read_header(const Bytes& in) {
  Header h;
  h.pixels = in.u32(10);
  const uint32_t size = in.u32(14);
  const bool core = size == 12;
  if (!core && (size < 40 || size > 124)) fail("a header of {} bytes", size);
  uint32_t colors = 0;
  if (core) {
    h.width = in.u16(18);
    h.height = in.u16(20);
    h.bits = in.u16(24);
  } else {
    h.width = static_cast<int32_t>(in.u32(18));
    h.height = static_cast<int32_t>(in.u32(22));
    h.bits = in.u16(28);
    h.compression = in.u32(30);
    colors = in.u32(46);
    h.top_down = h.height < 0;
    if (h.top_down) h.height = -h.height;
  }
  if (h.bits != 1 && h.bits != 4 && h.bits != 8 && h.bits != 16 && h.bits != 24 && h.bits != 32)
    fail("{} bits a pixel", h.bits);
  const bool fields = h.compression == kBitFields || h.compression == kAlphaBitFields;
  const bool fits = h.compression == kRgb || (h.compression == kRle8 && h.bits == 8) ||
                    (h.compression == kRle4 && h.bits == 4) || (fields && (h.bits == 16 || h.bits == 32));
  if (!fits) fail("compression {} of {} bits a pixel", h.compression, h.bits);
  if (h.bits <= 8) {
    read_palette(in, h, 14 + uint64_t{size} + (fields ? 12 : 0), colors, core ? 3 : 4);
  } else if (fields) {
    for (size_t i = 0; i < 3; ++i) h.masks[i] = in.u32(54 + 4 * i);  // after a plain header, or inside
  } else if (h.bits == 16) {
    h.masks = {0x7c00, 0x03e0, 0x001f};
  } else if (h.bits == 32) {
    h.masks = {0xff0000, 0x00ff00, 0x0000ff};
  }
  return h;
}

// The bits under a mask as 0 to 255.
uint8_t field(uint32_t pixel, uint32_t mask) {
  if (mask == 0) return 0;
  const int low = std::countr_zero(mask);
  const uint64_t top = mask >> low;
  return static_cast<uint8_t>(((pixel & mask) >> low) * uint64_t{255} / top);
}

void put(Image& image, int64_t x, int64_t row, Color c) {
  uint8_t* p = image.row(row) + 3 * x;
  p[0] = c.r;
  p[1] = c.g;
  p[2] = c.b;
}

int64_t row_bytes(const Header& h) { return (h.width * h.bits + 31) / 32 * 4; }

void read_plain(const Bytes& in, const Header& h, Image& image) {
  const int64_t stride = row_bytes(h);
  for (int64_t y = 0; y < h.height; ++y) {
    const int64_t row = h.top_down ? y : h.height - 1 - y;
    const uint64_t line = h.pixels + static_cast<uint64_t>(y * stride);
    for (int64_t x = 0; x < h.width; ++x) {
      const uint64_t at = line + static_cast<uint64_t>(x * h.bits / 8);
      if (h.bits <= 8) {
        const auto shift = 8 - h.bits - static_cast<uint32_t>(x * h.bits % 8);
        put(image, x, row, h.palette[(in.byte(at) >> shift) & ((1u << h.bits) - 1)]);
      } else if (h.bits == 24) {
        put(image, x, row, {in.byte(at + 2), in.byte(at + 1), in.byte(at)});
      } else {
        const uint32_t v = in.le(at, h.bits / 8);
        put(image, x, row, {field(v, h.masks[0]), field(v, h.masks[1]), field(v, h.masks[2])});
      }
    }
  }
}

// Pairs (count, value); count 0 escapes: 0 end of line, 1 end of image, 2 a jump, n literal pixels.
void read_runs(const Bytes& in, const Header& h, Image& image) {
  uint64_t at = h.pixels;
  int64_t x = 0, y = 0;
  const auto index = [&](uint32_t byte, int64_t i) {
    return h.bits == 8 ? byte : i % 2 == 0 ? byte >> 4 : byte & 15;
  };
  const auto draw = [&](uint32_t i) {
    if (x >= h.width || y >= h.height) fail("a run leaves the image");
    put(image, x++, h.height - 1 - y, h.palette[i]);
  };
  while (y < h.height) {
    const uint32_t count = in.byte(at), value = in.byte(at + 1);
    at += 2;
    if (count > 0) {
      for (int64_t i = 0; i < count; ++i) draw(index(value, i));
    } else if (value == 0) {
      x = 0;
      ++y;
    } else if (value == 1) {
      return;
    } else if (value == 2) {
      x += in.byte(at);
      y += in.byte(at + 1);
      at += 2;
    } else {
      for (int64_t i = 0; i < value; ++i)
        draw(index(in.byte(at + static_cast<uint64_t>(h.bits == 8 ? i : i / 2)), i));
      const uint64_t used = h.bits == 8 ? value : (value + 1) / 2;
      at += used + used % 2;
    }
  }
}

}  // namespace

Image decode_bmp(Encoded bytes) {
  const Bytes in(bytes);
  const Header h = read_header(in);
  const bool runs = h.compression == kRle8 || h.compression == kRle4;
  if (runs && h.top_down) fail("run lengths from top to bottom");
  check_image_size(h.width, h.height);
  if (!runs) in.byte(h.pixels + static_cast<uint64_t>(row_bytes(h) * h.height) - 1);  // all of it is there
  Image image = make_image(h.width, h.height, 3);
  if (runs)
    read_runs(in, h, image);
  else
    read_plain(in, h, image);
  return image;
}

}  // namespace lathe
