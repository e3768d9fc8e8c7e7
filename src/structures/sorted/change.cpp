// What changes a sorted dict. Each call first reads and checks all that it will follow, and takes the blocks and pages that it
// will need; then it changes bytes, which cannot fail.
#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "structures/sorted/sorted.h"

namespace emd {

namespace {

// A node is written anew, to bring its free bytes together, only if so much of it is free then; else the next insertions
// would do it again and again.
constexpr unsigned kWorthIt = kNodeRoom / 16;

bool begins_with(Bytes key, Bytes prefix) {
  return key.size() >= prefix.size() && compare(key.first(prefix.size()), prefix) == 0;
}

u64 keys_below(const NodeItem* items, std::size_t count, unsigned level) {
  if (level == 0) return count;
  u64 sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += items[i].below;
  return sum;
}

// The first entry of an inner node stands for all that is less than the second's key.
void open_below(std::vector<NodeItem>& items, std::size_t first, unsigned level, Bytes prefix) {
  if (level == 0 || first >= items.size()) return;
  items[first].key = prefix;
  items[first].key_ref = 0;
}

Bytes bytes_of_fence(const std::optional<std::vector<u8>>& fence) { return fence ? Bytes(*fence) : Bytes{}; }

// Where to divide entries of these sizes so that the larger part is as small as can be.
std::size_t middle_of(const std::vector<NodeItem>& items, unsigned level, std::size_t prefix) {
  const unsigned whole = bytes_of(items.data(), items.size(), level, prefix);
  unsigned left = 0;
  std::size_t best = 1;
  unsigned smallest = ~0u;
  for (std::size_t cut = 1; cut < items.size(); ++cut) {
    left += bytes_of(&items[cut - 1], 1, level, prefix);
    const unsigned larger = std::max(left, whole - left);
    if (larger >= smallest) break;
    smallest = larger;
    best = cut;
  }
  return std::min<std::size_t>(best, kMostEntries);
}

}  // namespace

// ---- Long keys and values

void Sorted::require_block(u64 ref) const {
  if (ref != 0) heap_.read(HeapRef{ref});
}

// Of blocks that were allocated or read a moment ago; one that is damaged is lost.
void Sorted::free_refs(const Refs& refs) {
  for (const u64 ref : {refs.key, refs.body}) {
    try {
      if (ref != 0) heap_.free(HeapRef{ref});
    } catch (const DamagedError&) {
    }
  }
}

// `made` are the blocks that were allocated for it. `body` holds annex and value where both are there.
NodeItem Sorted::prepare(Bytes key, Bytes annex, Bytes value, std::vector<u8>& body, bool known_key,
                         Refs& made) {
  NodeItem item;
  item.key = key;
  item.annex = annex.size();
  item.body = value;
  if (!annex.empty()) {
    body.assign(annex.begin(), annex.end());
    body.insert(body.end(), value.begin(), value.end());
    item.body = body;
  }
  if (!known_key && key.size() > kMostInlineKey)
    made.key = item.key_ref = static_cast<u64>(heap_.allocate(key));
  if (item.body.size() > kMostInlineBody) {
    try {
      made.body = item.body_ref = static_cast<u64>(heap_.allocate(item.body));
    } catch (...) {
      free_refs(made);
      throw;
    }
    item.body = {};
  }
  return item;
}

// ---- Putting

bool Sorted::put(Bytes key, Bytes annex, Bytes value) { return put(seek_to_put(key), key, annex, value); }

bool Sorted::put(const Place& place, Bytes key, Bytes annex, Bytes value) {
  std::vector<u8> body;
  Refs made;
  if (!place.found_) {
    const bool is_greatest = place.depth_ == 0 || (behind(place) == 0 && is_last(place));
    if (size() >= kMost48) damaged("fewer keys", size());
    const NodeItem item = prepare(key, annex, value, body, false, made);
    try {
      insert(place, item);
    } catch (...) {
      free_refs(made);
      throw;
    }
    ++change_header().count;
    key_changed();
    if (is_greatest) {
      last_key_.assign(key.begin(), key.end());
      last_key_of_ = generation_;
    }
    return true;
  }
  const Node leaf = node(place, place.depth_ - 1);
  const NodeEntry old = leaf.entry(before(place));
  const Bytes old_body = old.body_ref == 0 ? old.body : heap_.read(HeapRef{old.body_ref});
  if (old.annex > old_body.size()) leaf.damaged("an annex within its block", old.annex);
  const Bytes old_value = old_body.subspan(old.annex);
  if (compare(old_value, value) == 0) return false;  // no page is changed
  if (old.body_ref == 0 && old_value.size() == value.size()) {
    u8* const page = change(leaf.page());
    const auto offset = old.record + old.record_bytes - value.size();
    std::memcpy(page + offset, value.data(), value.size());
    return false;
  }
  std::vector<u8> kept(old_body.begin(), old_body.begin() + static_cast<std::ptrdiff_t>(old.annex));
  if (old.body_ref != 0 && old.annex + value.size() > kMostInlineBody) {
    std::vector<u8> all(kept);
    all.insert(all.end(), value.begin(), value.end());
    if (heap_.replace(HeapRef{old.body_ref}, all)) return false;
  }
  require_block(old.key_ref);
  NodeItem item = prepare(key, kept, value, body, true, made);
  item.key_ref = old.key_ref;
  try {
    replace(place, node(place, place.depth_ - 1).entry(before(place)), item);
  } catch (...) {
    free_refs(made);
    throw;
  }
  free_refs({0, old.body_ref});
  moved();
  return false;
}

// ---- One entry in its node

namespace {

// Whether an entry can be added without writing the node anew.
bool fits_directly(const Node& node, const NodeItem& item, unsigned max_entries) {
  const NodeHeader& header = node.header();
  return begins_with(item.key, node.prefix()) &&
         node.gap() >= item.record_bytes(node.level(), header.prefix) + kSlotBytes &&
         header.count < header.capacity && header.slots < kMostEntries && header.count < max_entries;
}

// `page`: the node's bytes, which may be changed.
void add_directly(u8* page, const Node& node, unsigned index, const NodeItem& item) {
  NodeHeader header = node.header();
  u8* const permutation = page + node.permutation_offset();
  const u8 slot = static_cast<u8>(header.slots);
  u8* const entry = page + node.slot_offset(slot);
  header.floor = static_cast<u16>(header.floor - item.record_bytes(node.level(), header.prefix));
  item.write_record(page + header.floor, node.level(), header.prefix);
  store<u32>(entry, head_of(item.key.subspan(header.prefix)));
  store<u16>(entry + 4, header.floor);
  std::memmove(permutation + index + 1, permutation + index, header.count - index);
  permutation[index] = slot;
  ++header.slots;
  ++header.count;
  store(page, header);
}

}  // namespace

bool Sorted::fits_anew(const NodeItem* items, std::size_t count, unsigned level, std::size_t prefix) const {
  return count <= kMostEntries && prefix + bytes_of(items, count, level, prefix) <= kNodeRoom;
}

void Sorted::write_into(u64 page, unsigned level, Bytes prefix, const NodeItem* items, std::size_t count) {
  write_node(change(page), level, prefix, items, count, header().max_entries);
}

void Sorted::remove_entry(const Node& node, unsigned index, const NodeEntry& entry) {
  u8* const page = change(node.page());
  NodeHeader header = node.header();
  u8* const permutation = page + node.permutation_offset();
  std::memmove(permutation + index, permutation + index + 1, header.count - index - 1u);
  --header.count;
  header.dead = static_cast<u16>(
      std::min<unsigned>(header.dead + entry.record_bytes, static_cast<unsigned>(kPageSize) - header.floor));
  if (header.count == 0) {
    header.slots = header.dead = 0;
    header.floor = kPageSize;
  }
  store(page, header);
}

// A key was added below, or removed: the first `nodes` inner nodes on the way count it. Nothing has changed if it throws.
void Sorted::count_along(const Place& place, unsigned nodes, i64 by) {
  std::array<std::pair<u16, u64>, kMostLevels> changes;
  for (unsigned depth = 0; depth < nodes; ++depth) {
    const Node here = node(place, depth);
    const unsigned index = place.steps_[depth].index;
    const u64 below = here.below(index);
    if (by < 0 ? below == 0 : below >= kMost48) here.damaged("a count of keys below", below);
    changes[depth] = {here.below_offset(index), below + static_cast<u64>(by)};
  }
  for (unsigned depth = 0; depth < nodes; ++depth)
    store48(change(place.steps_[depth].page) + changes[depth].first, changes[depth].second);
}

void Sorted::first_node(const NodeItem& item) {
  region_.reserve(2 * kPageSize);
  const u64 page = pages_.allocate(1);
  write_into(page, 0, {}, &item, 1);
  SortedHeader& changed = change_header();
  changed.root = page;
  changed.levels = 1;
}

// ---- Splitting

// What an insertion that does not fit does to the nodes on the way: found out from the leaf upwards, then written.
class Sorted::Split {
 public:
  Split(Sorted& tree, const Place& place) : tree_(tree), place_(place) {}
  ~Split() {
    if (done_) return;
    for (const u64 page : pages_) tree_.pages_.free(page, 1);
    tree_.free_refs({separator_ref_, 0});
  }
  Split(const Split&) = delete;
  Split& operator=(const Split&) = delete;

