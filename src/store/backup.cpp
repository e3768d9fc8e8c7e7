// Backup: passes over the files while commits go on, and one at the end under a snapshot; the journal makes the copy
// whole.
#include "store/backup.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <memory>

#include "base/errors.h"
#include "platform/mapping.h"
#include "store/journal.h"
#include "store/page_sums.h"
#include "store/reader_table.h"
#include "store/store_state.h"
#include "store/superblock.h"
#include "store/tables.h"
#include "store/target_directory.h"

namespace emd {
namespace {

using Open = platform::Directory::Open;

// Copied between two looks at whether it goes on.
constexpr u64 kPiece = u64{16} << 20;
// What is copied while commits wait; more is copied in another pass before.
constexpr u64 kMostAtTheEnd = u64{32} << 20;
constexpr unsigned kMostPasses = 16;
constexpr unsigned kMostUnheldPasses = 3;
constexpr std::chrono::microseconds kPause{200};

// A slot of the reader table, given back at the end.
class Slot {
 public:
  explicit Slot(ReaderTable& table) : table_(table), number_(table.take_slot()) {
    if (number_ < 0) {
      throw SystemError(EAGAIN, "all places for snapshots are taken by other readers; try again later",
                        kReadersName);
    }
  }
  ~Slot() { table_.free_slot(number_); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  int number() const { return number_; }

 private:
  ReaderTable& table_;
  int number_;
};

class Backup {
 public:
  Backup(platform::Directory& source, platform::Directory& target,
         const std::function<void(u64, u64)>& progress, const StoreOptions& options)
      : source_(source),
        target_(target),
        progress_(progress),
        options_(options),
        table_(ReaderTable::open_for_reading(source)) {}

  void run() {
    if (table_ == nullptr) {
      // No writer has been here since there are reader tables: a lock keeps one away for as long.
      const auto lock = source_.lock(kLockName, platform::LockKind::reader, patience());
      copy_at_rest();
    } else if (!table_->writable()) {
      copy_unheld();
    } else {
      const Slot files(*table_);
      held_ = hold(files, ReaderTable::Hold::backup);
      try {
        copy_beside_a_writer(files);
      } catch (const Error&) {
        require_held(files);  // what it met may come from a journal that was restarted, files that are gone
        throw;
      }
    }
    for (const auto& [name, copy] : copies_) copy.file->sync();
    // The name that makes it a store comes last.
    const auto superblock = target_.open(kSuperblockName, Open::create);
    superblock->write(0, superblock_.data(), superblock_.size());
    superblock->sync();
    target_.sync();
  }
  u64 copied() const { return done_; }

 private:
  struct Copy {
    std::unique_ptr<platform::File> file;
    u64 bytes = 0;  // of the source, from its beginning, that were copied
  };

  Patience patience() const { return {options_.read_timeout_seconds, options_.pause}; }
  bool writer_present() const { return source_.writer_present(kReadersName); }

  // Waits for a moment between commits. Returns the sequence that is held.
  u64 hold(const Slot& slot, ReaderTable::Hold what) {
    for (const Patience patience = this->patience();;) {
      const u64 sequence = table_->sequence();
      const bool at_rest = table_->settled(sequence) || !writer_present();
      if (at_rest && table_->hold(slot.number(), what, sequence, !writer_present())) return sequence;
      if (patience.over()) refuse_busy();
      patience.pause(kPause);
    }
  }

  void require_held(const Slot& files) const {
    if (table_->holds(files.number(), held_)) return;
    throw SnapshotError(
        source_.path() +
        ": the writer gave up waiting for the backup, since its journal had grown too far, or was "
        "replaced by another; try again when it has less to do");
  }

  void copy_at_rest() {
    copy_files();
    copy_journal(~u64{0});
  }

  // The files hold one state as long as the sequence is the same; a checkpoint only takes away what no longer counts.
  void copy_unheld() {
    for (unsigned pass = 0; pass < kMostUnheldPasses; ++pass) {
      const u64 sequence = wait_for_rest();
      const bool settled = table_->settled(sequence);
      const u64 commit = settled ? table_->commit() : ~u64{0};
      const auto still = [&] {
        ReaderTable::fence();
        return table_->sequence() == sequence && (settled || !writer_present());
      };
      copies_.clear();
      done_ = 0;
      try {
        copy_files();
        if (!still()) continue;
        copy_journal(commit);
        if (still()) return;
      } catch (const Error&) {
        if (still()) throw;
      }
    }
    throw SnapshotError(
        source_.path() +
        ": a writer has committed each time while the files were copied, and who may not write the file "
        "'readers' cannot make it wait; let one make the backup who may, or try again when it has less to "
        "do");
  }

  u64 wait_for_rest() {
    for (const Patience patience = this->patience();;) {
      const u64 sequence = table_->sequence();
      if (table_->settled(sequence) || !writer_present()) return sequence;
      if (patience.over()) refuse_busy();
      patience.pause(kPause);
    }
  }

