// JPEG by libjpeg-turbo, whose errors jump: the functions that call setjmp hold no object with a destructor.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
// clang-format off: jpeglib.h does not include what it needs.
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

// A progressive file may hold any number of scans over the whole image.
constexpr int kMaxScans = 500;

struct Reader {
  jpeg_decompress_struct jpeg;
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void on_error(j_common_ptr c) {
  auto* r = static_cast<Reader*>(c->client_data);
  c->err->format_message(c, r->message);
  std::longjmp(r->jump, 1);
}

// Level -1 are warnings of damaged data, which the library would paint over. What writers commonly get wrong
// without harm passes.
void on_message(j_common_ptr c, int level) {
  if (level >= 0) return;
  const int code = c->err->msg_code;
  if (code != JWRN_EXTRANEOUS_DATA && code != JWRN_ADOBE_XFORM && code != JWRN_JFIF_MAJOR) on_error(c);
}

void on_progress(j_common_ptr c) {
  if (reinterpret_cast<j_decompress_ptr>(c)->input_scan_number <= kMaxScans) return;
  auto* r = static_cast<Reader*>(c->client_data);
  std::snprintf(r->message, sizeof r->message, "more than %d scans", kMaxScans);
  std::longjmp(r->jump, 1);
}

bool read_header(Reader& r, const uint8_t* data, size_t size) {
  if (setjmp(r.jump)) return false;
  jpeg_create_decompress(&r.jpeg);
  r.jpeg.client_data = &r;
  r.jpeg.progress = &r.progress;
  jpeg_mem_src(&r.jpeg, data, static_cast<unsigned long>(size));
  jpeg_read_header(&r.jpeg, TRUE);
  return true;
}

bool read_rows(Reader& r, uint8_t* pixels, size_t stride) {
  if (setjmp(r.jump)) return false;
  jpeg_start_decompress(&r.jpeg);
  while (r.jpeg.output_scanline < r.jpeg.output_height) {
    JSAMPROW row = pixels + r.jpeg.output_scanline * stride;
    jpeg_read_scanlines(&r.jpeg, &row, 1);
  }
  jpeg_finish_decompress(&r.jpeg);
  return true;
}

struct Close {
  jpeg_decompress_struct& jpeg;
  ~Close() { jpeg_destroy_decompress(&jpeg); }
};

// Adobe's files hold the complement of the inks.
void cmyk_to_rgb(Image& from, bool inverted) {
  const uint8_t flip = inverted ? 0 : 255;
  const size_t pixels = from.pixels.size() / 4;
  for (size_t i = 0; i < pixels; ++i) {
    const uint8_t* in = from.pixels.data() + 4 * i;
    const unsigned k = in[3] ^ flip;
    uint8_t rgb[3];
    for (size_t j = 0; j < 3; ++j) rgb[j] = static_cast<uint8_t>(((in[j] ^ flip) * k + 127) / 255);
    std::copy_n(rgb, 3, from.pixels.data() + 3 * i);
  }
  from.channels = 3;
  from.pixels.resize(3 * pixels);
}

}  // namespace

Image decode_jpeg(Encoded bytes) {
  Reader r{};
  r.jpeg.err = jpeg_std_error(&r.errors);
  r.errors.error_exit = on_error;
  r.errors.emit_message = on_message;
  r.progress.progress_monitor = on_progress;
  r.jpeg.client_data = &r;
  const Close close{r.jpeg};
  if (!read_header(r, bytes.data(), bytes.size())) fail("{}", r.message);
  check_image_size(r.jpeg.image_width, r.jpeg.image_height);
  const bool gray = r.jpeg.num_components == 1, inks = r.jpeg.num_components == 4;
  r.jpeg.out_color_space = gray ? JCS_GRAYSCALE : inks ? JCS_CMYK : JCS_RGB;
  Image image = make_image(r.jpeg.image_width, r.jpeg.image_height, gray ? 1 : inks ? 4 : 3);
  if (!read_rows(r, image.pixels.data(), static_cast<size_t>(image.width * image.channels)))
    fail("{}", r.message);
  if (inks) cmyk_to_rgb(image, r.jpeg.saw_Adobe_marker != 0);
  return image;
}

}  // namespace lathe
