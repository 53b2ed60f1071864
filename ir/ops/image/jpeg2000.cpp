// JPEG 2000, codestreams and JP2 files, by OpenJPEG.
#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "ir/base/error.h"
#include "ir/ops/image/image.h"

namespace lathe {
namespace {

struct Source {
  Encoded bytes;
  size_t at = 0;
};

constexpr auto kEnd = static_cast<OPJ_SIZE_T>(-1);

OPJ_SIZE_T on_read(void* to, OPJ_SIZE_T n, void* source) {
  auto& s = *static_cast<Source*>(source);
  const size_t take = std::min(n, s.bytes.size() - s.at);
  if (take == 0) return kEnd;
  std::memcpy(to, s.bytes.data() + s.at, take);
  s.at += take;
  return take;
}

OPJ_OFF_T on_skip(OPJ_OFF_T n, void* source) {
  auto& s = *static_cast<Source*>(source);
  if (n < 0) return -1;
  const size_t take = std::min(static_cast<size_t>(n), s.bytes.size() - s.at);
  s.at += take;
  return take == 0 && n > 0 ? -1 : static_cast<OPJ_OFF_T>(take);
}

OPJ_BOOL on_seek(OPJ_OFF_T to, void* source) {
  auto& s = *static_cast<Source*>(source);
  if (to < 0 || static_cast<size_t>(to) > s.bytes.size()) return OPJ_FALSE;
  s.at = static_cast<size_t>(to);
  return OPJ_TRUE;
}

void on_error(const char* what, void* message) {
  auto& m = *static_cast<std::string*>(message);
  if (!m.empty()) return;
  m = what;
  while (!m.empty() && m.back() == '\n') m.pop_back();
}

// A component sample brought to 8 bits.
class Plane {
 public:
  Plane(const opj_image_comp_t& c, int64_t width, int64_t height)
      : c_(c), dx_(std::max<int64_t>(c.dx, 1)), dy_(std::max<int64_t>(c.dy, 1)) {
    if (c.data == nullptr || c.w == 0 || c.h == 0) fail("a component has no data");
    if (c.prec < 1 || c.prec > 16) fail("{} bits a sample", c.prec);
    if ((width + dx_ - 1) / dx_ > int64_t{c.w} + 1 || (height + dy_ - 1) / dy_ > int64_t{c.h} + 1)
      fail("a component is smaller than the image");
  }

  // Chroma may have fewer samples: the nearest one above and to the left.
  int operator()(int64_t x, int64_t y) const {
    const int64_t sx = std::min<int64_t>(x / dx_, c_.w - 1), sy = std::min<int64_t>(y / dy_, c_.h - 1);
    const int top = (1 << c_.prec) - 1;
    const int v = std::clamp(c_.data[sy * c_.w + sx] + (c_.sgnd != 0 ? 1 << (c_.prec - 1) : 0), 0, top);
    return c_.prec > 8 ? v >> (c_.prec - 8) : c_.prec == 8 ? v : v * 255 / top;
  }

 private:
  const opj_image_comp_t& c_;
  int64_t dx_, dy_;
};

uint8_t to_byte(double v) { return static_cast<uint8_t>(std::clamp(v + 0.5, 0.0, 255.0)); }

Image from_planes(const opj_image_t& in) {
  const int64_t width = int64_t{in.x1} - in.x0, height = int64_t{in.y1} - in.y0;
  const bool gray = in.numcomps < 3, luma = in.color_space == OPJ_CLRSPC_SYCC;
  std::vector<Plane> planes;
  for (uint32_t i = 0; i < (gray ? 1u : 3u); ++i) planes.emplace_back(in.comps[i], width, height);
  Image image = make_image(width, height, gray ? 1 : 3);
  uint8_t* to = image.pixels.data();
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      if (!luma || gray) {
        for (const Plane& p : planes) *to++ = static_cast<uint8_t>(p(x, y));
        continue;
      }
      const double l = planes[0](x, y), cb = planes[1](x, y) - 128, cr = planes[2](x, y) - 128;
      *to++ = to_byte(l + 1.402 * cr);
      *to++ = to_byte(l - 0.344136 * cb - 0.714136 * cr);
      *to++ = to_byte(l + 1.772 * cb);
    }
  }
  return image;
}

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

}  // namespace

Image decode_jpeg2000(Encoded bytes) {
  Source source{bytes};
  std::string message;
  const auto refuse = [&](const char* otherwise) { fail("{}", message.empty() ? otherwise : message); };
  const Owned<opj_codec_t> codec(opj_create_decompress(bytes[0] == 0 ? OPJ_CODEC_JP2 : OPJ_CODEC_J2K),
                                 [](opj_codec_t* c) { opj_destroy_codec(c); });
  const Owned<opj_stream_t> stream(opj_stream_default_create(OPJ_TRUE), opj_stream_destroy);
  if (!codec || !stream) fail("out of memory");
  opj_stream_set_read_function(stream.get(), on_read);
  opj_stream_set_skip_function(stream.get(), on_skip);
  opj_stream_set_seek_function(stream.get(), on_seek);
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), bytes.size());
  opj_set_error_handler(codec.get(), on_error, &message);
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (!opj_setup_decoder(codec.get(), &parameters)) refuse("the decoder does not start");
  opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE);
  opj_image_t* header = nullptr;
  const bool read = opj_read_header(stream.get(), codec.get(), &header) != 0;
  const Owned<opj_image_t> image(header, opj_image_destroy);
  if (!read || !image) refuse("the header is damaged");
  check_image_size(int64_t{image->x1} - image->x0, int64_t{image->y1} - image->y0);
  if (image->numcomps < 1 || image->numcomps > 4) fail("{} components", image->numcomps);
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !opj_end_decompress(codec.get(), stream.get()))
    refuse("the data are damaged");
  return from_planes(*image);
}

}  // namespace lathe
