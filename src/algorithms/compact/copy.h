// What compaction copies of each kind of member: its content, in order and without dead space, into an empty one.
//
// What is read is read by consistent reads, since the source may be beside a writer; none keeps pointers into it.
#pragma once

#include <utility>
#include <vector>

#include "algorithms/compact/compact.h"
#include "structures/kinds.h"

namespace emd {

// Entries done so far, over all members that are copied.
struct CopyCount {
  static constexpr u64 kReportEvery = 4096;

  const Progress& progress;
  u64 total = 0;
  u64 done = 0;

  void add(u64 entries) {
    const u64 before = done;
    done += entries;
    if (progress && (before / kReportEvery != done / kReportEvery || done == total)) progress(done, total);
  }
};

// From one member, mapped and not empty, into another of its kind, mapped and empty, of the same store or another.
struct Copying {
  Store& from_store;
  Member& from;
  Store& to_store;
  Member& to;
  CopyCount& count;
};

// How much there is to copy, as `count` is told of it: entries, vertices, pages of flags.
inline u64 entries_to_copy(const Dict& dict) { return dict.size(); }
inline u64 entries_to_copy(const List& list) { return list.size(); }
inline u64 entries_to_copy(const Array& array) { return array.size(); }
inline u64 entries_to_copy(const TypedDict& dict) { return dict.size(); }
inline u64 entries_to_copy(const Graph& graph) { return graph.vertex_count(); }
inline u64 entries_to_copy(const Shadow& shadow) { return shadow.stats().tree.chunks; }

// Cost: an insertion an entry; of a graph, also the bytes of its edges, and 4 bytes of memory a vertex ever added.
// Errors: DamagedError of the source; SystemError; those of Store::read_consistent; what the count's progress throws.
// The target then holds a part.
void copy_content(Of<Dict>, const Copying& copying);
void copy_content(Of<List>, const Copying& copying);
void copy_content(Of<Deque>, const Copying& copying);
void copy_content(Of<Array>, const Copying& copying);
void copy_content(Of<TypedDict>, const Copying& copying);
void copy_content(Of<Graph>, const Copying& copying);
void copy_content(Of<Shadow>, const Copying& copying);

// Entries taken out of the source in one read: a reader beside a writer may not keep pointers into it.
class CopyBatch {
 public:
  static constexpr u64 kEntries = 512;
  static constexpr u64 kBytes = u64{1} << 20;

  bool full() const { return words.size() + records.size() >= kEntries || bytes_.size() >= kBytes; }
  bool empty() const { return words.empty() && records.empty(); }
  struct Part {
    u64 begin = 0, size = 0;
  };
  Part keep(Bytes bytes) {
    const Part part{bytes_.size(), bytes.size()};
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return part;
  }
  Bytes at(const Part& part) const { return Bytes(bytes_).subspan(part.begin, part.size); }

  struct Record {
    RecordPos position;
    Part key, annex, value;
  };
  std::vector<Record> records;               // of a dict
  std::vector<std::pair<Word, Part>> words;  // of a list or deque, with the bytes of those that refer to some

 private:
  std::vector<u8> bytes_;
};

}  // namespace emd
