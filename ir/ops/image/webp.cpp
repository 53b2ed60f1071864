// WebP by libwebp.
#include <webp/decode.h>

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

const char* reason(VP8StatusCode code) {
  switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY:
      return "out of memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that is not supported";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the data end too early";
    default:
      return "the data are damaged";
  }
}

}  // namespace

Image decode_webp(Encoded bytes) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) fail("the library is of another version");
  const auto checked = [](VP8StatusCode code) {
    if (code != VP8_STATUS_OK) fail("{}", reason(code));
  };
  checked(WebPGetFeatures(bytes.data(), bytes.size(), &config.input));
  if (config.input.has_animation) fail("it is an animation");
  Image image = make_image(config.input.width, config.input.height, 3);
  config.output.colorspace = MODE_RGB;
  config.output.u.RGBA.rgba = image.pixels.data();
  config.output.u.RGBA.stride = static_cast<int>(image.width * 3);
  config.output.u.RGBA.size = image.pixels.size();
  config.output.is_external_memory = 1;
  const VP8StatusCode code = WebPDecode(bytes.data(), bytes.size(), &config);
  WebPFreeDecBuffer(&config.output);
  checked(code);
  return image;
}

}  // namespace lathe
