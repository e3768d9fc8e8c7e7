// Journal frames with sound checksums around any bytes, so that a fuzzer gets past them.
#pragma once

#include <vector>

#include "base/hash.h"
#include "store/journal.h"

namespace emd::fuzz {

inline constexpr u32 kFrameMagic = 0x4a444d45;  // "EMDJ"
inline constexpr u32 kLastOfCommit = 1;

inline u64 header_checksum(const FrameHeader& header, u64 salt) {
  return hash64({reinterpret_cast<const u8*>(&header), offsetof(FrameHeader, header_checksum)}, salt);
}

// Appends frames one behind the other.
class FrameWriter {
 public:
  FrameWriter(std::vector<u8>& journal, u64 at, u64 generation, u64 salt, u64 sequence)
      : journal_(journal),
        at_(at),
        generation_(generation),
        salt_(salt),
        sequence_(sequence),
        previous_(salt) {}

  // The header that a sound next frame has; it may be spoiled before it is given to write().
  FrameHeader next(Bytes payload, bool last) const {
    FrameHeader header{};
    header.magic = kFrameMagic;
    header.flags = last ? kLastOfCommit : 0;
    header.generation = generation_;
    header.sequence = sequence_ + 1;
    header.previous = previous_;
    header.payload_bytes = static_cast<u32>(payload.size());
    header.payload_checksum = hash64(payload, previous_);
    return header;
  }
  void write(FrameHeader header, Bytes payload) {
    header.header_checksum = header_checksum(header, salt_);
    const u64 end = at_ + round_up(sizeof header + payload.size(), kSectorSize);
    if (journal_.size() < end) journal_.resize(end);
    store(journal_.data() + at_, header);
    if (!payload.empty()) std::memcpy(journal_.data() + at_ + sizeof header, payload.data(), payload.size());
    at_ = end;
    previous_ = header.header_checksum;
    if (header.flags & kLastOfCommit) ++sequence_;
  }
  // Goes on behind a frame that is there already.
  void follow(const FrameHeader& header, u64 at) {
    at_ = at;
    previous_ = header.header_checksum;
    sequence_ = header.flags & kLastOfCommit ? header.sequence : header.sequence - 1;
  }
  u64 at() const { return at_; }

 private:
  std::vector<u8>& journal_;
  u64 at_, generation_, salt_, sequence_, previous_;
};

}  // namespace emd::fuzz
