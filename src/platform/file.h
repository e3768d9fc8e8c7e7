// The seam for every effect on the disk. Nothing above this layer makes a system call on files; tests
// replace FileSystem to inject faults and to build crash images (tests/cpp/simulated_disk.h).
//
// Threads: one thread at a time works on a file; different files may be used by different threads.
// Errors: SystemError with the errno and the path, from every call that can fail.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/patience.h"

namespace emd::platform {

class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  virtual const std::string& path() const = 0;
  virtual u64 size() = 0;
  // Gives real blocks to [offset, offset + length), zero where nothing was, and grows the file to hold
  // them: later writes there cannot fail for want of space.
  virtual void allocate(u64 offset, u64 length) = 0;
  virtual void truncate(u64 size) = 0;
  // Reads up to `length` bytes; fewer only at the end of the file.
  virtual u64 read(u64 offset, void* to, u64 length) = 0;
  virtual void write(u64 offset, const void* from, u64 length) = 0;
  // Makes the data, and what metadata they need, durable (fdatasync). What was stored through a
  // shared mapping is covered too.
  virtual void sync() = 0;
  // Gives the blocks back; the bytes read as zero and the size stays.
  virtual void punch(u64 offset, u64 length) = 0;
  // Zeroes the bytes and keeps the blocks; shared mappings stay valid and show zeros.
  virtual void zero(u64 offset, u64 length) = 0;
  // Copies [offset, offset + length) of another file to the same place here; holes stay holes where that is possible.
  virtual void copy_from(File& source, u64 offset, u64 length);
  // Makes this empty file share all blocks of another, as it is now; false where the filesystem cannot.
  virtual bool clone_from(File&) { return false; }
  // Says that a range will be read soon, so that the system reads it ahead; or that it will not be read for long, so that
  // clean pages of it, which nobody has mapped, leave the page cache, and changed ones are written. Hints: do not fail.
  // Other systems: F_RDADVISE on macOS; what has no counterpart may do nothing.
  virtual void will_need(u64, u64) {}
  virtual void let_go(u64, u64) {}
  // Blocks on disk, in bytes.
  virtual u64 allocated() = 0;
  // Bytes that are no hole.
  struct Extent {
    u64 begin, end;
  };
  // The first of them in [offset, end); both `end`: there are none. Where a filesystem does not tell, all are. So what
  // reads a file whole takes as long as what is in it, whatever it says of its size.
  virtual Extent data_in(u64 offset, u64 end) { return {offset, end}; }

  // Maps [offset, offset + length) at `address`, within a reservation (platform/mapping.h).
  enum class Share { private_copy, shared, shared_read_only };
  virtual void map(void* address, u64 offset, u64 length, Share share) = 0;

 protected:
  File() = default;
};

// One page of memory in a file, shared by the processes that have it: what one stores, the others see at once. With
// locks of single bytes, which the kernel releases when a process ends, however it ends. Nothing in it is durable.
class SharedPage {
 public:
  virtual ~SharedPage() = default;
  // kPageSize bytes.
  virtual u8* data() = 0;
  // Tells this page from any other, and from one of another start of the machine; a copy of the file is another. Zero
  // where nobody can say.
  virtual u64 identity() const = 0;
  // Whether this process may store there and lock.
  virtual bool writable() const = 0;
  // False if somebody else, also in this process, has the lock.
  virtual bool try_lock(unsigned byte) = 0;
  virtual void unlock(unsigned byte) = 0;
  virtual bool locked_by_another(unsigned byte) = 0;
};

// A lock on the store, released when destroyed. A forked child drops its copy at once and leaves the
// parent's alone.
class Lock {
 public:
  virtual ~Lock() = default;
  // For a writer: whether the writer before did not let go of its lock in order, but was cut off.
  virtual bool follows_a_crash() const = 0;
  // For a writer: says that it ends in order, with everything durable. Else the next one will know.
  virtual void end_in_order() = 0;
};
enum class LockKind {
  writer,  // alone
  reader,  // with other readers
  // No lock: beside a writer in another process. In one process it is refused beside a writer, as a writer is beside it.
  follower,
};

// One directory of files.
class Directory {
 public:
  virtual ~Directory() = default;
  virtual const std::string& path() const = 0;
  // Opens a file; create: make it, and fail if it exists. writable only says how it is opened.
  enum class Open { read_only, read_write, create };
  virtual std::unique_ptr<File> open(const std::string& name, Open how) = 0;
  virtual bool exists(const std::string& name) = 0;
  // Blocks on disk of whatever has this name, in bytes; 0 if nothing has.
  virtual u64 allocated(const std::string& name) {
    return exists(name) ? open(name, Open::read_only)->allocated() : 0;
  }
  virtual void remove(const std::string& name) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual std::vector<std::string> list() = 0;
  // Makes created, renamed and removed names durable.
  virtual void sync() = 0;
  // Takes a lock through the file `name`; a writer creates it, and names itself there. LockedError
  // naming the holder when patience is over. Holds within one process as well, where it does not wait. Others than writers get
  // null where there is no lock file: nobody has ever written there, or the directory is read-only.
  virtual std::unique_ptr<Lock> lock(const std::string& name, LockKind kind, const Patience& patience) = 0;
  // Whether a writer has the lock now.
  virtual bool writer_present(const std::string& name) = 0;
  // The shared page in the file `name`; created: made if it is missing. Else null if there is none.
  virtual std::unique_ptr<SharedPage> share(const std::string& name, bool create) = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Opens a directory. create: make it if missing (not its parents).
  virtual std::unique_ptr<Directory> open_directory(const std::string& path, bool create) = 0;
  virtual bool exists(const std::string& path) = 0;
  // Whether one thread may sync a file while another uses it and others.
  virtual bool concurrent_syncs() const { return true; }
  // Precondition: it is empty.
  virtual void remove_directory(const std::string& path) = 0;
};

// The real disk.
std::shared_ptr<FileSystem> real_file_system();
// The same without a sync of anything: for what is removed when it is closed, and so need not survive the machine.
std::shared_ptr<FileSystem> temporary_file_system();

// How many bytes may still be written where this directory of the real disk lies; as many as there are numbers if that cannot
// be told.
u64 available_space(const std::string& path) noexcept;

}  // namespace emd::platform
