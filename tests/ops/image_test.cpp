// ImageDecoder. One picture of 5 x 3 pixels, red 50 x, green 100 y, blue 255 - 50 x, written by Pillow in
// each format that a library decodes.
#include "ir/ops/image/image.h"

#include <functional>

#include "tests/ops/op_test.h"

namespace lathe::test {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kJpeg =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000201010101010201010102020202020403020202020504"
    "040304060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affdb0043010202"
    "02020202050303050a0706070a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
    "0a0a0a0a0a0a0a0a0a0a0a0a0a0affc00011080003000503011100021101031101ffc400140001000000000000000000"
    "00000000000007ffc4001f1000000309000000000000000000000000000208010506072742435172ffc4001501010100"
    "000000000000000000000000000607ffc400201100010206030100000000000000000000010207000841425161030624"
    "25ffda000c03010002110311003f00579368612332152d05715b84fae84d66ddc2eea1cb57b97754646a0ecb03a4e106"
    "f93f4792da8c1d47ffd9";
constexpr std::string_view kPng =
    "89504e470d0a1a0a0000000d4948445200000005000000030802000000d45452af000000184944415478da636460f86f"
    "c4700e8e5818521890013a1f00d6b305d1424eda980000000049454e44ae426082";
constexpr std::string_view kTiff =
    "49492a00340000008000000ff190019a640026d2c0034b2000370019208648399214648699220c8823220ec8853221ac"
    "81bc04000a000001030001000000050000000101030001000000030000000201030003000000b2000000030103000100"
    "000005000000060103000100000002000000110104000100000008000000150103000100000003000000160103000100"
    "00000300000017010400010000002b0000001c010300010000000100000000000000080008000800";
constexpr std::string_view kWebp =
    "5249464640000000574542505650384c340000002f048000007740906d33ac03d51fe30c23231048f2875be9f9ef410e"
    "b079010c02402250b1a490427029ac306a44ffc3438e7d01";
constexpr std::string_view kJp2 =
    "0000000c6a5020200d0a870a00000014667479706a703220000000006a7032200000002d6a7032680000001669686472"
    "00000003000000050003070700000000000f636f6c7201000000000010000000a76a703263ff4fff51002f0000000000"
    "05000000030000000000000000000000050000000300000000000000000003070101070101070101ff52000c00000001"
    "000104040001ff5c00074040484850ff640025000143726561746564206279204f70656e4a5045472076657273696f6e"
    "20322e352e34ff90000a00000000002c0001ff93df80300926e110c86cdf80280680bfc57fcfb41c023aa146351f7e80"
    "8080ffd9";

using Bytes = std::vector<uint8_t>;

Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2)
    out.push_back(static_cast<uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  return out;
}
Bytes from_text(std::string_view text) { return {text.begin(), text.end()}; }

Tensor encoded(const Bytes& b) { return Tensor::of<uint8_t>(DType::U8, {static_cast<int64_t>(b.size())}, b); }
Tensor u8(std::vector<int64_t> dims, const Bytes& v) {
  return Tensor::of<uint8_t>(DType::U8, std::move(dims), v);
}
Op op(const char* layout = "RGB") { return {"ImageDecoder", {{"pixel_format", std::string(layout)}}}; }
Tensor decode(const Bytes& b, const char* layout = "RGB") { return run1(op(layout), {encoded(b)}); }
std::string fault(const Bytes& b) { return error_of(op(), {encoded(b)}); }

Tensor picture() {
  Bytes v;
  for (int y = 0; y < 3; ++y)
    for (int x = 0; x < 5; ++x)
      for (const int c : {50 * x, 100 * y, 255 - 50 * x}) v.push_back(static_cast<uint8_t>(c));
  return u8({3, 5, 3}, v);
}

void put(Bytes& b, size_t at, std::initializer_list<int> v) {
  for (const int x : v) b.at(at++) = static_cast<uint8_t>(x);
}
void append(Bytes& b, uint32_t v, int bytes) {  // little-endian
  for (int i = 0; i < bytes; ++i, v >>= 8) b.push_back(static_cast<uint8_t>(v));
}

