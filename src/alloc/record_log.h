// RecordLog: keys and values one behind the other in a region, in the order of their insertion.
//
// A record, 8-byte aligned (docs/format.md); the region has no header, position 0 is a record:
//
//   compact, up to 56 bytes:  flags | klen u8 | vlen u8 | key area | value room, padding | footer
//   wide:       flags | words | klen | vlen (u16, u32 or u64 each) | key area | value room, padding | footer
//   tombstone:  flags u8, words u56 | ... dead bytes ... | footer
//
//   flags   bits 0-1 class (0 compact, 1, 2, 3: fields of 2, 4, 8 bytes), bits 2-3 state, bit 4 annex,
//           bits 5-7 the record's length in words of 8 bytes (compact only)
//   footer  the last byte is the length in words if that is 1 to 255, else zero, and the length is the u64 before it:
//           the log is walked backwards as it is forwards, in O(1) a record
//   key area  the key; with an annex: key | annex | u32 length of the annex
//   value room  at least 6 bytes, so that it can hold a reference to the value heap later on
//
// Neighbouring dead records are one tombstone (boundary tags, as in Knuth's TAOCP 2.5), so that walks skip a dead run
// in one step; a dead run at the end is cut off. The end lies within the region: bytes behind it are unspecified.
//
// Threads: as the store's.
#pragma once

#include <cstring>

#include "base/bytes.h"
#include "base/errors.h"
#include "store/region.h"
#include "store/scan.h"
#include "store/store.h"

namespace emd {

// Where the log ends and how much of it is dead. Kept by the log's owner, in another region.
struct RecordLogState {
  u64 end;
  u64 dead;
};

// Positions count in units of this many bytes.
inline constexpr u64 kRecordUnit = 8;

enum class RecordState : u8 { inline_value = 1, reference = 2, tombstone = 3 };

// A decoded record; pointers into the region, valid as long as its window does not move.
struct RecordView {
  u64 offset = 0;
  u64 bytes = 0;  // the whole record
  RecordState state{};
  Bytes key;
  Bytes annex;
  const u8* value = nullptr;  // the value room
  u64 value_size = 0;         // of an inline value
  u64 room = 0;
};

class RecordLog {
 public:
  static constexpr u64 kMinRoom = 6;
  static constexpr u64 kMinBytes = 16;
  // Dead runs are given back to the disk in blocks of this size.
  static constexpr u64 kDeadBlock = u64{1} << 20;

  // How a record will lie in the log.
  struct Shape {
    u32 record_class = 0;
    u64 key_area = 0;
    u64 bytes = 0;
  };
  // What erasing a record will do; planned before anything is changed.
  struct Erasure {
    u64 start = 0, end = 0;             // the dead run that results
    u64 left_end = 0, right_begin = 0;  // the record itself lies between
    bool cut = false;                   // the log will end at start
  };

  RecordLog(Region& log, Region& owner, u64 state_offset)
      : log_(log), owner_(owner), state_offset_(state_offset) {}

  u64 end() const { return load_once<u64>(&state().end); }
  u64 dead_bytes() const { return state().dead; }

  // Decodes and validates the record at `offset`, which may come from anywhere. Errors: DamagedError unless a
  // live record lies there.
  RecordView read(u64 offset) const {
    RecordView view;
    read(offset, view);
    return view;
  }
  void read(u64 offset, RecordView& view) const;
  // Whether the record at `offset` has this key; decodes it into `view` then. Errors: as read().
  bool match(u64 offset, Bytes key, RecordView& view) const;

  // The first live record at or behind a record boundary; false at the end.
  bool forward(u64 boundary, RecordView& record) const;
  // The last live record that ends at or before a record boundary; false at the beginning.
  bool backward(u64 boundary, RecordView& record) const;

  // Errors: SystemError (EFBIG) if the log or a length is beyond what the format can say.
  Shape shape(Bytes key, Bytes annex, u64 value_size) const;
  // Makes append() of this shape unable to fail. Errors: SystemError. Invalidates views.
  void reserve(const Shape& shape);
  // Precondition: reserve(shape) was the last call. Returns the offset.
  u64 append(const Shape& shape, Bytes key, Bytes annex, Bytes value);

  // Precondition of both: `record` is fresh, and the value fits its room. Do not fail.
  void set_inline(const RecordView& record, Bytes value);
  void set_reference(const RecordView& record, u64 reference);
  u64 reference(const RecordView& record) const;

