// The seam for every effect on the disk. Nothing above this layer makes a system call on files; tests
// replace FileSystem to inject faults and to build crash images (tests/cpp/crash/simulated_disk.h).
//
// Threads: one thread at a time works on a file; different files may be used by different threads.
// Errors: SystemError with the errno and the path, from every call that can fail.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/patience.h"

namespace emd::platform {

// Who may use the files that are made in a directory.
struct Permissions {
  static constexpr u32 kOwn = ~u32{0};
  u32 mode = 0666;     // of files; of their directory: who may read may enter too
  bool masked = true;  // the process's umask takes some away
  u32 owner = kOwn;    // numbers of whom they are given to; kOwn: nobody, they stay the process's
  u32 group = kOwn;    // where they cannot be given to it, the group gets no more than all others

  u32 mode_of_directory() const { return mode | (mode & 0444) >> 2; }
};

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
  // Says that a range will be read soon, so that the system reads it ahead; or that it will not be read for long, so
  // that clean pages of it, which nobody has mapped, leave the page cache, and changed ones are written. Hints: do not
  // fail. Other systems: F_RDADVISE on macOS; what has no counterpart may do nothing.
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
// numbered locks, which the kernel releases when a process ends, however it ends. These lie on the lock file: who may
// only read the page cannot hold one. Nothing in it is durable.
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
  virtual bool try_lock(unsigned number) = 0;
  virtual void unlock(unsigned number) = 0;
  virtual bool locked_by_another(unsigned number) = 0;
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
  // No lock: beside a writer in another process. In one process it is refused beside a writer, as a writer is beside
  // it.
  follower,
};

// One directory of files.
class Directory {
 public:
  virtual ~Directory() = default;
  // As it was opened: for messages. The files are those of the directory that is open, whatever has that name now.
  virtual const std::string& path() const = 0;
  // Tells it from any other directory, as long as it is open: its device's number and its own.
  virtual std::pair<u64, u64> identity() = 0;
  // An absolute path that leads to it now. Errors: SystemError if there is none, since it was removed.
  virtual std::string current_path() = 0;
  // Of a file in it, with owner and group; and of itself.
  virtual Permissions permissions(const std::string& name) = 0;
  virtual Permissions permissions() = 0;
  // For files that are made from now on, those for locks and pages too.
  virtual void make_files_with(const Permissions& permissions) = 0;
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
  // naming the holder when patience is over. Holds within one process as well, where it does not wait. A reader gets
  // null where there is no lock file: nobody has ever written there, or the directory is read-only.
  virtual std::unique_ptr<Lock> lock(const std::string& name, LockKind kind, const Patience& patience) = 0;
  // The shared page in the file `name`, its locks on the file `locks`. For a writer, with the lock on that: made if it
  // is missing, and shows that a writer is there as long as it is open. Else null if there is none.
  virtual std::unique_ptr<SharedPage> share(const std::string& name, const std::string& locks,
                                            const Lock* writer) = 0;
  // Whether a writer has the shared page `name` open now.
  virtual bool writer_present(const std::string& name) = 0;
};

// A directory that is there whole or not at all: made beside its place, and moved there at the end.
class NewDirectory {
 public:
  virtual ~NewDirectory() = default;
  virtual std::shared_ptr<Directory> directory() = 0;
  // Durably. Precondition: what is in it is durable. Errors: SystemError; EEXIST if something has come to its place
  // meanwhile.
  virtual void move_to_its_place() = 0;
  // Removes it, with all that is in it, unless it has been moved.
  virtual void discard() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Opens a directory; with permissions for a new one: makes it if it is missing (not its parents).
  virtual std::unique_ptr<Directory> open_directory(const std::string& path, const Permissions* create) = 0;
  // Makes a directory whose place will be `path`, which does not exist or is an empty directory. Until it is moved
  // there it is called ".NAME.DOING-NUMBER", in the same parent, and only the process's user may enter it. Then it has
  // the permissions of the empty directory, or `mode` as far as those of its files go. Errors: SystemError; EEXIST if
  // something is there.
  virtual std::unique_ptr<NewDirectory> make_directory(const std::string& path, const std::string& doing,
                                                       const Permissions& files, u32 mode) = 0;
  // Whether one thread may sync a file while another uses it and others.
  virtual bool concurrent_syncs() const { return true; }
};

// The real disk.
std::shared_ptr<FileSystem> real_file_system();
// The same without a sync of anything: for what is removed when it is closed, and so need not survive the machine.
std::shared_ptr<FileSystem> temporary_file_system();

// How many bytes may still be written where this directory of the real disk lies; as many as there are numbers if that
// cannot be told.
u64 available_space(const std::string& path) noexcept;

}  // namespace emd::platform
