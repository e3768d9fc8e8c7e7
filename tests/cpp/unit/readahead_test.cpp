// Readahead on a real file whose pages are dropped from the page cache.
#include "store/readahead.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "platform/mapping.h"
#include "support/scratch.h"

namespace emd {
namespace {

constexpr u64 kPages = 1024;

class MappedFile {
 public:
  explicit MappedFile(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    const std::vector<u8> bytes(kPages * kPageSize, 1);
    EXPECT_EQ(::pwrite(descriptor_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    EXPECT_EQ(::fsync(descriptor_), 0);
    void* const mapped = ::mmap(nullptr, bytes.size(), PROT_READ, MAP_SHARED, descriptor_, 0);
    EXPECT_NE(mapped, MAP_FAILED);
    bytes_ = static_cast<const u8*>(mapped);
    ::madvise(mapped, bytes.size(), MADV_RANDOM);
  }
  ~MappedFile() {
    ::munmap(const_cast<u8*>(bytes_), kPages * kPageSize);
    ::close(descriptor_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // False where the file system keeps its files in memory.
  bool drop_pages() {
    ::madvise(const_cast<u8*>(bytes_), kPages * kPageSize, MADV_DONTNEED);
    ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED);
    return resident() == 0;
  }
  u64 resident() const {
    std::vector<u8> pages(kPages);
    EXPECT_TRUE(platform::resident(bytes_, kPages * kPageSize, pages.data()));
    return static_cast<u64>(std::count_if(pages.begin(), pages.end(), [](u8 page) { return page & 1; }));
  }
  const u8* page(u64 number) const { return bytes_ + number * kPageSize; }

 private:
  const int descriptor_;
  const u8* bytes_ = nullptr;
};

void ask_for_all(Readahead& readahead, const MappedFile& file) {
  for (u64 page = 0; page < kPages; ++page) readahead.ask(file.page(page) + 100, 8);
}

TEST(Readahead, AsksWherePagesAreMissingAndRestsWhereTheyAreNot) {
  const Scratch scratch("/var/tmp");
  MappedFile file(scratch.path("file"));
  if (!file.drop_pages()) GTEST_SKIP() << "this file system keeps its files in memory";
  Readahead readahead;
  EXPECT_FALSE(readahead.begin_batch());
  EXPECT_FALSE(readahead.begin_batch());  // nothing was missing
  u64 sum = 0;
  for (u64 page = 0; page < 64; ++page) sum += *file.page(page * 16 + 1);
  EXPECT_EQ(sum, 64u);
  ASSERT_TRUE(readahead.begin_batch());
  ask_for_all(readahead, file);
  while (file.resident() < kPages) std::this_thread::yield();  // all come, without a fault
  EXPECT_TRUE(readahead.begin_batch());                        // some of them were missing
  ask_for_all(readahead, file);
  EXPECT_FALSE(readahead.begin_batch());
}

}  // namespace
}  // namespace emd