Bytes bmp(int32_t width, int32_t height, int bits, uint32_t compression, const std::vector<uint32_t>& after,
          const Bytes& data) {
  Bytes b = from_text("BM");
  append(b, 0, 8);
  append(b, static_cast<uint32_t>(54 + 4 * after.size()), 4);
  append(b, 40, 4);
  append(b, static_cast<uint32_t>(width), 4);
  append(b, static_cast<uint32_t>(height), 4);
  append(b, 1, 2);
  append(b, static_cast<uint32_t>(bits), 2);
  append(b, compression, 4);
  append(b, 0, 12);
  append(b, compression == 3 ? 0 : static_cast<uint32_t>(after.size()), 4);
  append(b, 0, 4);
  for (const uint32_t v : after) append(b, v, 4);
  b.insert(b.end(), data.begin(), data.end());
  return b;
}

TEST(ImageDecoder, EveryLibrary) {
  for (const auto hex : {kPng, kTiff, kWebp, kJp2}) expect_same(decode(from_hex(hex)), picture());
  const Tensor jpeg = decode(from_hex(kJpeg)), want = picture();
  ASSERT_EQ(jpeg.dims, want.dims);
  for (int64_t i = 0; i < want.count(); ++i) EXPECT_NEAR(jpeg.as_i64(i), want.as_i64(i), 4);
}

TEST(ImageDecoder, Layouts) {
  const Bytes red_blue = from_text("P3 2 1 255 255 0 0  10 20 30");
  expect_same(decode(red_blue, "RGB"), u8({1, 2, 3}, {255, 0, 0, 10, 20, 30}));
  expect_same(decode(red_blue, "BGR"), u8({1, 2, 3}, {0, 0, 255, 30, 20, 10}));
  expect_same(decode(red_blue, "Grayscale"), u8({1, 2, 1}, {76, 18}));
  const Bytes gray = from_text("P2 2 1 255 7 200");
  expect_same(decode(gray, "Grayscale"), u8({1, 2, 1}, {7, 200}));
  expect_same(decode(gray, "BGR"), u8({1, 2, 3}, {7, 7, 7, 200, 200, 200}));
  EXPECT_THAT(error_of(op("HSV"), {encoded(gray)}), HasSubstr("pixel_format 'HSV'"));
}

TEST(ImageDecoder, Pnm) {
  const auto gray = [](std::string_view text) { return decode(from_text(text), "Grayscale"); };
  expect_same(gray("P1 # a comment\n3 1\n10 1"), u8({1, 3, 1}, {0, 255, 0}));
  expect_same(gray("P4 9 1\n\xA5\x80"), u8({1, 9, 1}, {0, 255, 0, 255, 255, 0, 255, 0, 0}));
  expect_same(gray("P2 3 1 15 0 15 5"), u8({1, 3, 1}, {0, 255, 85}));
  expect_same(gray(std::string_view("P5 2 1 65535\n\xFF\xFF\x80\x00", 17)), u8({1, 2, 1}, {255, 128}));
  expect_same(decode(from_text("P6 1 1 255\nabc")), u8({1, 1, 3}, {'a', 'b', 'c'}));
  for (const char* bad :
       {"P6 1 1 255\nab", "P6 1 1 0\nabc", "P6 1 1 70000\nabc", "P6 x 1 255\n", "P3 1 1 9 1 2", "P2 1 1 9 10",
        "P1 1 1 2", "P6 0 1 255\n", "P6 99999999999999999999 1 255\n", "P4 64 64\n ", "P5"})
    EXPECT_THAT(fault(from_text(bad)), HasSubstr("cannot decode the PNM image")) << bad;
}