  Erasure plan_erase(const RecordView& record) const;  // Errors: DamagedError
  void erase(const Erasure& erasure);                  // does not fail

  // Calls visit(view) for every live record in order. Errors: none; findings instead, and the walk ends there.
  template <class Visit>
  void check(Findings& findings, Visit&& visit) const;

 private:
  // Bits of a record's first byte.
  static constexpr u8 kClassMask = 3;
  static constexpr unsigned kStateShift = 2;
  static constexpr u8 kAnnexBit = 16;
  static constexpr unsigned kWordsShift = 5;
  static constexpr u64 kCompactHeader = 3;

  struct Boundary {  // any record, dead or alive
    u64 offset = 0, bytes = 0;
    bool dead = false;
  };
  void read_general(u64 offset, RecordView& view) const;
  void split_annex(RecordView& view) const;
  Boundary boundary_at(u64 offset) const;
  Boundary boundary_before(u64 offset) const;
  u64 check_boundary(u64 offset, bool after_dead, bool& dead, Findings& findings) const;
  void check_totals(u64 dead, Findings& findings) const;
  void note_dead(const Erasure& erasure);
  [[noreturn]] void damaged(u64 offset, const char* expected, u64 found) const;
  const RecordLogState& state() const {
    return *reinterpret_cast<const RecordLogState*>(owner_.data() + state_offset_);
  }
  RecordLogState& change_state() { return *owner_.writable_as<RecordLogState>(state_offset_); }

  Region& log_;
  Region& owner_;
  u64 state_offset_;
};

// The common case, a sound compact record, without a call; whatever is else or odd goes the general way.
inline void RecordLog::read(u64 offset, RecordView& view) const {
  const u8* at = log_.at(offset, kMinBytes);
  const u32 head = load_once<u32>(at);
  const u32 flags = head & 0xff;
  const u64 bytes = u64{8} * (flags >> kWordsShift);
  const u64 key_area = head >> 8 & 0xff;
  const u64 value_size = head >> 16 & 0xff;
  const u64 value_at = kCompactHeader + key_area;
  const u64 log_end = end();
  // Compact, a live inline value, no annex; 16-byte records and larger; room and value within it.
  constexpr u8 kPlain = static_cast<u8>(static_cast<unsigned>(RecordState::inline_value) << kStateShift);
  constexpr u8 kPlainMask = kClassMask | 3u << kStateShift | kAnnexBit;
  if (__builtin_expect((flags & kPlainMask) != kPlain || bytes < kMinBytes || offset % 8 != 0 ||
                           bytes > log_.size() - offset || offset >= log_end || bytes > log_end - offset ||
                           value_at + kMinRoom + 1 > bytes || value_at + value_size + 1 > bytes,
                       0)) {
    return read_general(offset, view);
  }
  view.offset = offset;
  view.bytes = bytes;
  view.state = RecordState::inline_value;
  view.key = {at + kCompactHeader, key_area};
  view.annex = {};
  view.value = at + value_at;
  view.value_size = value_size;
  view.room = bytes - value_at - 1;
}

// Keys are short and mostly equal here: two loads that may overlap, rather than a call.
inline bool same_bytes(const u8* a, const u8* b, u64 size) {
  if (size >= 4 && size <= 16) {
    if (size >= 8) return load<u64>(a) == load<u64>(b) && load<u64>(a + size - 8) == load<u64>(b + size - 8);
    return load<u32>(a) == load<u32>(b) && load<u32>(a + size - 4) == load<u32>(b + size - 4);
  }
  return size == 0 || std::memcmp(a, b, size) == 0;
}

inline bool RecordLog::match(u64 offset, Bytes key, RecordView& view) const {
  read(offset, view);
  return view.key.size() == key.size() && same_bytes(view.key.data(), key.data(), key.size());
}

template <class Visit>
void RecordLog::check(Findings& findings, Visit&& visit) const {
  Scan scan;
  u64 dead_bytes = 0;
  bool after_dead = false;
  for (u64 offset = 0; offset < end();) {
    scan.reached(log_, offset);
    findings.step();
    bool dead = false;
    const u64 bytes = check_boundary(offset, after_dead, dead, findings);
    if (bytes == 0) return;
    if (dead) {
      dead_bytes += bytes;
    } else {
      visit(read(offset));
    }
    after_dead = dead;
    offset += bytes;
  }
  check_totals(dead_bytes, findings);
}

}  // namespace emd
