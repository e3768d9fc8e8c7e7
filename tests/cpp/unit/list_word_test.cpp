// Words: what fits, and that what fits comes back.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "structures/list/word.h"

namespace emd {
namespace {

constexpr i64 kMost = (i64{1} << 47) - 1;
constexpr i64 kLeast = -(i64{1} << 47);

static_assert(Word::fits_integer(kMost) && !Word::fits_integer(kMost + 1));
static_assert(Word::fits_integer(kLeast) && !Word::fits_integer(kLeast - 1));
static_assert(Word::integer(kLeast).as_integer() == kLeast && Word::integer(-1).as_integer() == -1);
static_assert(Word{}.tag() == Word::Tag::real && Word{}.as_real() == 0.0);

TEST(Word, IntegersComeBack) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; ++i) {
    const i64 value = static_cast<i64>(random()) >> (16 + random() % 48);
    ASSERT_TRUE(Word::fits_integer(value));
    const Word word = Word::integer(value);
    ASSERT_EQ(word.tag(), Word::Tag::integer);
    ASSERT_EQ(word.as_integer(), value);
    ASSERT_TRUE(word.valid());
  }
  EXPECT_FALSE(Word::fits_integer(std::numeric_limits<i64>::max()));
  EXPECT_FALSE(Word::fits_integer(std::numeric_limits<i64>::min()));
}

TEST(Word, EveryFloatThatFitsComesBackBitForBit) {
  std::mt19937_64 random(2);
  const double special[] = {0.0, -0.0, INFINITY, -INFINITY, std::nan(""), 5e-324, 1.7976931348623157e308};
  for (const double value : special) EXPECT_TRUE(Word::fits_real(value));
  const auto test = [](u64 bits) {
    const double value = std::bit_cast<double>(bits);
    if (!Word::fits_real(value)) {
      ASSERT_TRUE(std::isnan(value));
      return;
    }
    const Word word = Word::real(value);
    ASSERT_EQ(word.tag(), Word::Tag::real);
    ASSERT_EQ(std::bit_cast<u64>(word.as_real()), bits);
    ASSERT_TRUE(word.valid());
  };
  for (const double value : special) test(std::bit_cast<u64>(value));
  for (int i = 0; i < 100000; ++i) test(random());
  for (int i = 0; i < 100000; ++i) test(random() | u64{0x7ff} << 52);  // infinities and NaNs
}

TEST(Word, OnlyNansThatLookLikeTagsDoNotFit) {
  EXPECT_TRUE(Word::fits_real(std::bit_cast<double>(u64{0x7ff8000000000001})));
  EXPECT_TRUE(Word::fits_real(std::bit_cast<double>(u64{0xfff8000000000000})));  // 0.0 / 0.0 on x86
  EXPECT_FALSE(Word::fits_real(std::bit_cast<double>(u64{0xfff8000000000001})));
  EXPECT_FALSE(Word::fits_real(std::bit_cast<double>(~u64{0})));
}

TEST(Word, NoneAndBooleans) {
  EXPECT_EQ(Word::none().tag(), Word::Tag::none);
  EXPECT_EQ(Word::boolean(true).tag(), Word::Tag::boolean);
  EXPECT_TRUE(Word::boolean(true).as_boolean());
  EXPECT_FALSE(Word::boolean(false).as_boolean());
  EXPECT_TRUE(Word::none().valid() && Word::boolean(true).valid() && Word::boolean(false).valid());
}

TEST(Word, ShortTextsComeBack) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "abcde", "abcdef", "\xc3\xa9\xe2\x82\xac"}) {
    ASSERT_TRUE(Word::fits_text(as_bytes(text))) << text;
    const Word word = Word::text(as_bytes(text));
    ASSERT_EQ(word.tag(), Word::Tag::text);
    ASSERT_TRUE(word.valid());
    u8 bytes[Word::kMaxText];
    const unsigned count = word.as_text(bytes);
    EXPECT_EQ(std::string(bytes, bytes + count), text);
  }
  EXPECT_FALSE(Word::fits_text(as_bytes("abcdefg")));
  EXPECT_FALSE(Word::fits_text(as_bytes(std::string_view("a\0b", 3))));
}

TEST(Word, ReferencesComeBack) {
  for (const u64 ref : {u64{1}, u64{512}, (u64{1} << 45) - 1}) {
    const Word word = Word::reference(HeapRef{ref});
    EXPECT_EQ(word.tag(), Word::Tag::reference);
    EXPECT_TRUE(word.is_reference());
    EXPECT_EQ(word.as_reference(), HeapRef{ref});
    EXPECT_TRUE(word.valid());
  }
  EXPECT_FALSE(Word::integer(5).is_reference());
}

TEST(Word, BitsThatNoEncoderWritesAreNotValid) {
  for (const u64 bits : {u64{0xfff8000000000001}, u64{0xfffe000000000000}, ~u64{0}}) {
    EXPECT_EQ(Word{bits}.tag(), Word::Tag::unknown);
    EXPECT_FALSE(Word{bits}.valid());
  }
  EXPECT_FALSE(Word{Word::none().bits + 1}.valid());
  EXPECT_FALSE(Word{Word::boolean(true).bits + 1}.valid());
  EXPECT_FALSE(Word::reference(HeapRef{0}).valid());
  EXPECT_FALSE(Word::reference(HeapRef{u64{1} << 45}).valid());
  EXPECT_FALSE(Word{Word::text(as_bytes("a")).bits + 0x10000}.valid());  // a byte behind the first zero
}

TEST(Word, AnyBitsCanBeReadAsAnything) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 100000; ++i) {
    const Word word{random() | u64{0xfff8} << 48};
    u8 bytes[Word::kMaxText];
    ASSERT_LE(word.as_text(bytes), Word::kMaxText);
    ASSERT_TRUE(Word::fits_integer(word.as_integer()));
  }
}

}  // namespace
}  // namespace emd