TEST(ImageDecoder, Bmp) {
  // Rows from the bottom, padded to four bytes.
  expect_same(decode(bmp(1, 2, 24, 0, {}, {1, 2, 3, 0, 4, 5, 6, 0})), u8({2, 1, 3}, {6, 5, 4, 3, 2, 1}));
  expect_same(decode(bmp(1, -2, 32, 0, {}, {1, 2, 3, 0, 4, 5, 6, 0})), u8({2, 1, 3}, {3, 2, 1, 6, 5, 4}));
  expect_same(decode(bmp(3, 1, 1, 0, {0x000000, 0xffffff}, {0xA0, 0, 0, 0}), "Grayscale"),
              u8({1, 3, 1}, {255, 0, 255}));
  expect_same(decode(bmp(3, 1, 4, 0, {0x010101, 0x020202}, {0x10, 0x10, 0, 0}), "Grayscale"),
              u8({1, 3, 1}, {2, 1, 2}));
  expect_same(decode(bmp(2, 1, 16, 3, {0xf800, 0x07e0, 0x001f}, {0x00, 0xf8, 0xe0, 0x07})),
              u8({1, 2, 3}, {255, 0, 0, 0, 255, 0}));
  expect_same(decode(bmp(2, 1, 16, 0, {}, {0x00, 0x7c, 0x1f, 0x00})), u8({1, 2, 3}, {255, 0, 0, 0, 0, 255}));
  const std::vector<uint32_t> grays = {0x000000, 0x111111, 0x222222, 0x333333};
  // Two of 1, end of line, a jump by one, literals 2 3 1, end.
  expect_same(decode(bmp(4, 2, 8, 1, grays, {2, 1, 0, 0, 0, 2, 1, 0, 0, 3, 2, 3, 1, 0, 0, 1}), "Grayscale"),
              u8({2, 4, 1}, {0, 0x22, 0x33, 0x11, 0x11, 0x11, 0, 0}));
  expect_same(decode(bmp(5, 1, 4, 2, grays, {5, 0x12, 0, 1}), "Grayscale"),
              u8({1, 5, 1}, {0x11, 0x22, 0x11, 0x22, 0x11}));
  EXPECT_THAT(fault(bmp(4, 1, 8, 1, grays, {5, 1, 0, 1})), HasSubstr("a run leaves the image"));
  EXPECT_THAT(fault(bmp(4, 1, 8, 1, grays, {4, 1})), HasSubstr("the data end too early"));
  EXPECT_THAT(fault(bmp(2, 2, 24, 0, {}, {1, 2, 3})), HasSubstr("the data end too early"));
  EXPECT_THAT(fault(bmp(2, 2, 7, 0, {}, {})), HasSubstr("7 bits a pixel"));
  EXPECT_THAT(fault(bmp(2, 2, 24, 4, {}, {})), HasSubstr("compression 4"));
  EXPECT_THAT(fault(bmp(-2, 2, 24, 0, {}, {})), HasSubstr("the image is empty"));
  EXPECT_THAT(fault(bmp(2, std::numeric_limits<int32_t>::min(), 24, 0, {}, {})), HasSubstr("more than the"));
}

// A header may claim any size: refused before anything of that size is allocated.
TEST(ImageDecoder, BombsAreRefused) {
  Bytes jpeg = from_hex(kJpeg);
  const Bytes frame = {0xFF, 0xC0};
  const auto sof = std::search(jpeg.begin(), jpeg.end(), frame.begin(), frame.end());
  put(jpeg, static_cast<size_t>(sof - jpeg.begin()) + 5, {0xff, 0xdc, 0xff, 0xdc});
  EXPECT_THAT(fault(jpeg), HasSubstr("the image claims 65500 x 65500 pixels"));
  Bytes jp2 = from_hex(kJp2);
  const Bytes siz = {0xFF, 0x51};
  const auto at = std::search(jp2.begin(), jp2.end(), siz.begin(), siz.end());
  const auto area = static_cast<size_t>(at - jp2.begin()) + 6;
  put(jp2, area, {0, 1, 0, 0, 0, 1, 0, 0});
  put(jp2, area + 16, {0, 1, 0, 0, 0, 1, 0, 0});  // the tile
  EXPECT_THAT(fault(jp2), HasSubstr("cannot decode the JPEG 2000 image"));
  EXPECT_THAT(fault(bmp(100000, 100000, 24, 0, {}, {})),
              HasSubstr("the image claims 100000 x 100000 pixels"));
  EXPECT_THAT(fault(from_text("P6 99999 99999 255\n")), HasSubstr("the image claims 99999 x 99999 pixels"));
  EXPECT_THAT(fault(from_text("P6 10000 10000 255\n")), HasSubstr("the data end too early"));
}

