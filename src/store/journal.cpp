// Journal: writing of frames, growth of the file, and scan(), which decides what is a commit.
#include "store/journal.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/errors.h"
#include "base/hash.h"

namespace emd {
namespace {

constexpr u32 kFrameMagic = 0x4a444d45;  // "EMDJ"
constexpr u32 kLastOfCommit = 1;
// A frame is written when its payload has reached this: large commits need no large buffer.
constexpr u64 kFrameBytes = u64{256} << 10;
constexpr u64 kMaxPayload = kFrameBytes + kPageSize;
// A busy journal grows to this, so that checkpoints are rare; a larger one is cut back.
constexpr u64 kBusyBytes = u64{4} << 20;
constexpr u64 kKeptBytes = u64{64} << 20;

u64 header_checksum(const FrameHeader& header, u64 salt) {
  return hash64({reinterpret_cast<const u8*>(&header), offsetof(FrameHeader, header_checksum)}, salt);
}

u64 frame_bytes(const FrameHeader& header) {
  return round_up(sizeof(FrameHeader) + header.payload_bytes, kSectorSize);
}

// No writer makes others.
bool possible_range(LogFile file, u64 offset, u64 length) {
  const u64 most = is_sums(file) ? kMostRegionBytes / kPageSize * sizeof(u32) : kMostRegionBytes;
  return static_cast<u64>(file) >= static_cast<u64>(log_file(FileId{1})) && length != 0 &&
         length <= kPageSize && offset < most && length <= most - offset;
}

void write_zeros(platform::File& file, u64 from, u64 to) {
  const std::vector<u8> zeros(std::min<u64>(to - from, u64{1} << 20));
  for (; from < to; from += zeros.size())
    file.write(from, zeros.data(), std::min<u64>(zeros.size(), to - from));
}

}  // namespace

Journal::Journal(std::unique_ptr<platform::File> file) : file_(std::move(file)), capacity_(file_->size()) {}

void Journal::create(platform::File& file) {
  file.allocate(0, kInitialBytes);
  write_zeros(file, 0, kInitialBytes);  // written once, so that later syncs move no metadata
}

void Journal::restart(u64 generation, u64 salt, u64 sequence) {
  generation_ = generation;
  salt_ = salt;
  sequence_ = sequence;
  position_ = 0;
  previous_ = salt;
}

void Journal::begin() {
  payload_.assign(sizeof(FrameHeader), 0);
  writing_position_ = position_;
  writing_previous_ = previous_;
}

void Journal::add(LogFile file, u64 offset, Bytes bytes) {
  while (!bytes.empty()) {
    const Bytes part = bytes.first(std::min<u64>(bytes.size(), kPageSize));
    u8 head[3 * kVarintMax];
    u8* end = put_varint(head, static_cast<u64>(file));
    end = put_varint(end, offset);
    end = put_varint(end, part.size());
    payload_.insert(payload_.end(), head, end);
    payload_.insert(payload_.end(), part.begin(), part.end());
    if (payload_.size() >= kFrameBytes) write_frame(false);
    offset += part.size();
    bytes = bytes.subspan(part.size());
  }
}

void Journal::finish() { write_frame(true); }

void Journal::sync() {
  file_->sync();
  ++sequence_;
  position_ = writing_position_;
  previous_ = writing_previous_;
  payload_.clear();
  payload_.shrink_to_fit();
}

// The last frame may be there whole, though its writing has failed: half of a short one's padding is enough to lose. It
// must not come back when what it says was rolled back.
void Journal::abandon() {
  payload_.clear();
  payload_.shrink_to_fit();
  if (!std::exchange(last_in_doubt_, false)) return;
  const FrameHeader none{};
  file_->write(writing_position_, &none, sizeof none);
  file_->sync();
}

void Journal::write_frame(bool last) {
  FrameHeader header{};
  header.magic = kFrameMagic;
  header.flags = last ? kLastOfCommit : 0;
  header.generation = generation_;
  header.sequence = sequence_ + 1;
  header.previous = writing_previous_;
  header.payload_bytes = static_cast<u32>(payload_.size() - sizeof header);
  header.payload_checksum = hash64(Bytes(payload_).subspan(sizeof header), header.previous);
  header.header_checksum = header_checksum(header, salt_);
  store(payload_.data(), header);
  payload_.resize(round_up(payload_.size(), kSectorSize));
  ensure_capacity(writing_position_ + payload_.size());
  last_in_doubt_ = last;
  file_->write(writing_position_, payload_.data(), payload_.size());
  last_in_doubt_ = false;
  writing_position_ += payload_.size();
  writing_previous_ = header.header_checksum;
  payload_.assign(sizeof header, 0);
}

void Journal::ensure_capacity(u64 end) {
  if (end <= capacity_) return;
  const u64 generous = page_up(end + std::min(end, kKeptBytes));
  u64 wanted = generous;
  try {
    file_->allocate(capacity_, wanted - capacity_);
  } catch (const SystemError&) {
    wanted = page_up(end);
    file_->allocate(capacity_, wanted - capacity_);
  }
  capacity_ = wanted;
}

void Journal::resize_when_empty(bool closing) {
  EMD_CHECK(position_ == 0);
  const u64 kept = closing ? kInitialBytes : kKeptBytes;
  try {
    if (capacity_ > kept) {
      file_->truncate(kept);
      capacity_ = kept;
    } else if (!closing && capacity_ < kBusyBytes) {
      const u64 wanted = std::min(capacity_ * 4, kBusyBytes);
      file_->allocate(capacity_, wanted - capacity_);
      write_zeros(*file_, capacity_, wanted);
      capacity_ = wanted;
    }
  } catch (const SystemError&) {
    // On a full disk the journal stays as small as it is.
  }
}

bool Journal::plausible(const FrameHeader& header) const {
  return header.magic == kFrameMagic && header.generation == generation_ &&
         header.payload_bytes <= kMaxPayload && header.header_checksum == header_checksum(header, salt_);
}

bool Journal::read_frame(u64 offset, u64 previous, FrameHeader& header, std::vector<u8>& payload) {
  if (file_->read(offset, &header, sizeof header) < sizeof header) return false;
  if (!plausible(header) || header.previous != previous) return false;
  payload.resize(header.payload_bytes);
  if (file_->read(offset + sizeof header, payload.data(), payload.size()) < payload.size()) return false;
  return header.payload_checksum == hash64(payload, previous);
}

Journal::Found Journal::scan(u64 generation, u64 salt, u64 sequence, u64 last) {
  restart(generation, salt, sequence);
  Found found;
  found.sequence = sequence;
  FrameHeader header;
  std::vector<u8> payload;
  u64 offset = 0;
  for (u64 previous = salt; found.sequence < last && read_frame(offset, previous, header, payload);
       previous = header.header_checksum) {
    if (header.sequence != found.sequence + 1) break;
    offset += frame_bytes(header);
    if (header.flags & kLastOfCommit) {
      ++found.commits;
      found.sequence = header.sequence;
      found.bytes = offset;
    }
  }
  if (found.sequence == last) return found;
  refuse_later_commit(found.bytes, found.sequence);
  found.leftovers = file_->read(found.bytes, &header, sizeof header) == sizeof header && plausible(header);
  return found;
}

// Frames of the commit that follows the last complete one may be there in part: it was being written. A frame of
// a later commit proves that this one had been durable, so it has been damaged since.
void Journal::refuse_later_commit(u64 from, u64 last_sequence) {
  std::vector<u8> chunk(u64{64} << 10);  // whole sectors: a header never crosses its end
  const u64 end = file_->size();
  for (u64 begin = from;; begin += chunk.size()) {
    // A hole has no frames.
    begin += round_down(file_->data_in(std::min(begin, end), end).begin - std::min(begin, end), kSectorSize);
    const u64 length = file_->read(begin, chunk.data(), chunk.size());
    for (u64 at = 0; at + sizeof(FrameHeader) <= length; at += kSectorSize) {
      const auto header = load<FrameHeader>(chunk.data() + at);
      if (!plausible(header) || header.sequence <= last_sequence + 1) continue;
      throw DamagedError(file_->path() + ": commit " + std::to_string(last_sequence + 1) + " at offset " +
                             std::to_string(from) + " cannot be read, but commit " +
                             std::to_string(header.sequence) + " follows it at offset " +
                             std::to_string(begin + at) +
                             "; the journal is damaged: restore the store from a backup",
                         file_->path());
    }
    if (length < chunk.size()) return;
  }
}

void Journal::cut(const Found& found) {
  const u64 end = std::max(page_up(found.bytes), kInitialBytes);
  if (capacity_ > end) file_->truncate(end);
  if (capacity_ < end) file_->allocate(capacity_, end - capacity_);
  write_zeros(*file_, found.bytes, end);
  capacity_ = end;
  file_->sync();
}

void Journal::write_again(u64 bytes) {
  std::vector<u8> chunk(std::min<u64>(bytes, u64{1} << 20));
  for (u64 offset = 0; offset < bytes; offset += chunk.size()) {
    const u64 n = std::min<u64>(chunk.size(), bytes - offset);
    if (file_->read(offset, chunk.data(), n) < n) {
      throw DamagedError(file_->path() + ": shrank while it was being recovered", file_->path());
    }
    file_->write(offset, chunk.data(), n);
  }
  file_->sync();
}

void Journal::replay(const Found& found, const Visitor& visit) {
  FrameHeader header;
  std::vector<u8> payload;
  u64 previous = salt_;
  for (u64 offset = 0; offset < found.bytes; offset += frame_bytes(header)) {
    if (!read_frame(offset, previous, header, payload)) {
      throw DamagedError(file_->path() + ": a frame at offset " + std::to_string(offset) +
                             " changed while it was being recovered",
                         file_->path());
    }
    previous = header.header_checksum;
    const u8* at = payload.data();
    const u8* const end = at + payload.size();
    while (at != end) {
      u64 file = 0, start = 0, length = 0;
      const bool read = (at = get_varint(at, end, file)) != nullptr &&
                        (at = get_varint(at, end, start)) != nullptr &&
                        (at = get_varint(at, end, length)) != nullptr && length <= static_cast<u64>(end - at);
      if (!read || !possible_range(LogFile{file}, start, length)) {
        throw DamagedError(file_->path() + ": a range in the frame at offset " + std::to_string(offset) +
                               " does not fit its frame, or cannot be one of its file" +
                               "; the journal is damaged: restore the store from a backup",
                           file_->path());
      }
      visit(LogFile{file}, start, Bytes(at, length));
      at += length;
    }
  }
}

}  // namespace emd
