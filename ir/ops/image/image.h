// Decoded images and the decoders behind ImageDecoder. Every decoder checks the size that a header claims
// before it allocates anything of that size, and throws lathe::Error for input that it cannot decode whole.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lathe {

// 8-bit samples, row-major, channels last: 1 (gray) or 3 (red, green, blue). Transparency is dropped, as
// Pillow's convert("RGB") does; deeper samples are scaled to 8 bits.
struct Image {
  int64_t height = 0, width = 0, channels = 3;
  std::vector<uint8_t> pixels;

  uint8_t* row(int64_t y) { return pixels.data() + y * width * channels; }
};

using Encoded = std::span<const uint8_t>;

// Beyond it an image is taken for a decompression bomb.
inline constexpr int64_t kMaxPixels = int64_t{1} << 27;

// Zeroed pixels; an empty or too large size is an input error.
Image make_image(int64_t width, int64_t height, int64_t channels);
// The size check alone, for decoders whose library allocates.
void check_image_size(int64_t width, int64_t height);

// Recognizes the format by its first bytes.
Image decode_image(Encoded bytes);

Image decode_bmp(Encoded bytes);
Image decode_jpeg(Encoded bytes);
Image decode_jpeg2000(Encoded bytes);
Image decode_png(Encoded bytes);
Image decode_pnm(Encoded bytes);
Image decode_tiff(Encoded bytes);
Image decode_webp(Encoded bytes);

}  // namespace lathe