  // The item comes to its place, as one more entry or in place of the one there.
  void plan(const NodeItem& item, bool replacing);
  void write();
  // The depth of the uppermost node that it changes.
  unsigned top() const { return has_direct_ ? direct_depth_ : changes_.back()->depth; }

 private:
  // A node that is written anew, as one or as two.
  struct Change {
    unsigned depth, level;
    NodeCopy copy;
    std::vector<NodeItem> items = {};
    Fence lower = {}, upper = {};
    std::size_t cut = 0;  // so many to the left; 0: it is not split
    u64 left = 0, right = 0;
    bool keeps_left = false;   // the left one is as it was, but for entries that have gone
    bool keeps_right = false;  // the right one is as it was
    std::vector<u8> separator = {};
    u64 separator_ref = 0;
    std::size_t prefix_left = 0, prefix_right = 0;
  };

  void take_in(Change& change, unsigned index, const NodeItem& item, bool replacing);
  void divide(Change& change, unsigned index, bool replacing);
  void require_sound(const Change& change, std::size_t first, std::size_t count, const Fence& fence,
                     std::size_t prefix) const;
  u64 take_page() {
    pages_.push_back(tree_.pages_.allocate(1));
    return pages_.back();
  }
  void write(Change& change);

  Sorted& tree_;
  Place place_;
  std::vector<std::unique_ptr<Change>> changes_;  // from the leaf upwards
  // What comes into the first node upwards that needs not be written anew; or a new root.
  NodeItem direct_;
  unsigned direct_depth_ = 0;
  bool has_direct_ = false, has_new_root_ = false;
  u64 new_root_ = 0;
  std::vector<u64> pages_;
  u64 separator_ref_ = 0;
  bool done_ = false;
};

void Sorted::Split::require_sound(const Change& change, std::size_t first, std::size_t count,
                                  const Fence& fence, std::size_t prefix) const {
  const Bytes common = bytes_of_fence(fence).first(prefix);
  const Node here = tree_.node(place_, change.depth);
  for (std::size_t i = first; i < first + count; ++i) {
    if (change.level != 0 && i == first) continue;
    if (!begins_with(change.items[i].key, common)) here.damaged("keys between those above", i);
  }
  std::vector<NodeItem> part(change.items.begin() + static_cast<std::ptrdiff_t>(first),
                             change.items.begin() + static_cast<std::ptrdiff_t>(first + count));
  open_below(part, 0, change.level, common);
  if (!tree_.fits_anew(part.data(), count, change.level, prefix))
    here.damaged("entries that fit two nodes", count);
}

// The node's entries with the new one, and whether that makes two nodes of it.
void Sorted::Split::take_in(Change& change, unsigned index, const NodeItem& item, bool replacing) {
  change.lower = tree_.lower_fence(place_, change.depth);
  change.upper = tree_.upper_fence(place_, change.depth);
  change.items = change.copy.items;
  const auto at = change.items.begin() + index;
  if (replacing) {
    *at = item;
  } else {
    change.items.insert(at, item);
  }
  const std::size_t prefix = prefix_between(change.lower, change.upper);
  change.left = place_.steps_[change.depth].page;
  change.prefix_left = prefix;
  bool sound = true;
  const Bytes common = bytes_of_fence(change.lower).first(prefix);
  for (std::size_t i = change.level != 0; i < change.items.size(); ++i)
    sound = sound && begins_with(change.items[i].key, common);
  if (!sound) tree_.node(place_, change.depth).damaged("keys between those above", index);
  open_below(change.items, 0, change.level, common);
  const std::size_t count = change.items.size();
  const unsigned bytes = bytes_of(change.items.data(), count, change.level, prefix);
  const bool fits = count <= tree_.header().max_entries && prefix + bytes + kWorthIt <= kNodeRoom;
  if (fits || count == 1) return require_sound(change, 0, count, change.lower, prefix);
  divide(change, index, replacing);
}

void Sorted::Split::divide(Change& change, unsigned index, bool replacing) {
  const std::size_t count = change.items.size();
  const bool at_end = !replacing && index + 1 == count && tree_.is_last(place_);
  const bool at_begin = !replacing && index == 0 && change.level == 0 && tree_.is_first(place_);
  change.cut = at_end ? count - 1 : at_begin ? 1 : middle_of(change.items, change.level, change.prefix_left);
  const NodeItem& last = change.items[change.cut - 1];
  const NodeItem& next = change.items[change.cut];
  if (change.level == 0) {
    // The shortest that divides them.
    const std::size_t common = common_prefix(last.key, next.key);
    if (common >= next.key.size())
      tree_.node(place_, change.depth).damaged("keys in ascending order", change.cut);
    change.separator.assign(next.key.begin(), next.key.begin() + static_cast<std::ptrdiff_t>(common) + 1);
    if (change.separator.size() > kMostInlineKey)
      change.separator_ref = separator_ref_ = static_cast<u64>(tree_.heap_.allocate(change.separator));
    // Where the new entry is not among them, nothing is written of those that stay where they are.
    change.keeps_left = !replacing && index >= change.cut;
    change.keeps_right = at_begin;
  } else {
    change.separator.assign(next.key.begin(), next.key.end());
    change.separator_ref = next.key_ref;
  }
  const Fence between = change.separator;
  change.prefix_left = prefix_between(change.lower, between);
  change.prefix_right = prefix_between(between, change.upper);
  if (!change.keeps_left) require_sound(change, 0, change.cut, change.lower, change.prefix_left);
  if (!change.keeps_right)
    require_sound(change, change.cut, count - change.cut, between, change.prefix_right);
  const u64 fresh = take_page();
  change.right = change.keeps_right ? change.left : fresh;
  if (change.keeps_right) change.left = fresh;
}

void Sorted::Split::plan(const NodeItem& item, bool replacing) {
  tree_.region_.reserve((kMostLevels + 2) * kPageSize);
  NodeItem next = item;
  for (unsigned depth = place_.depth_; depth-- > 0;) {
    const unsigned level = place_.depth_ - 1 - depth;
    const Node here = tree_.node(place_, depth);
    unsigned index = place_.steps_[depth].index;
    if (level != 0) {
      // The child that was split, and behind it what has come of it.
      if (index >= here.count()) here.damaged("a child", index);
      ++index;
      if (fits_directly(here, next, tree_.header().max_entries)) {
        here.entry(index - 1);
        direct_ = next;
        direct_depth_ = depth;
        has_direct_ = true;
        return;
      }
    }
    changes_.push_back(std::make_unique<Change>(Change{depth, level, NodeCopy(here, tree_.heap_)}));
    Change& change = *changes_.back();
    if (level != 0) {
      const Change& below = *changes_[changes_.size() - 2];
      NodeItem& child = change.copy.items[index - 1];
      child.child = below.left;
      child.below = keys_below(below.items.data(), below.cut, level - 1);
    }
    take_in(change, index, next, replacing && level == 0);
    if (change.cut == 0) return;
    next = NodeItem{};
    next.key = change.separator;
    next.key_ref = change.separator_ref;
    next.child = change.right;
    next.below = keys_below(change.items.data() + change.cut, change.items.size() - change.cut, level);
  }
  if (place_.depth_ == kMostLevels) tree_.damaged("fewer levels", place_.depth_);
  has_new_root_ = true;
  new_root_ = take_page();
  direct_ = next;
}

void Sorted::Split::write(Change& change) {
  const Bytes lower = bytes_of_fence(change.lower).first(change.prefix_left);
  const std::size_t count = change.items.size();
  if (change.cut == 0) {
    open_below(change.items, 0, change.level, lower);
    return tree_.write_into(change.left, change.level, lower, change.items.data(), count);
  }
  const std::size_t cut = change.cut;
  if (!change.keeps_right) {
    const Bytes between = Bytes(change.separator).first(change.prefix_right);
    open_below(change.items, cut, change.level, between);
    tree_.write_into(change.right, change.level, between, &change.items[cut], count - cut);
  }
  if (!change.keeps_left) {
    open_below(change.items, 0, change.level, lower);
    return tree_.write_into(change.left, change.level, lower, change.items.data(), cut);
  }
  const Node left(tree_.region_, change.left, change.level);
  if (left.count() == cut) return;
  unsigned dead = left.header().dead;
  for (unsigned i = static_cast<unsigned>(cut); i < left.count(); ++i) dead += left.entry(i).record_bytes;
  NodeHeader header = left.header();
  header.count = static_cast<u16>(cut);
  header.dead = static_cast<u16>(std::min<unsigned>(dead, static_cast<unsigned>(kPageSize) - header.floor));
  store(tree_.change(change.left), header);
}

// Nothing fails here: all was read and checked by plan().
void Sorted::Split::write() {
  done_ = true;
  const Change& top = *changes_.back();
  const unsigned level = place_.depth_ - 1 - top.depth;
  const u64 left_below = top.cut == 0 ? 0 : keys_below(top.items.data(), top.cut, level);
  for (auto& change : changes_) write(*change);
  if (has_direct_) {
    const Node here = tree_.node(place_, direct_depth_);
    const unsigned index = place_.steps_[direct_depth_].index;
    u8* const page = tree_.change(here.page());
    store48(page + here.below_offset(index) - 6, top.left);
    store48(page + here.below_offset(index), left_below);
    add_directly(page, here, index + 1, direct_);
  } else if (has_new_root_) {
    NodeItem items[2];
    items[0].child = top.left;
    items[0].below = left_below;
    items[1] = direct_;
    tree_.write_into(new_root_, place_.depth_, {}, items, 2);
    SortedHeader& changed = tree_.change_header();
    changed.root = new_root_;
    changed.levels = place_.depth_ + 1;
  }
  tree_.moved();
}

void Sorted::insert(const Place& place, const NodeItem& item) {
  if (place.depth_ == 0) return first_node(item);
  const unsigned depth = place.depth_ - 1;
  const Node leaf = node(place, depth);
  const unsigned index = before(place);
  if (index > leaf.count()) leaf.damaged("an entry", index);
  if (fits_directly(leaf, item, header().max_entries)) {
    count_along(place, depth, 1);
    return add_directly(change(leaf.page()), leaf, index, item);
  }
  Split split(*this, place);
  split.plan(item, false);
  // The nodes above those that change count one more; the others have been counted anew.
  count_along(place, split.top(), 1);
  split.write();
}

void Sorted::replace(const Place& place, const NodeEntry& old, const NodeItem& item) {
  const Node leaf = node(place, place.depth_ - 1);
  const unsigned bytes = item.record_bytes(0, leaf.header().prefix);
  if (leaf.gap() >= bytes && begins_with(item.key, leaf.prefix())) {
    const u8 slot = leaf.slot(before(place));
    u8* const page = change(leaf.page());
    NodeHeader header = leaf.header();
    header.floor = static_cast<u16>(header.floor - bytes);
    header.dead = static_cast<u16>(
        std::min<unsigned>(header.dead + old.record_bytes, static_cast<unsigned>(kPageSize) - header.floor));
    item.write_record(page + header.floor, 0, header.prefix);
    emd::store<u16>(page + leaf.slot_offset(slot) + 4, header.floor);
    emd::store(page, header);
    return;
  }
  Split split(*this, place);
  split.plan(item, true);
  split.write();
}

// ---- Erasing

bool Sorted::erase(Bytes key) {
  const Place place = seek(key);
  if (!place.found_) return false;
  erase(place);
  return true;
}

void Sorted::erase(const Place& place) {
  if (size() == 0 || place.depth_ == 0) damaged("a count of keys", size());
  const Node leaf = node(place, place.depth_ - 1);
  const unsigned index = before(place);
  if (index >= leaf.count()) leaf.damaged("an entry", index);
  const NodeEntry entry = leaf.entry(index);
  require_block(entry.key_ref);
  require_block(entry.body_ref);
  count_along(place, place.depth_ - 1, -1);
  remove_entry(leaf, index, entry);
  --change_header().count;
  key_changed();
  free_refs({entry.key_ref, entry.body_ref});
  join_if_small(place);
}

// It may be left undone: a node that is empty, or nearly, is sound.
void Sorted::join_if_small(Place place) noexcept {
  try {
    if (size() == 0) return drop_nodes();
    for (unsigned depth = place.depth_; depth-- > 0;)
      if (!join(place, depth)) break;
    lower_root();
  } catch (const Error&) {
  } catch (const std::bad_alloc&) {
  }
}

// Makes one node of this one and a neighbour. False if it is large enough, or they do not fit.
bool Sorted::join(const Place& place, unsigned depth) {
  if (depth == 0) return false;
  const Node small = node(place, depth);
  const u32 most = header().max_entries;
  const bool is_small = small.count() == 0 || (small.live_bytes() * 4 < kNodeRoom &&
                                               (most == kMostEntries || small.count() * 2 < most));
  if (!is_small) return false;
  const Node parent = node(place, depth - 1);
  if (parent.count() < 2) return false;
  const unsigned index = place.steps_[depth - 1].index;
  const unsigned right_index = index + 1 < parent.count() ? index + 1 : index;
  const unsigned left_index = right_index - 1;
  const unsigned level = small.level();
  const Node left(region_, parent.child(left_index), level);
  const Node right(region_, parent.child(right_index), level);
  if (left.page() == right.page()) parent.damaged("two children", left.page());
  const NodeEntry separator = parent.entry(right_index);
  require_block(separator.key_ref);

  Place between = place;
  between.steps_[depth - 1].index = left_index;
  const Fence lower = lower_fence(between, depth);
  between.steps_[depth - 1].index = right_index;
  const Fence upper = upper_fence(between, depth);
  std::vector<u8> key;
  parent.append_key(separator, heap_, key);
  const std::size_t prefix = prefix_between(lower, upper);
  const Bytes common = bytes_of_fence(lower).first(prefix);

  const NodeCopy left_copy(left, heap_), right_copy(right, heap_);
  std::vector<NodeItem> items = left_copy.items;
  items.insert(items.end(), right_copy.items.begin(), right_copy.items.end());
  if (level != 0 && right.count() != 0) {
    NodeItem& first = items[left.count()];
    first.key = key;
    first.key_ref = separator.key_ref;
  }
  for (std::size_t i = level != 0; i < items.size(); ++i)
    if (!begins_with(items[i].key, common)) small.damaged("keys between those above", i);
  open_below(items, 0, level, common);
  const unsigned bytes = bytes_of(items.data(), items.size(), level, prefix);
  if (items.size() > most - most / 4 || prefix + bytes > kNodeRoom - kNodeRoom / 4) return false;
  const u64 below = keys_below(items.data(), items.size(), level);
  const u16 below_offset = parent.below_offset(left_index);
  const u64 gone = right.page();
  // Nothing fails from here on.
  write_into(left.page(), level, common, items.data(), items.size());
  store48(change(parent.page()) + below_offset, below);
  remove_entry(parent, right_index, separator);
  pages_.free(gone, 1);
  if (level == 0 || right_copy.items.empty()) free_refs({separator.key_ref, 0});
  moved();
  return true;
}

// Those without entries are all that is left.
void Sorted::drop_nodes() {
  std::vector<u64> pages, refs;
  unsigned levels = 0;
  const u64 top = root(levels);
  if (levels == 0) return;
  pages.push_back(top);
  for (std::size_t i = 0, end = 1; --levels > 0; end = pages.size()) {
    for (; i < end; ++i) {
      const Node node(region_, pages[i], levels);
      for (unsigned child = 0; child < node.count(); ++child) {
        const NodeEntry entry = node.entry(child);
        require_block(entry.key_ref);
        if (entry.key_ref != 0) refs.push_back(entry.key_ref);
        pages.push_back(entry.child);
      }
      if (pages.size() > pages_.page_count()) node.damaged("fewer nodes than there are pages", pages.size());
    }
  }
  SortedHeader& changed = change_header();
  changed.root = 0;
  changed.levels = 0;
  for (const u64 page : pages) pages_.free(page, 1);
  for (const u64 ref : refs) free_refs({ref, 0});
  moved();
}

void Sorted::lower_root() {
  for (unsigned levels = 0;;) {
    const u64 page = root(levels);
    if (levels == 0) return;
    const Node top(region_, page, levels - 1);
    u64 next = 0;
    if (levels == 1) {
      if (top.count() != 0) return;
    } else {
      if (top.count() != 1) return;
      next = Node(region_, top.child(0), levels - 2).page();
    }
    SortedHeader& changed = change_header();
    changed.root = next;
    changed.levels = levels - 1;
    pages_.free(page, 1);
    moved();
  }
}

void Sorted::clear() {
  const SortedHeader& old = header();
  Region::Rewrite nodes = region_.rewrite(kPageSize);
  lay_out(nodes.data(), old.max_entries, old.edits + 1);
  heap_.clear();
  // Nothing fails from here on.
  region_.finish(std::move(nodes));
  ++version_;
  ++generation_;
}

}  // namespace emd
