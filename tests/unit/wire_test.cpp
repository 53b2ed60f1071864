#include "ir/onnx/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "ir/base/error.h"
#include "ir/onnx/carried.h"

namespace lathe::wire {
namespace {

using testing::ElementsAre;

std::vector<Field> fields(const std::string& bytes) {
  std::vector<Field> out;
  Reader r(as_bytes(bytes));
  for (Field f; r.next(f);) out.push_back(f);
  return out;
}

TEST(WireTest, WritesWhatTheEncodingGuideShows) {
  Writer w;
  w.varint(1, 150);
  w.text(2, "testing");
  w.message(3, [&] { w.varint(1, 150); });
  EXPECT_EQ(w.str(), "\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01");
}

TEST(WireTest, ReadsBackNumbersOfAllSizes) {
  for (const int64_t v : {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{-1},
                          std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    Writer w;
    w.i64(536870911, v);
    const std::string bytes = w.str();
    const auto f = fields(bytes);
    ASSERT_EQ(f.size(), 1U);
    EXPECT_EQ(f[0].number, 536870911U);
    EXPECT_EQ(f[0].i64(), v);
    EXPECT_EQ(as_text(f[0].whole), bytes);
  }
}

TEST(WireTest, LargePayloadsAreReferencedAcrossNestedMessages) {
  const std::string big(100000, 'b'), small(10, 's');
  Writer w, copied;
  for (Writer* out : {&w, &copied}) {
    out->varint(1, 1);
    out->message(2, [&] {
      out->text(1, small);
      out->message(2, [&] {
        out == &w ? out->bytes_by_reference(3, as_bytes(big)) : out->bytes(3, as_bytes(big));
        out->text(4, small);
      });
      out == &w ? out->bytes_by_reference(5, as_bytes(big)) : out->bytes(5, as_bytes(big));
    });
    out->text(6, small);
  }
  EXPECT_EQ(w.size(), copied.size());
  EXPECT_EQ(w.str(), copied.str());
  size_t pieces = 0;
  bool in_place = false;
  w.pieces([&](Bytes piece) {
    ++pieces;
    in_place |= piece.data() == as_bytes(big).data();
  });
  EXPECT_EQ(pieces, 5U);
  EXPECT_TRUE(in_place);
}

TEST(WireTest, SkipsUnknownGroups) {
  const auto f = fields("\x9b\x06\x08\x01\xa3\x06\x12\x02hi\xa4\x06\x9c\x06\x10\x05");
  ASSERT_EQ(f.size(), 2U);
  EXPECT_EQ(f[0].number, 99U);
  EXPECT_EQ(f[0].whole.size(), 14U);
  EXPECT_EQ(f[1].u64(), 5U);
}

TEST(WireTest, RefusesMalformedBytes) {
  for (const char* bad :
       {"\x08", "\x08\x80", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\x0d\x01\x02", "\x09\x01",
        "\x0a\x05hi", "\x0e", "\x0c", "\x9b\x06\x08\x01", "\x9b\x06\xa4\x06", "\x80\x80\x80\x80\x80\x01"})
    EXPECT_THROW(fields(bad), Error) << testing::PrintToString(bad);
  EXPECT_THROW((void)fields("\x0a\x01x")[0].u64(), Error);
  EXPECT_THROW((void)fields("\x08\x01")[0].text(), Error);
}

TEST(WireTest, PackedAndUnpackedLists) {
  std::vector<int64_t> ints;
  for (const auto& bytes : {std::string("\x08\x01"), std::string("\x0a\x03\x02\xac\x02")})
    for (const Field& f : fields(bytes)) read_int64s(f, ints);
  EXPECT_THAT(ints, ElementsAre(1, 2, 300));
  std::vector<float> floats;
  EXPECT_THROW(read_floats(fields("\x0a\x03xyz")[0], floats), Error);
}

TEST(FieldMergerTest, CarriedFieldsKeepTheirPlaces) {
  CarriedFields carried;
  const std::string records = std::string("\x12\x00", 2) + "\x28\x07" + "\x20\x09";
  for (const Field& f : fields(records)) carried.add(f);  // an empty field 2, fields 5 and 4
  const std::string text = carried.take();
  Writer empty, named;
  FieldMerger a(empty, text);
  a.text(1, "x");
  a.text(2, "");
  a.text(3, "z");
  a.finish();
  EXPECT_EQ(empty.str(), std::string("\x0a\x01x\x12\x00\x1a\x01z\x20\x09\x28\x07", 12));
  FieldMerger b(named, text);
  b.text(2, "y");
  b.finish();
  EXPECT_EQ(named.str(), "\x12\x01y\x20\x09\x28\x07");
}

}  // namespace
}  // namespace lathe::wire