  [[noreturn]] void refuse_busy() const {
    throw LockedError(source_.path() +
                          ": a writer has been committing without a pause for longer than read_timeout, " +
                          std::to_string(options_.read_timeout_seconds) + " seconds",
                      source_.path());
  }

  void copy_beside_a_writer(const Slot& files) {
    for (unsigned pass = 0;; ++pass) {
      copy_files();
      require_held(files);
      const Slot state(*table_);
      const u64 sequence = hold(state, ReaderTable::Hold::snapshot);
      if (pass < kMostPasses && missing() > kMostAtTheEnd) continue;
      // Where a writer was cut off in the middle of a commit, the journal's last one counts.
      const u64 commit = table_->settled(sequence) ? table_->commit() : ~u64{0};
      copy_files();
      copy_journal(commit);
      const bool whole = table_->holds(state.number(), sequence);
      require_held(files);
      if (whole) return;
      if (pass >= kMostPasses) {
        throw SnapshotError(
            source_.path() +
            ": the writer did not wait long enough for the end of the backup; give it a longer "
            "snapshot_timeout, or try again when it has less to do");
      }
    }
  }

  // Every region file and its checksums, as far as the region table in the file says now. What was copied in an
  // earlier pass and has changed since is in the journal.
  void copy_files() {
    const std::vector<RegionEntry> entries = region_entries();
    total_ = done_;
    for (const RegionEntry& entry : entries)
      total_ += missing_of(region_file_name(FileId{entry.file}), entry.size);
    for (const RegionEntry& entry : entries) {
      const FileId id{entry.file};
      require_whole(id, entry.size);
      copy_up_to(region_file_name(id), page_up(entry.size));
      copy_up_to(sums_file_name(id), PageSums::bytes_for(entry.size));
    }
  }

  // Bytes that count are in the file before a table says that they do.
  void require_whole(FileId id, u64 size) {
    const auto file = source_.open(region_file_name(id), Open::read_only);
    const u64 present = file->size();
    if (present >= size) return;
    throw DamagedError(file->path() + ": the file is truncated: expected at least " + std::to_string(size) +
                           " bytes, found " + std::to_string(present) +
                           "; keep the backups that there are, and restore the store from one",
                       file->path());
  }

  u64 missing_of(const std::string& name, u64 size) const {
    const auto known = copies_.find(name);
    const u64 copied = known == copies_.end() ? 0 : known->second.bytes;
    return page_up(size) - std::min(copied, page_up(size));
  }
  u64 missing() {
    u64 bytes = 0;
    for (const RegionEntry& entry : region_entries())
      bytes += missing_of(region_file_name(FileId{entry.file}), entry.size);
    return bytes;
  }

  // Of the region table in its file: torn only while a commit is being written. Then it is read again, and what was met
  // meanwhile does not count: the journal, too, is only at rest when no writer is there.
  std::vector<RegionEntry> region_entries() {
    if (table_ == nullptr) return read_region_table(true);
    for (const Patience patience = this->patience();;) {
      const u64 sequence = table_->sequence();
      const bool recovery_due = !table_->settled(sequence);
      const auto still = [&] {
        ReaderTable::fence();
        return table_->sequence() == sequence && (!recovery_due || !writer_present());
      };
      if (still()) {
        try {
          std::vector<RegionEntry> entries = read_region_table(recovery_due);
          if (still()) return entries;
        } catch (const Error&) {
          if (still()) throw;
        }
      }
      if (patience.over()) refuse_busy();
      patience.pause(kPause);
    }
  }

  // Where recovery is due, the journal's ranges of the table count as well.
  std::vector<RegionEntry> read_region_table(bool recovery_due) {
    const auto file = source_.open(region_file_name(kRegionTableFile), Open::read_only);
    const auto read = [&](u64 size) {
      require_table_backed(*file, size);
      std::vector<u8> bytes(size);
      file->read(0, bytes.data(), size);
      if (recovery_due) lay_journal_over(bytes);
      return bytes;
    };
    const std::vector<u8> head = read(sizeof(RegionTableHeader) + sizeof(RegionEntry));
    const std::vector<u8> bytes = read(
        std::max<u64>(head.size(), load<RegionEntry>(head.data() + region_entry_offset(kRegionTable)).size));
    std::vector<RegionEntry> entries;
    for (u64 at = sizeof(RegionTableHeader); at + sizeof(RegionEntry) <= bytes.size();
         at += sizeof(RegionEntry)) {
      const auto entry = load<RegionEntry>(bytes.data() + at);
      if (entry.state == 1) entries.push_back(entry);
    }
    return entries;
  }

  void lay_journal_over(std::vector<u8>& table) {
    const auto superblock_file = source_.open(kSuperblockName, Open::read_only);
    const Superblock superblock = Superblock::read(*superblock_file);
    Journal journal(source_.open(kJournalName, Open::read_only));
    const Journal::Found found =
        journal.scan(superblock.generation(), superblock.salt(), superblock.sequence());
    journal.replay(found, [&](LogFile file, u64 offset, Bytes bytes) {
      if (file != log_file(kRegionTableFile) || offset >= table.size()) return;
      std::memcpy(table.data() + offset, bytes.data(), std::min<u64>(bytes.size(), table.size() - offset));
    });
  }

