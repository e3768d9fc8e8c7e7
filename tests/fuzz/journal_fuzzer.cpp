// Journal::scan and replay over any bytes. What they find is compared with a second reading of the same bytes, written
// from docs/format.md; then a commit is added, and must be found behind the others.
#include "frames.h"
#include "input.h"
#include "memory_file.h"
#include "oracle.h"
#include "patches.h"

namespace emd::fuzz {
namespace {

constexpr u64 kMaxPayload = (u64{256} << 10) + kPageSize;

struct Start {
  u64 generation, salt, sequence;
};

struct Range {
  u64 file, offset;
  std::vector<u8> bytes;
  friend bool operator==(const Range&, const Range&) = default;
};

// Frames around payloads from the input; some with a field spoiled, some with bytes overwritten afterwards.
std::vector<u8> make_frames(Input& input, const Start& start) {
  std::vector<u8> journal;
  FrameWriter writer(journal, 0, start.generation, start.salt, start.sequence);
  for (unsigned count = input.byte() % 16; count != 0; --count) {
    const u8 how = input.byte();
    std::vector<u8> payload;
    for (unsigned ranges = how >> 1 & 3; ranges != 0; --ranges) {
      u8 head[3 * kVarintMax];
      u8* end = put_varint(head, input.magnitude());
      end = put_varint(end, input.magnitude());
      const u64 length = input.number<u16>() % 1200;
      end = put_varint(end, length);
      payload.insert(payload.end(), head, end);
      payload.resize(payload.size() + length, input.byte());
    }
    const Bytes raw = input.bytes(how & 8 ? input.byte() : 0);
    payload.insert(payload.end(), raw.begin(), raw.end());
    FrameHeader header = writer.next(payload, how & 1);
    if (how & 0x80) {
      // One of its eight words, as the writer would never make it, under a sound checksum.
      store(reinterpret_cast<u8*>(&header) + input.byte() % 7 * 8, input.magnitude());
    }
    writer.write(header, payload);
  }
  if (input.byte() & 1) apply_patches(input, journal);
  const Bytes tail = input.rest();
  journal.insert(journal.end(), tail.begin(), tail.end());
  return journal;
}

// The journal read by the book. `ranges` gets those of complete commits up to the first payload that is none.
struct Reading {
  Journal::Found found;
  std::vector<Range> ranges;
  bool whole = true;  // every payload is a run of ranges
};

bool header_at(const std::vector<u8>& journal, u64 at, const Start& start, FrameHeader& header) {
  if (at > journal.size() || journal.size() - at < sizeof header) return false;
  header = load<FrameHeader>(journal.data() + at);
  return header.magic == kFrameMagic && header.generation == start.generation &&
         header.payload_bytes <= kMaxPayload && header.header_checksum == header_checksum(header, start.salt);
}

// A region's file has an even number, its checksums' the odd one behind it; a range is at most a page, and lies within
// the largest region.
bool possible(u64 file, u64 offset, u64 length) {
  constexpr u64 kMostRegion = u64{64} << 40;
  const u64 most = file % 2 == 0 ? kMostRegion : kMostRegion / kPageSize * 4;
  return file >= 2 && length >= 1 && length <= kPageSize && offset < most && length <= most - offset;
}

bool parse(Bytes payload, std::vector<Range>& ranges) {
  const u8* at = payload.data();
  const u8* const end = at + payload.size();
  while (at != end) {
    Range range{};
    u64 length = 0;
    at = get_varint(at, end, range.file);
    if (at != nullptr) at = get_varint(at, end, range.offset);
    if (at != nullptr) at = get_varint(at, end, length);
    if (at == nullptr || length > static_cast<u64>(end - at) || !possible(range.file, range.offset, length))
      return false;
    range.bytes.assign(at, at + length);
    ranges.push_back(std::move(range));
    at += length;
  }
  return true;
}

Reading read_by_the_book(const std::vector<u8>& journal, const Start& start) {
  Reading reading;
  reading.found.sequence = start.sequence;
  FrameHeader header;
  std::vector<Range> pending;
  bool pending_whole = true;
  u64 previous = start.salt;
  for (u64 at = 0; header_at(journal, at, start, header) && header.previous == previous;) {
    const u64 begin = at + sizeof header;
    if (header.payload_bytes > journal.size() - begin) break;
    const Bytes payload(journal.data() + begin, header.payload_bytes);
    if (header.payload_checksum != hash64(payload, previous)) break;
    if (header.sequence != reading.found.sequence + 1) break;
    if (pending_whole) pending_whole = parse(payload, pending);
    at += round_up(sizeof header + header.payload_bytes, kSectorSize);
    previous = header.header_checksum;
    if (!(header.flags & kLastOfCommit)) continue;
    ++reading.found.commits;
    reading.found.sequence = header.sequence;
    reading.found.bytes = at;
    if (reading.whole) reading.ranges.insert(reading.ranges.end(), pending.begin(), pending.end());
    reading.whole = reading.whole && pending_whole;
    pending.clear();
  }
  return reading;
}

// Whether a frame of a later commit than the next shows that the next one had been durable.
bool later_commit_follows(const std::vector<u8>& journal, const Start& start, const Journal::Found& found) {
  FrameHeader header;
  for (u64 at = found.bytes; at < journal.size(); at += kSectorSize) {
    if (header_at(journal, at, start, header) && header.sequence > found.sequence + 1) return true;
  }
  return false;
}

void check_replay(Journal& journal, const Journal::Found& found, const Reading& reading) {
  std::vector<Range> visited;
  const bool whole = answers(reading.whole, [&] {
    journal.replay(found, [&](LogFile file, u64 offset, Bytes bytes) {
      visited.push_back({static_cast<u64>(file), offset, {bytes.begin(), bytes.end()}});
    });
  });
  require(whole == reading.whole, "a payload that is no run of ranges is refused");
  if (whole) require(visited == reading.ranges, "replay visits the ranges of the complete commits, in order");
}

// A writer goes on behind what was found.
void check_commit(std::vector<u8>& bytes, Journal& journal, const Start& start, const Journal::Found& found) {
  // A frame left over from the commit that was being written may go on behind the new one: a writer has made a new
  // generation before it comes to this (Opener::recover).
  if (found.leftovers || found.bytes != 0) {
    journal.restart(start.generation + 1, start.salt + 1, found.sequence);
    bytes.assign(bytes.size(), 0);
  }
  const std::vector<u8> page(100, 0xab);
  journal.begin();
  journal.add(LogFile{7}, 42, page);
  journal.finish();
  journal.sync();
  const bool anew = found.leftovers || found.bytes != 0;
  const Journal::Found now = journal.scan(start.generation + anew, start.salt + anew, found.sequence);
  require(now.commits == 1 && now.sequence == found.sequence + 1, "a commit that was synced is found");
  journal.replay(now, [&](LogFile file, u64 offset, Bytes range) {
    require(file == LogFile{7} && offset == 42 &&
                std::equal(range.begin(), range.end(), page.begin(), page.end()),
            "a commit holds what was added");
  });
}

// As a superblock can say it: its counters end at 2^63.
Start chosen_start(Input& input) {
  const u64 generation = input.magnitude() >> 1;
  const u64 salt = input.magnitude();
  return {generation, salt, input.magnitude() >> 1};
}

void run(Input input) {
  const u8 mode = input.byte();
  const Start start = mode & 2 ? chosen_start(input) : Start{2, 0x5a17, 7};
  std::vector<u8> bytes;
  if (mode & 1) {
    bytes = make_frames(input, start);
  } else {
    const Bytes raw = input.rest();
    bytes.assign(raw.begin(), raw.end());
  }
  const Reading reading = read_by_the_book(bytes, start);
  const bool damaged = later_commit_follows(bytes, start, reading.found);
  Journal journal(std::make_unique<MemoryFile>(bytes));
  Journal::Found found;
  const bool readable =
      answers(!damaged, [&] { found = journal.scan(start.generation, start.salt, start.sequence); });
  require(readable != damaged, "a durable commit that cannot be read is refused");
  if (!readable) return;
  require(found.commits == reading.found.commits && found.sequence == reading.found.sequence &&
              found.bytes == reading.found.bytes,
          "scan finds the complete commits");
  check_replay(journal, found, reading);
  journal.write_again(found.bytes);
  check_commit(bytes, journal, start, found);
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