TEST(ImageDecoder, PngBombsAreRefused) {
  const auto crc = [](const uint8_t* p, size_t n) {
    uint32_t c = 0xffffffff;
    for (size_t i = 0; i < n; ++i) {
      c ^= p[i];
      for (int k = 0; k < 8; ++k) c = (c >> 1) ^ ((c & 1) != 0 ? 0xedb88320 : 0);
    }
    return ~c;
  };
  Bytes png = from_hex(kPng);
  put(png, 16, {0, 1, 0, 0, 0, 1, 0, 0});
  const uint32_t c = crc(png.data() + 12, 17);
  put(png, 29,
      {static_cast<int>(c >> 24), static_cast<int>(c >> 16 & 255), static_cast<int>(c >> 8 & 255),
       static_cast<int>(c & 255)});
  EXPECT_THAT(fault(png), HasSubstr("the image claims 65536 x 65536 pixels"));
}

TEST(ImageDecoder, TiffBombsAreRefused) {
  const auto bytes = from_hex(kTiff);
  Tensor first = decode(bytes);
  Bytes tiff = bytes;
  const size_t ifd = bytes[4] + 256u * bytes[5];
  for (size_t i = 0; i < bytes[ifd]; ++i) {  // ImageWidth and ImageLength as 32-bit numbers
    const size_t entry = ifd + 2 + 12 * i;
    const int tag = bytes[entry] + 256 * bytes[entry + 1];
    if (tag == 256 || tag == 257) put(tiff, entry + 2, {4, 0, 1, 0, 0, 0, 0, 0, 1, 0});
  }
  EXPECT_THAT(fault(tiff), HasSubstr("the image claims 65536 x 65536 pixels"));
}

TEST(ImageDecoder, NoImage) {
  EXPECT_THAT(fault({}), HasSubstr("no image of a known format"));
  EXPECT_THAT(fault(from_text("GIF89a....")), HasSubstr("no image of a known format"));
  EXPECT_THAT(error_of(op(), {u8({1, 3}, {'P', '6', ' '})}), HasSubstr("1-D"));
  EXPECT_THAT(error_of(op(), {i64({1}, {0})}), HasSubstr("uint8"));
  EXPECT_THAT(fault(from_text("P7 1 1")), HasSubstr("node 'n' (ImageDecoder"));
}

// Whole or not at all: a part of a file is one line of error, or (what is cut off did not matter) the same
// image.
TEST(ImageDecoder, TruncatedFiles) {
  for (const auto hex : {kJpeg, kPng, kTiff, kWebp, kJp2}) {
    const Bytes whole = from_hex(hex);
    const Image want = decode_image(whole);
    size_t errors = 0;
    for (size_t n = 0; n < whole.size(); ++n) {
      try {
        EXPECT_EQ(decode_image(Encoded(whole).first(n)).pixels, want.pixels) << n << " of " << whole.size();
      } catch (const Error& e) {
        ++errors;
        EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
      }
    }
    EXPECT_GE(errors, whole.size() - 4) << std::string(hex.substr(0, 16));
  }
}

// Nothing but Error comes out of damaged files (and under the sanitizers, no report).
TEST(ImageDecoder, DamagedFiles) {
  for (const auto hex : {kJpeg, kPng, kTiff, kWebp, kJp2}) {
    const Bytes whole = from_hex(hex);
    for (size_t i = 0; i < whole.size(); ++i) {
      for (const uint8_t flip : {0x01, 0x10, 0xff}) {
        Bytes damaged = whole;
        damaged[i] ^= flip;
        try {
          const Image image = decode_image(damaged);
          EXPECT_EQ(static_cast<int64_t>(image.pixels.size()), image.height * image.width * image.channels);
        } catch (const Error& e) {
          EXPECT_NE(std::string(e.what()), "");
        }
      }
    }
  }
}

}  // namespace
}  // namespace lathe::test
