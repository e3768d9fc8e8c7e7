// RecordLog: the forms of a record (inline, reference, tombstone), walks in both directions, appending, erasing with
// merged tombstones, and check().
#include "alloc/record_log.h"

#include <cerrno>
#include <cstring>

#include "store/findings.h"

namespace emd {

namespace {

constexpr u64 kCompactMax = 7 * 8;  // three bits of words
constexpr u64 kAnnexTail = 4;
// Positions are 42 bits of words in an index slot.
constexpr u64 kMaxEnd = u64{1} << 45;

constexpr u64 field_width(unsigned record_class) { return u64{1} << record_class; }
constexpr u64 header_size(unsigned record_class) {
  return record_class == 0 ? 3 : 1 + 3 * field_width(record_class);
}
constexpr u64 footer_size(u64 words) { return words <= 255 ? 1 : 9; }

u64 load_field(const u8* from, u64 width) {
  switch (width) {
    case 1:
      return load_once<u8>(from);
    case 2:
      return load_once<u16>(from);
    case 4:
      return load_once<u32>(from);
    default:
      return load_once<u64>(from);
  }
}

void store_field(u8* to, u64 width, u64 value) { std::memcpy(to, &value, width); }

void copy(u8* to, Bytes bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
}

void put_footer(u8* end, u64 words) {
  if (words <= 255) {
    end[-1] = static_cast<u8>(words);
  } else {
    end[-1] = 0;
    store<u64>(end - 9, words);
  }
}

RecordState state_of(u8 flags) { return static_cast<RecordState>(flags >> 2 & 3); }

// The whole blocks of kDeadBlock between the tags of the dead run [start, end).
struct Range {
  u64 begin, end;
  bool empty() const { return begin >= end; }
};
Range dead_blocks(u64 start, u64 end) {
  return {round_up(start + 8, RecordLog::kDeadBlock), round_down(end - 9, RecordLog::kDeadBlock)};
}

}  // namespace

void RecordLog::damaged(u64 offset, const char* expected, u64 found) const {
  throw DamagedError(log_.path() + ": record at " + std::to_string(offset) + ": expected " + expected +
                         ", found " + std::to_string(found),
                     log_.path());
}

// ---- reading

// Any class and state, every check by itself, so that the message says what is wrong.
void RecordLog::read_general(u64 offset, RecordView& view) const {
  const u8* at = log_.at(offset, kMinBytes);
  const u8 flags = load_once<u8>(at);
  const unsigned record_class = flags & kClassMask;
  const u64 width = field_width(record_class);
  const u64 header = header_size(record_class);
  at = log_.at(offset, header);
  const u8* fields = at + 1;
  const u64 words = record_class == 0 ? u64{flags} >> kWordsShift : load_field(fields, width);
  if (record_class != 0) fields += width;
  const u64 key_area = load_field(fields, width);
  view.state = state_of(flags);
  if (view.state != RecordState::inline_value && view.state != RecordState::reference) {
    damaged(offset, "a live record", flags);
  }
  const u64 log_end = end();
  if (offset % 8 != 0) damaged(offset, "a position that is a multiple of 8", offset);
  if (words < kMinBytes / 8 || offset > log_end || words > (log_end - offset) / 8) {
    damaged(offset, "a length within the log", words);
  }
  view.offset = offset;
  view.bytes = words * 8;
  at = log_.at(offset, view.bytes);
  const u64 fixed = header + footer_size(words) + kMinRoom;
  if (view.bytes < fixed || key_area > view.bytes - fixed)
    damaged(offset, "a key within the record", key_area);
  view.room = view.bytes - header - footer_size(words) - key_area;
  view.value = at + header + key_area;
  view.value_size = view.state == RecordState::reference ? 0 : load_field(fields + width, width);
  if (view.value_size > view.room) damaged(offset, "a value within the record", view.value_size);
  view.key = {at + header, key_area};
  view.annex = {};
  if (flags & kAnnexBit) split_annex(view);
}

// key | annex | u32 length of the annex
void RecordLog::split_annex(RecordView& view) const {
  const u64 area = view.key.size();
  if (area < kAnnexTail) damaged(view.offset, "an annex within the key", area);
  const u64 annex = load_once<u32>(view.value - kAnnexTail);
  if (annex > area - kAnnexTail) damaged(view.offset, "an annex within the key", annex);
  view.annex = view.key.subspan(area - kAnnexTail - annex, annex);
  view.key = view.key.first(area - kAnnexTail - annex);
}

RecordLog::Boundary RecordLog::boundary_at(u64 offset) const {
  const u8* at = log_.at(offset, kMinBytes);
  if (state_of(at[0]) != RecordState::tombstone) return {offset, read(offset).bytes, false};
  const u64 words = load_once<u64>(at) >> 8;
  const u64 log_end = end();
  if (words < kMinBytes / 8 || offset > log_end || words > (log_end - offset) / 8) {
    damaged(offset, "a dead run within the log", words);
  }
  log_.at(offset, words * 8);
  return {offset, words * 8, true};
}

RecordLog::Boundary RecordLog::boundary_before(u64 offset) const {
  if (offset < kMinBytes) damaged(offset, "a record before it", offset);
  u64 words = load_once<u8>(log_.at(offset - 1, 1));
  if (words == 0) words = load_once<u64>(log_.at(offset - 9, 8));
  if (words < kMinBytes / 8 || words > offset / 8)
    damaged(offset, "the footer of the record before it", words);
  const Boundary before = boundary_at(offset - words * 8);
  if (before.bytes != words * 8) damaged(before.offset, "a header that agrees with the footer", before.bytes);
  return before;
}

bool RecordLog::forward(u64 boundary, RecordView& record) const {
  while (boundary < end()) {
    const u8* at = log_.at(boundary, kMinBytes);
    if (state_of(at[0]) != RecordState::tombstone) {
      read(boundary, record);
      return true;
    }
    boundary += boundary_at(boundary).bytes;
  }
  return false;
}

bool RecordLog::backward(u64 boundary, RecordView& record) const {
  if (boundary > end()) damaged(boundary, "a position within the log", boundary);
  while (boundary > 0) {
    const Boundary before = boundary_before(boundary);
    if (!before.dead) {
      record = read(before.offset);
      return true;
    }
    boundary = before.offset;
  }
  return false;
}

// ---- writing

RecordLog::Shape RecordLog::shape(Bytes key, Bytes annex, u64 value_size) const {
  Shape shape;
  shape.key_area = key.size() + (annex.empty() ? 0 : annex.size() + kAnnexTail);
  const u64 content = shape.key_area + (value_size < kMinRoom ? kMinRoom : value_size);
  if (annex.size() > ~u32{0} || content > kMaxEnd / 2 || end() > kMaxEnd - content - 64) {
    if (end() > log_.size()) damaged(end(), "an end within the region", end());
    throw SystemError(EFBIG, "the log of records would grow beyond 32 TiB", log_.path());
  }
  shape.bytes = round_up(kCompactHeader + content + 1, 8);
  if (shape.bytes <= kCompactMax) return shape;
  for (shape.record_class = 1; shape.record_class < 3; ++shape.record_class) {
    // The length in bytes bounds every field.
    if (content + 64 < u64{1} << (8 * field_width(shape.record_class))) break;
  }
  const u64 header = header_size(shape.record_class);
  shape.bytes = round_up(header + content + 1, 8);
  if (shape.bytes / 8 > 255) shape.bytes = round_up(header + content + 9, 8);
  return shape;
}

void RecordLog::reserve(const Shape& shape) {
  if (end() > log_.size() || end() % 8 != 0) damaged(end(), "the log's end within its region", log_.size());
  const u64 behind = log_.size() - end();
  if (shape.bytes > behind) log_.reserve(shape.bytes - behind);
}

u64 RecordLog::append(const Shape& shape, Bytes key, Bytes annex, Bytes value) {
  RecordLogState& state = change_state();
  const u64 offset = state.end;
  const u64 behind = log_.size() - offset;
  if (shape.bytes > behind) log_.extend(shape.bytes - behind);
  state.end = offset + shape.bytes;
  u8* at = log_.writable(offset, shape.bytes);
  const u64 words = shape.bytes / 8;
  // Padding and footer; the body overwrites the rest.
  store<u64>(at + shape.bytes - 8, 0);
  store<u64>(at + shape.bytes - 16, 0);
  if (words > 255) store<u64>(at + shape.bytes - 24, 0);
  put_footer(at + shape.bytes, words);
  const u64 width = field_width(shape.record_class);
  const u64 header = header_size(shape.record_class);
  u8 flags =
      static_cast<u8>(shape.record_class | static_cast<unsigned>(RecordState::inline_value) << kStateShift);
  if (!annex.empty()) flags |= kAnnexBit;
  u8* field = at + 1;
  if (shape.record_class == 0) {
    flags |= static_cast<u8>(words << kWordsShift);
  } else {
    store_field(field, width, words);
    field += width;
  }
  at[0] = flags;
  store_field(field, width, shape.key_area);
  store_field(field + width, width, value.size());
  copy(at + header, key);
  if (!annex.empty()) {
    copy(at + header + key.size(), annex);
    store<u32>(at + header + shape.key_area - kAnnexTail, static_cast<u32>(annex.size()));
  }
  copy(at + header + shape.key_area, value);
  return offset;
}

void RecordLog::set_inline(const RecordView& record, Bytes value) {
  u8* at = log_.writable(record.offset, record.bytes);
  u8* room = at + (record.value - (log_.data() + record.offset));
  const unsigned record_class = at[0] & kClassMask;
  const u64 width = field_width(record_class);
  at[0] = static_cast<u8>((at[0] & ~(3u << kStateShift)) | static_cast<unsigned>(RecordState::inline_value)
                                                               << kStateShift);
  store_field(at + header_size(record_class) - width, width, value.size());
  copy(room, value);
}

void RecordLog::set_reference(const RecordView& record, u64 reference) {
  const u64 value_offset = static_cast<u64>(record.value - log_.data());
  std::memcpy(log_.writable(value_offset, kMinRoom), &reference, kMinRoom);
  u8* flags = log_.writable(record.offset, 1);
  *flags = static_cast<u8>((*flags & ~(3u << kStateShift)) | static_cast<unsigned>(RecordState::reference)
                                                                 << kStateShift);
}

u64 RecordLog::reference(const RecordView& record) const {
  u64 reference = 0;
  std::memcpy(&reference, record.value, kMinRoom);
  return reference;
}

// ---- erasing

RecordLog::Erasure RecordLog::plan_erase(const RecordView& record) const {
  Erasure plan;
  plan.start = plan.left_end = record.offset;
  plan.end = plan.right_begin = record.offset + record.bytes;
  if (plan.start > 0) {
    const Boundary left = boundary_before(plan.start);
    if (left.dead) plan.start = left.offset;
  }
  if (plan.end < end()) {
    const Boundary right = boundary_at(plan.end);
    if (right.dead) plan.end += right.bytes;
  }
  // A dead run at the end is cut off, unless its blocks were given away: those must not be written again.
  plan.cut = plan.end == end();
  if (plan.cut && plan.end != plan.right_begin) plan.cut = dead_blocks(plan.right_begin, plan.end).empty();
  if (plan.cut && plan.start != plan.left_end && !dead_blocks(plan.start, plan.left_end).empty()) {
    plan.start = plan.left_end;
  }
  return plan;
}

void RecordLog::erase(const Erasure& plan) {
  RecordLogState& state = change_state();
  const u64 was_dead = (plan.left_end - plan.start) + (plan.end - plan.right_begin);
  if (plan.cut) {
    state.end = plan.start;
    state.dead -= was_dead;
    return;
  }
  state.dead += plan.right_begin - plan.left_end;
  const u64 words = (plan.end - plan.start) / 8;
  store<u64>(log_.writable(plan.start, 8), words << 8 | static_cast<u64>(RecordState::tombstone)
                                                            << kStateShift);
  const u64 footer = footer_size(words);
  put_footer(log_.writable(plan.end - footer, footer) + footer, words);
  note_dead(plan);
}

// Gives away those whole blocks of the run that neither of its old parts could give away.
void RecordLog::note_dead(const Erasure& plan) {
  const Range whole = dead_blocks(plan.start, plan.end);
  if (whole.empty()) return;
  Range news = whole;
  if (plan.start != plan.left_end) {
    const Range left = dead_blocks(plan.start, plan.left_end);
    if (!left.empty()) news.begin = left.end;
  }
  if (plan.end != plan.right_begin) {
    const Range right = dead_blocks(plan.right_begin, plan.end);
    if (!right.empty()) news.end = right.begin;
  }
  if (!news.empty()) log_.note_dead(news.begin, news.end - news.begin);
}

// ---- checking

u64 RecordLog::check_boundary(u64 offset, bool after_dead, bool& dead, Findings& findings) const {
  const std::string where = "records at " + std::to_string(offset);
  if (is_full(findings)) {
    findings.push_back(list_ends("records"));
    return 0;
  }
  try {
    // Header and bounds.
    const Boundary here = boundary_at(offset);
    // The footer says the same length (and does not lead to what looks like a record within this one).
    const Boundary back = boundary_before(offset + here.bytes);
    if (back.offset != offset) damaged(offset, "a footer that leads to its header", back.offset);
    // Neighbouring dead records are one tombstone.
    if (here.dead && after_dead) findings.push_back({where, "expected one tombstone, found two neighbours"});
    dead = here.dead;
    return here.bytes;
  } catch (const DamagedError& error) {
    findings.push_back({where, error.what()});
    return 0;
  }
}

void RecordLog::check_totals(u64 dead, Findings& findings) const {
  if (dead != dead_bytes()) {
    findings.push_back({"records", "expected " + std::to_string(dead) + " dead bytes, found a count of " +
                                       std::to_string(dead_bytes())});
  }
  if (end() > log_.size()) {
    findings.push_back({"records", "expected the log to end within " + std::to_string(log_.size()) +
                                       ", found " + std::to_string(end())});
  }
}

}  // namespace emd
