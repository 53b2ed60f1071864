// ImageDecoder. The specification would have a file that cannot be decoded give an empty tensor; here it is
// an error that says why, since an empty image only fails later and less clearly.
#include <algorithm>
#include <string_view>

#include "ir/ops/eval_ctx.h"
#include "ir/ops/image/image.h"
#include "ir/ops/op_def.h"

namespace lathe {
namespace {

struct Format {
  std::string_view name;
  bool (*recognizes)(Encoded);
  Image (*decode)(Encoded);
};

bool starts(Encoded bytes, std::string_view magic, size_t at = 0) {
  return bytes.size() >= at + magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    [](char a, uint8_t b) { return static_cast<uint8_t>(a) == b; });
}

using namespace std::string_view_literals;

constexpr Format kFormats[] = {
    {"JPEG", [](Encoded b) { return starts(b, "\xFF\xD8\xFF"); }, decode_jpeg},
    {"PNG", [](Encoded b) { return starts(b, "\x89PNG\r\n\x1A\n"); }, decode_png},
    {"BMP", [](Encoded b) { return starts(b, "BM"); }, decode_bmp},
    {"WebP", [](Encoded b) { return starts(b, "RIFF") && starts(b, "WEBP", 8); }, decode_webp},
    {"TIFF",
     [](Encoded b) {
       return starts(b, "II*\0"sv) || starts(b, "MM\0*"sv) || starts(b, "II+\0"sv) || starts(b, "MM\0+"sv);
     },
     decode_tiff},
    {"JPEG 2000",
     [](Encoded b) { return starts(b, "\0\0\0\x0CjP  \r\n\x87\n"sv) || starts(b, "\xFF\x4F\xFF\x51"); },
     decode_jpeg2000},
    {"PNM", [](Encoded b) { return b.size() > 1 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6'; }, decode_pnm},
};

// ITU-R 601 luma in 16-bit fixed point, as Pillow's convert("L").
uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

void eval_image_decoder(EvalCtx& c) {
  const Tensor& x = c.in(0, DType::U8);
  if (x.rank() != 1) fail("an encoded image is a 1-D tensor, not one of rank {}", x.rank());
  const std::string layout = c.attrs().s("pixel_format", "RGB");
  if (layout != "RGB" && layout != "BGR" && layout != "Grayscale")
    fail("pixel_format '{}' is none of RGB, BGR, Grayscale", layout);
  const Image image = decode_image(x.data<uint8_t>());
  const bool gray = layout == "Grayscale", was_gray = image.channels == 1;
  Tensor& y = c.out(0, DType::U8, {image.height, image.width, gray ? 1 : 3});
  uint8_t* to = y.mutable_data<uint8_t>().data();
  const uint8_t* from = image.pixels.data();
  const int64_t pixels = image.height * image.width;
  if (gray) {
    for (int64_t i = 0; i < pixels; ++i) to[i] = was_gray ? from[i] : luma(from + 3 * i);
    return;
  }
  const int64_t red = layout == "RGB" ? 0 : 2;
  for (int64_t i = 0; i < pixels; ++i, to += 3) {
    to[red] = was_gray ? from[i] : from[3 * i];
    to[1] = was_gray ? from[i] : from[3 * i + 1];
    to[2 - red] = was_gray ? from[i] : from[3 * i + 2];
  }
}

void infer_image_decoder(InferCtx& c) {
  const int64_t channels = c.attrs().s("pixel_format", "RGB") == "Grayscale" ? 1 : 3;
  c.out(0, DType::U8, Shape{Dim::unknown(), Dim::unknown(), channels});
}

}  // namespace

void check_image_size(int64_t width, int64_t height) {
  if (width <= 0 || height <= 0) fail("the image is empty ({} x {} pixels)", width, height);
  if (height > kMaxPixels / width)
    fail("the image claims {} x {} pixels, more than the {} that are decoded", width, height, kMaxPixels);
}

Image make_image(int64_t width, int64_t height, int64_t channels) {
  check_image_size(width, height);
  Image image{height, width, channels, {}};
  image.pixels.resize(static_cast<size_t>(width * height * channels));
  return image;
}

Image decode_image(Encoded bytes) {
  for (const Format& f : kFormats) {
    if (!f.recognizes(bytes)) continue;
    try {
      return f.decode(bytes);
    } catch (const Error& e) {
      throw Error(e.kind(), fmt::format("cannot decode the {} image: {}", f.name, e.what()));
    }
  }
  fail("{} bytes that are no image of a known format (JPEG, PNG, BMP, WebP, TIFF, JPEG 2000, PNM)",
       bytes.size());
}

void register_image_decoder(OpRegistry& r) {
  r.add({.domain = "",
         .type = "ImageDecoder",
         .infer = infer_image_decoder,
         .eval = eval_image_decoder,
         .exactness = Exactness::bitwise});
}

}  // namespace lathe
