// What is spilled reads back, in a file and in memory, from many threads.
#include "ir/core/spill.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "ir/base/mapped_file.h"
#include "ir/base/parallel.h"
#include "passes/core/take.h"
#include "passes/quant/sample.h"
#include "tests/support/temp_dir.h"

namespace lathe {
namespace {

Tensor numbered(int64_t count, int64_t from) {
  Tensor t = Tensor::uninitialized(DType::I64, {count});
  for (int64_t i = 0; i < count; ++i) t.mutable_data<int64_t>()[static_cast<size_t>(i)] = from + i;
  return t;
}

TEST(Spill, GivesBackWhatWasWritten) {
  const test::TempDir dir;
  set_spill_folder(dir.path());
  constexpr int64_t kCount = 1 << 16;  // of 512 kB each: 256 of them are beyond what memory holds
  std::vector<Tensor> kept(256);
  parallel_for(256, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kept[static_cast<size_t>(i)] = spilled(numbered(kCount, i));
  });
  for (int64_t i = 0; i < 256; ++i) {
    const Tensor& t = kept[static_cast<size_t>(i)];
    ASSERT_EQ(t.dims, std::vector<int64_t>{kCount});
    EXPECT_TRUE(same_content(t, numbered(kCount, i))) << i;
    MappedFile::forget(t.bytes());
    EXPECT_TRUE(same_content(t, numbered(kCount, i))) << i;
  }
  const Spill s = spill(100'000);
  std::memset(s.data, 7, 100'000);
  const Tensor t = s.tensor(DType::U8, {1000, 100});
  EXPECT_EQ(t.as_i64(99'999), 7);
  EXPECT_TRUE(std::filesystem::is_empty(dir.path())) << "the files have no names";
  set_spill_folder({});
}

TEST(Spill, NothingElseIsForgotten) {
  const Tensor t = numbered(1 << 20, 3);
  MappedFile::forget(t.bytes());
  EXPECT_TRUE(same_content(t, numbered(1 << 20, 3)));
}

TEST(Sample, TakesTheseElements) {
  Tensor t = Tensor::make(DType::U4, {3, 5});
  for (int64_t i = 0; i < 15; ++i) store_i64(DType::U4, t.mutable_bytes().data(), i, i);
  const Tensor columns = take_along(t, 1, {0, 4});
  EXPECT_EQ(columns.dims, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(columns.to_i64(), (std::vector<int64_t>{0, 4, 5, 9, 10, 14}));
  const Tensor f = Tensor::of<float>(DType::F32, {2, 2, 2}, std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(take_along(f, 0, {1}).to_doubles(), (std::vector<double>{4, 5, 6, 7}));
  EXPECT_EQ(take_along(f, 1, {1}).to_doubles(), (std::vector<double>{2, 3, 6, 7}));
  for (const int axis : {0, 1}) {  // the same in parts, in any order
    std::vector<float> values(30);
    std::iota(values.begin(), values.end(), 2.0f);
    const Tensor matrix = Tensor::of<float>(DType::F32, {6, 5}, values);
    const std::vector<int64_t> at = {0, 3, 4};
    MatrixSample sample(std::make_shared<const Tensor>(matrix), axis, at);
    sample.read(4, 6);
    EXPECT_FALSE(sample.complete());
    sample.read(0, 4);
    EXPECT_TRUE(sample.complete());
    EXPECT_TRUE(same_content(sample.tensor(), take_along(matrix, axis, at))) << axis;
  }
  EXPECT_TRUE(sample_columns(100).empty());
  EXPECT_EQ(sample_columns(49152).front(), 0);
  EXPECT_EQ(sample_columns(49152).back(), 49151);
}

}  // namespace
}  // namespace lathe
