// PNG by libpng, whose errors jump: the functions that call setjmp hold no object with a destructor.
#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <memory>

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const uint8_t* at = nullptr;
  size_t left = 0;
  char message[128] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp what) {
  auto* r = static_cast<Reader*>(png_get_error_ptr(png));
  std::strncpy(r->message, what, sizeof r->message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t n) {
  auto* r = static_cast<Reader*>(png_get_io_ptr(png));
  if (n > r->left) png_error(png, "the data end too early");
  std::memcpy(to, r->at, n);
  r->at += n;
  r->left -= n;
}

// To 8-bit gray or RGB, with alpha still there; false after an error.
bool read_header(Reader& r) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_set_read_fn(r.png, &r, on_read);
  png_set_user_limits(r.png, 0x7fffffff, 0x7fffffff);  // check_image_size decides
  png_read_info(r.png, r.info);
  png_set_expand(r.png);
  png_set_scale_16(r.png);
  png_set_strip_alpha(r.png);
  png_set_interlace_handling(r.png);
  png_read_update_info(r.png, r.info);
  return true;
}

bool read_rows(Reader& r, uint8_t** rows) {
  if (setjmp(png_jmpbuf(r.png))) return false;
  png_read_image(r.png, rows);
  png_read_end(r.png, nullptr);
  return true;
}

struct Close {
  Reader& r;
  ~Close() { png_destroy_read_struct(&r.png, &r.info, nullptr); }
};

}  // namespace

Image decode_png(Encoded bytes) {
  Reader r;
  r.at = bytes.data();
  r.left = bytes.size();
  r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
  if (r.png == nullptr) fail("out of memory");
  const Close close{r};
  r.info = png_create_info_struct(r.png);
  if (r.info == nullptr) fail("out of memory");
  if (!read_header(r)) fail("{}", r.message);
  const auto width = static_cast<int64_t>(png_get_image_width(r.png, r.info)),
             height = static_cast<int64_t>(png_get_image_height(r.png, r.info));
  const int64_t channels = png_get_channels(r.png, r.info);
  if (channels != 1 && channels != 3) fail("{} channels", channels);
  Image image = make_image(width, height, channels);
  if (png_get_rowbytes(r.png, r.info) != static_cast<size_t>(width * channels)) fail("unusual rows");
  std::vector<uint8_t*> rows(static_cast<size_t>(height));
  for (int64_t y = 0; y < height; ++y) rows[static_cast<size_t>(y)] = image.row(y);
  if (!read_rows(r, rows.data())) fail("{}", r.message);
  return image;
}

}  // namespace lathe
