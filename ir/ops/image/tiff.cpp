// TIFF by libtiff, from memory, with handlers of our own (the library's are global and print). The first page
// counts; its orientation is applied.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

struct Source {
  Encoded bytes;
  uint64_t at = 0;
  char message[160] = "";
};

Source& of(thandle_t handle) { return *static_cast<Source*>(handle); }

tmsize_t on_read(thandle_t handle, void* to, tmsize_t n) {
  Source& s = of(handle);
  if (s.at >= s.bytes.size() || n <= 0) return 0;
  const auto take = std::min(static_cast<size_t>(n), s.bytes.size() - static_cast<size_t>(s.at));
  std::memcpy(to, s.bytes.data() + s.at, take);
  s.at += take;
  return static_cast<tmsize_t>(take);
}

tmsize_t on_write(thandle_t, void*, tmsize_t) { return 0; }

toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  Source& s = of(handle);
  const uint64_t base = whence == SEEK_CUR ? s.at : whence == SEEK_END ? s.bytes.size() : 0;
  s.at = base + offset;
  return s.at;
}

int on_close(thandle_t) { return 0; }
toff_t on_size(thandle_t handle) { return of(handle).bytes.size(); }

int on_error(TIFF*, void* source, const char*, const char* format, va_list args) {
  auto* s = static_cast<Source*>(source);
  if (s->message[0] == '\0') std::vsnprintf(s->message, sizeof s->message, format, args);
  return 1;
}

int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using File = std::unique_ptr<TIFF, void (*)(TIFF*)>;

File open(Source& source) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) fail("out of memory");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), kMaxPixels * 4);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, &source);
  return {TIFFClientOpenExt("image", "rm", &source, on_read, on_write, on_seek, on_close, on_size, nullptr,
                            nullptr, options.get()),
          TIFFClose};
}

}  // namespace

Image decode_tiff(Encoded bytes) {
  Source source{bytes};
  const auto refuse = [&](const char* otherwise) {
    fail("{}", source.message[0] != '\0' ? source.message : otherwise);
  };
  const File file = open(source);
  if (!file) refuse("the header is damaged");
  uint32_t width = 0, height = 0;
  if (TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &width) != 1 ||
      TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &height) != 1)
    refuse("no width or height");
  check_image_size(width, height);
  uint16_t photometric = PHOTOMETRIC_RGB;
  TIFFGetField(file.get(), TIFFTAG_PHOTOMETRIC, &photometric);
  char why[1024] = "";
  if (TIFFRGBAImageOK(file.get(), why) != 1) fail("{}", why);
  std::vector<uint32_t> raster(size_t{width} * height);
  constexpr int kStopOnError = 1;
  if (TIFFReadRGBAImageOriented(file.get(), width, height, raster.data(), ORIENTATION_TOPLEFT,
                                kStopOnError) != 1)
    refuse("the data are damaged");
  const bool gray = photometric == PHOTOMETRIC_MINISBLACK || photometric == PHOTOMETRIC_MINISWHITE;
  Image image = make_image(width, height, gray ? 1 : 3);
  uint8_t* to = image.pixels.data();
  for (const uint32_t v : raster) {
    *to++ = TIFFGetR(v);
    if (gray) continue;
    *to++ = TIFFGetG(v);
    *to++ = TIFFGetB(v);
  }
  return image;
}

}  // namespace lathe
