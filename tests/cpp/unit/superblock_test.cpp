// The superblock's slots: which one counts, and which is none.
#include "store/superblock.h"

#include <gtest/gtest.h>

#include "base/errors.h"
#include "base/hash.h"
#include "support/scratch.h"

namespace emd {
namespace {

const platform::Permissions kNew;

class SuperblockTest : public testing::Test {
 protected:
  SuperblockTest() : directory_(platform::real_file_system()->open_directory(scratch_.path(), &kNew)) {
    file_ = directory_->open(kSuperblockName, platform::Directory::Open::create);
    Superblock::fresh().write_new(*file_);
  }

  // Changes a slot's fields, and makes its checksum right.
  template <class Change>
  void forge(u64 offset, Change&& change) {
    SuperblockSlot slot;
    file_->read(offset, &slot, sizeof slot);
    change(slot);
    slot.checksum = hash64({reinterpret_cast<const u8*>(&slot), offsetof(SuperblockSlot, checksum)}, 0);
    file_->write(offset, &slot, sizeof slot);
  }

  Scratch scratch_;
  std::unique_ptr<platform::Directory> directory_;
  std::unique_ptr<platform::File> file_;
};

// Counting on from 2^64 - 1 would make generation zero, which is none, and commit zero, which every scan takes for old.
TEST_F(SuperblockTest, CountersThatWouldWrapAreNotBelieved) {
  forge(kPageSize, [](SuperblockSlot& slot) { slot.generation = ~u64{0}; });
  EXPECT_EQ(Superblock::read(*file_).generation(), 2u);
  forge(0, [](SuperblockSlot& slot) { slot.sequence = u64{1} << 63; });
  EXPECT_THROW(Superblock::read(*file_), DamagedError);
}

// A file of a stranger may count as far as is believed: a next generation, or commit, would not be.
TEST_F(SuperblockTest, AWriterDoesNotCountBeyondWhatIsBelieved) {
  forge(0, [](SuperblockSlot& slot) { slot.generation = (u64{1} << 63) - 1; });
  Superblock superblock = Superblock::read(*file_);
  EXPECT_THROW(superblock.advance(*file_, 5), DamagedError);
  EXPECT_EQ(Superblock::read(*file_).generation(), (u64{1} << 63) - 1);
  forge(0, [](SuperblockSlot& slot) { slot.generation = 7; });
  superblock = Superblock::read(*file_);
  EXPECT_THROW(superblock.advance(*file_, u64{1} << 63), DamagedError);
  superblock.advance(*file_, (u64{1} << 63) - 1);
  EXPECT_EQ(Superblock::read(*file_).generation(), 8u);
}

TEST_F(SuperblockTest, TheNewerValidSlotCounts) {
  EXPECT_EQ(Superblock::read(*file_).generation(), 2u);
  Superblock superblock = Superblock::read(*file_);
  superblock.advance(*file_, 5);
  EXPECT_EQ(Superblock::read(*file_).generation(), 3u);
  EXPECT_EQ(Superblock::read(*file_).sequence(), 5u);
  file_->write(kPageSize + 100, "x", 1);  // that slot is torn: the other counts
  EXPECT_EQ(Superblock::read(*file_).generation(), 2u);
}

}  // namespace
}  // namespace emd
