#include "structures/sorted/sorted.h"

#include <algorithm>

#include "base/errors.h"
#include "base/hash.h"

namespace emd {

// ---- Records

Sorted::Record& Sorted::Record::operator=(const Record& other) {
  key_parts = other.key_parts;
  std::copy_n(other.head, sizeof head, head);
  if (other.key_parts[1].data() == other.head) key_parts[1] = {head, other.key_parts[1].size()};
  annex = other.annex;
  value = other.value;
  return *this;
}

std::vector<u8> Sorted::Record::key() const {
  std::vector<u8> whole;
  whole.reserve(key_size());
  for (const Bytes part : key_parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

// ---- Opening

Sorted::Sorted(Store& store, Member& member, const Options& options)
    : store_(store),
      region_(member.region(0)),
      heap_region_(member.region(1)),
      pages_(region_, offsetof(SortedHeader, map)),
      heap_(heap_region_) {
  EMD_CHECK(member.region_count == kRegionCount);
  open(options);
  store_.on_rollback(this, [this] {
    ++version_;
    ++generation_;
  });
  if (store_.read_only()) {
    outline_ = outline();
    store_.on_follow(this, [this] { follow(); });
  }
}

Sorted::~Sorted() { store_.remove_callback(this); }

void Sorted::lay_out(u8* page, u32 max_entries, u64 edits) const {
  PageMap::format(page, offsetof(SortedHeader, map), 1);
  SortedHeader header = load<SortedHeader>(page);
  header.magic = kSortedMagic;
  header.max_entries = max_entries;
  header.edits = edits;
  store(page, header);
}

void Sorted::open(const Options& options) {
  if (region_.size() == 0) {
    if (store_.read_only()) {
      throw DamagedError(region_.path() + ": expected a sorted dict's header, found an empty file",
                         region_.path());
    }
    EMD_CHECK(options.max_entries >= 3 && options.max_entries <= kMostEntries);
    const Operation operation(store_);
    region_.extend(kPageSize);
    lay_out(region_.writable(0, kPageSize), options.max_entries, 0);
  }
  const SortedHeader& found = header();
  if (found.magic != kSortedMagic) damaged("a sorted dict's magic number", found.magic);
  if (found.max_entries < 3 || found.max_entries > kMostEntries)
    damaged("a most number of entries", found.max_entries);
  region_.expect_points();
  heap_region_.expect_points();
}

void Sorted::damaged(const std::string& expected, u64 found) const {
  throw DamagedError(region_.path() + ": header: expected " + expected + ", found " + std::to_string(found),
                     region_.path());
}

u64 Sorted::size() const {
  const u64 count = load_once<u64>(&header().count);
  if (count > (region_.size() >> kPageShift) * kMostEntries)
    damaged("as many keys as the nodes have room for", count);
  return count;
}

Sorted::Outline Sorted::outline() const {
  if (region_.size() < kPageSize) return {};
  const SortedHeader& now = header();
  return {now.count, now.edits, now.moves, hash64(as_bytes(region_.path()), 0)};
}

void Sorted::follow() {
  const Outline now = outline();
  if (now == outline_) return;
  const bool edited = now.count != outline_.count || now.edits != outline_.edits || now.file != outline_.file;
  outline_ = now;
  version_ += edited;
  ++generation_;
}

// ---- The way down

u64 Sorted::root(unsigned& levels) const {
  const SortedHeader& found = header();
  levels = load_once<u32>(&found.levels);
  if (levels > kMostLevels) damaged("a number of levels", levels);
  return load_once<u64>(&found.root);
}

Sorted::Place Sorted::seek(Bytes key) const {
  Place place;
  u64 page = root(place.depth_);
  for (unsigned depth = 0; depth < place.depth_; ++depth) {
    const Node node(region_, page, place.depth_ - 1 - depth);
    const Node::Found found = node.lower_bound(key, heap_);
    if (node.level() == 0) {
      place.steps_[depth] = {page, found.index};
      place.found_ = found.equal;
      place.leaf_count_ = node.count();
      break;
    }
    if (node.count() == 0) node.damaged("a child", 0);
    const unsigned index = found.equal || found.index == 0 ? found.index : found.index - 1;
    place.steps_[depth] = {page, index};
    page = node.child(index);
  }
  return place;
}

Sorted::Place Sorted::select(u64 number) const {
  Place place;
  u64 page = root(place.depth_);
  for (unsigned depth = 0; depth < place.depth_; ++depth) {
    const Node node(region_, page, place.depth_ - 1 - depth);
    if (node.level() == 0) {
      if (number >= node.count()) node.damaged("an entry of number " + std::to_string(number), node.count());
      place.steps_[depth] = {page, static_cast<unsigned>(number)};
      place.found_ = true;
      place.leaf_count_ = node.count();
      return place;
    }
    unsigned index = 0;
    for (; index < node.count(); ++index) {
      const u64 below = node.below(index);
      if (number < below) break;
      number -= below;
    }
    if (index == node.count()) node.damaged("as many keys below as are counted, more by", number);
    place.steps_[depth] = {page, index};
    page = node.child(index);
  }
  damaged("a key of this number", number);
}

u64 Sorted::rank(const Place& place) const {
  u64 rank = 0;
  for (unsigned depth = 0; depth < place.depth_; ++depth) {
    const Place::Step& step = place.steps_[depth];
    if (depth + 1 == place.depth_) return rank + step.index;
    const Node here = node(place, depth);
    if (step.index >= here.count()) here.damaged("a child", step.index);
    for (unsigned i = 0; i < step.index; ++i) rank += here.below(i);
  }
  return rank;
}

Sorted::Place Sorted::last_place() const {
  Place place;
  u64 page = root(place.depth_);
  for (unsigned depth = 0; depth < place.depth_; ++depth) {
    const Node node(region_, page, place.depth_ - 1 - depth);
    if (node.level() == 0) {
      place.steps_[depth] = {page, node.count()};
      place.leaf_count_ = node.count();
      break;
    }
    if (node.count() == 0) node.damaged("a child", 0);
    place.steps_[depth] = {page, node.count() - 1};
    page = node.child(node.count() - 1);
  }
  return place;
}

bool Sorted::is_last(const Place& place) const {
  for (unsigned depth = 0; depth + 1 < place.depth_; ++depth)
    if (place.steps_[depth].index + 1 != node(place, depth).count()) return false;
  return true;
}

bool Sorted::is_first(const Place& place) const {
  for (unsigned depth = 0; depth + 1 < place.depth_; ++depth)
    if (place.steps_[depth].index != 0) return false;
  return true;
}

// ---- Entries

std::optional<Sorted::Record> Sorted::find(Bytes key) const {
  const Place place = seek(key);
  if (!place.found_) return std::nullopt;
  return at(place);
}

Sorted::Record Sorted::at(const Place& place) const {
  EMD_CHECK(place.depth_ != 0);
  const Place::Step& step = place.steps_[place.depth_ - 1];
  const Node leaf = node(place, place.depth_ - 1);
  if (step.index >= leaf.count())
    leaf.damaged("an entry of number " + std::to_string(step.index), leaf.count());
  const NodeEntry entry = leaf.entry(step.index);
  Record record;
  if (entry.key_ref != 0) {
    record.key_parts = {Bytes{}, Bytes{}, heap_.read(HeapRef{entry.key_ref})};
  } else {
    emd::store<u32>(record.head, __builtin_bswap32(entry.head));
    record.key_parts = {leaf.prefix(), Bytes{record.head, std::min<u64>(4, entry.suffix)}, entry.rest};
  }
  const Bytes body = entry.body_ref == 0 ? entry.body : heap_.read(HeapRef{entry.body_ref});
  if (entry.annex > body.size()) leaf.damaged("an annex within its block", entry.annex);
  record.annex = body.first(entry.annex);
  record.value = body.subspan(entry.annex);
  return record;
}

unsigned Sorted::before(const Place& place) const {
  return place.depth_ == 0 ? 0 : place.steps_[place.depth_ - 1].index;
}
unsigned Sorted::behind(const Place& place) const {
  return place.depth_ == 0 ? 0 : place.leaf_count_ - place.steps_[place.depth_ - 1].index;
}
void Sorted::move(Place& place, int by) const {
  place.steps_[place.depth_ - 1].index += static_cast<unsigned>(by);
  place.found_ = true;
}

bool Sorted::key_before(const Place& place, std::vector<u8>& key) const {
  if (place.depth_ == 0) return false;
  if (before(place) != 0) {
    const Node leaf = node(place, place.depth_ - 1);
    const unsigned index = before(place) - 1;
    if (index >= leaf.count()) leaf.damaged("an entry", index);
    leaf.append_key(leaf.entry(index), heap_, key);
    return true;
  }
  const u64 number = rank(place);
  if (number == 0) return false;
  key = at(select(number - 1)).key();
  return true;
}

bool Sorted::key_from(const Place& place, std::vector<u8>& key) const {
  if (place.depth_ == 0) return false;
  if (behind(place) != 0) {
    key = at(place).key();
    return true;
  }
  const u64 number = rank(place);
  if (number >= size()) return false;
  key = at(select(number)).key();
  return true;
}

void Sorted::reached(const Place& place, Scan& scan) const {
  if (place.depth_ != 0) scan.reached(region_, place.steps_[place.depth_ - 1].page << kPageShift);
}

Sorted::Place Sorted::seek_to_put(Bytes key) const {
  const bool ascends = last_key_of_ == generation_ && size() != 0 && compare(key, last_key_) > 0;
  return ascends ? last_place() : seek(key);
}

std::optional<u8> Sorted::first_byte_near(const Place& place) const {
  if (place.depth_ == 0) return std::nullopt;
  const Node leaf = node(place, place.depth_ - 1);
  if (leaf.count() == 0) return std::nullopt;
  if (!leaf.prefix().empty()) return load_once<u8>(leaf.prefix().data());
  const NodeEntry entry = leaf.entry(std::min(before(place), leaf.count() - 1));
  if (entry.suffix == 0) return std::nullopt;
  return static_cast<u8>(entry.head >> 24);
}

// ---- What the way down tells of a node's keys

Sorted::Fence Sorted::lower_fence(const Place& place, unsigned depth) const {
  for (unsigned above = depth; above-- > 0;) {
    const unsigned index = place.steps_[above].index;
    if (index == 0) continue;
    const Node parent = node(place, above);
    if (index >= parent.count()) parent.damaged("a child", index);
    std::vector<u8> key;
    parent.append_key(parent.entry(index), heap_, key);
    return key;
  }
  return std::nullopt;
}

Sorted::Fence Sorted::upper_fence(const Place& place, unsigned depth) const {
  for (unsigned above = depth; above-- > 0;) {
    const Node parent = node(place, above);
    const unsigned index = place.steps_[above].index + 1;
    if (index >= parent.count()) continue;
    std::vector<u8> key;
    parent.append_key(parent.entry(index), heap_, key);
    return key;
  }
  return std::nullopt;
}

std::size_t Sorted::prefix_between(const Fence& lower, const Fence& upper) {
  if (!lower || !upper) return 0;
  return std::min<std::size_t>(common_prefix(*lower, *upper), kMostInlineKey);
}

Sorted::Stats Sorted::stats() const {
  const SortedHeader& found = header();
  const u64 free = pages_.free_pages() << kPageShift;
  return {found.count,        found.levels,      region_.size(), std::min(free, region_.size()),
          heap_.live_bytes(), heap_.free_bytes()};
}

}  // namespace emd