  // Up to the end of this commit; and the superblock, which says which journal counts, while both are held.
  void copy_journal(u64 commit) {
    copies_.erase(kJournalName);
    copy_whole(kJournalName);
    const auto superblock_file = source_.open(kSuperblockName, Open::read_only);
    const Superblock superblock = Superblock::read(*superblock_file);
    superblock_.resize(kSuperblockBytes);
    superblock_.resize(superblock_file->read(0, superblock_.data(), superblock_.size()));
    Journal journal(target_.open(kJournalName, Open::read_write));
    const Journal::Found found =
        journal.scan(superblock.generation(), superblock.salt(), superblock.sequence(), commit);
    if (commit != ~u64{0} && found.sequence != commit) {
      throw DamagedError(source_.path() + ": expected the journal to end with commit " +
                             std::to_string(commit) + ", found commit " + std::to_string(found.sequence) +
                             "; run verify()",
                         source_.path());
    }
    make_replaced_files(journal, found);
    journal.cut(found);
  }

  // The journal also names files that were replaced or dropped since it began. Recovery needs them to be there, and
  // then removes them.
  void make_replaced_files(Journal& journal, const Journal::Found& found) {
    std::map<std::string, u64> needed;
    journal.replay(found, [&](LogFile file, u64 offset, Bytes bytes) {
      const std::string name = file_name(file);
      needed[name] = std::max(needed[name], offset + bytes.size());
    });
    for (const auto& [name, size] : needed) {
      if (!target_.exists(name)) target_.open(name, Open::create);
      const auto file = target_.open(name, Open::read_write);
      if (file->size() < size) file->truncate(size);
    }
  }

  void copy_whole(const std::string& name) { copy_up_to(name, source_.open(name, Open::read_only)->size()); }

  void copy_up_to(const std::string& name, u64 end) {
    const auto from = source_.open(name, Open::read_only);
    const u64 present = from->size();
    auto known = copies_.find(name);
    if (known == copies_.end()) {
      if (target_.exists(name)) target_.remove(name);
      Copy copy{target_.open(name, Open::create)};
      if (copy.file->clone_from(*from)) {
        copy.bytes = std::min(end, present);
        done_ += copy.bytes;
      }
      known = copies_.emplace(name, std::move(copy)).first;
    }
    Copy& copy = known->second;
    // Beyond the source's end there is nothing yet; recovery gives checksums room.
    end = std::min(end, present);
    const bool large = end > 2 * memory_budget();
    while (copy.bytes < end) {
      // What is a hole, however large, is one in the copy.
      if (const u64 hole = from->data_in(copy.bytes, end).begin - copy.bytes; hole > kPiece) {
        if (copy.file->size() < copy.bytes + hole) copy.file->truncate(copy.bytes + hole);
        copy.bytes += hole;
        done_ += hole;
        continue;
      }
      const u64 length = std::min(kPiece, end - copy.bytes);
      from->will_need(copy.bytes + length, std::min(kPiece, end - copy.bytes - length));
      copy.file->copy_from(*from, copy.bytes, length);
      if (large) let_go(*from, *copy.file, copy.bytes);
      copy.bytes += length;
      done_ += length;
      if (progress_) progress_(done_, std::max(done_, total_));
    }
  }

  // What was copied makes room in the page cache. Of the copy, what was written a piece before: it takes a while to be
  // clean.
  static void let_go(platform::File& from, platform::File& to, u64 offset) {
    from.let_go(offset, kPiece);
    const u64 begin = offset - std::min(offset, kPiece);
    to.let_go(begin, offset + kPiece - begin);
  }

  static constexpr u64 kSuperblockBytes = 2 * kPageSize;

  platform::Directory& source_;
  platform::Directory& target_;
  const std::function<void(u64, u64)>& progress_;
  const StoreOptions& options_;
  std::unique_ptr<ReaderTable> table_;
  u64 held_ = 0;
  std::map<std::string, Copy> copies_;
  std::vector<u8> superblock_;
  u64 done_ = 0, total_ = 0;
};

}  // namespace

namespace {

std::shared_ptr<platform::FileSystem> files_of(const StoreOptions& options) {
  return options.file_system == nullptr ? platform::real_file_system() : options.file_system;
}

}  // namespace

u64 backup(platform::Directory& source, const std::string& target, const StoreOptions& options,
           const std::function<void(u64, u64)>& progress) {
  TargetDirectory copy(*files_of(options), target, "backup", source);
  Backup work(source, *copy.get(), progress, options);
  work.run();
  // Recovery, and proof that the copy opens.
  StoreOptions own = options;
  own.mode = Mode::read_write;
  own.directory = copy.get();
  Store::open(target, own)->close();
  copy.keep();
  return work.copied();
}

u64 backup(const std::string& path, const std::string& target, const StoreOptions& options,
           const std::function<void(u64, u64)>& progress) {
  return backup(*files_of(options)->open_directory(path, nullptr), target, options, progress);
}

}  // namespace emd
