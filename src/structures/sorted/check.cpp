// Sorted::check(): the invariants of the tree; the heap and the page map check their own.
#include <algorithm>

#include "base/errors.h"
#include "store/findings.h"
#include "structures/sorted/sorted.h"

namespace emd {

class Sorted::Checker {
 public:
  Checker(const Sorted& tree, Findings& findings) : tree_(tree), findings_(findings) {}

  void run() {
    const SortedHeader& header = tree_.header();
    seen_.resize(tree_.pages_.page_count());
    unsigned levels = 0;
    const u64 root = tree_.root(levels);
    // A tree without nodes has no root.
    if (levels == 0 && root != 0)
      add("header", "expected no root without levels, found " + std::to_string(root));
    const u64 found = levels == 0 ? 0 : check_node(root, levels - 1, std::nullopt, std::nullopt);
    // The header counts the keys.
    expect("header", "keys", found, header.count);
    check_pages();
    check_blocks();
  }

 private:
  void add(const std::string& where, const std::string& what) { add_while_room(findings_, {where, what}); }
  void expect(const std::string& where, const char* what, u64 expected, u64 found) {
    if (expected != found)
      add(where, "expected " + std::to_string(expected) + " " + what + ", found a count of " +
                     std::to_string(found));
  }

  // Returns how many keys lie below.
  u64 check_node(u64 page, unsigned level, const Fence& lower, const Fence& upper) {
    const std::string where = "node at " + std::to_string(page << kPageShift);
    if (is_full(findings_)) return 0;
    findings_.step();
    // No node is the child of two.
    if (page >= seen_.size() || seen_[page]) {
      add(where, "expected a page of the tree, that is the child of one node");
      return 0;
    }
    seen_[page] = true;
    try {
      const Node node(tree_.region_, page, level);
      check_layout(node, where);
      // Only leaves may be without entries.
      if (level != 0 && node.count() == 0) add(where, "expected a child, found none");
      // The prefix is one of all keys that may come into the node.
      if (node.header().prefix > prefix_between(lower, upper) ||
          common_prefix(node.prefix(), lower ? Bytes(*lower) : Bytes{}) != node.header().prefix)
        add(where, "expected a prefix of the keys above, found another");
      return level == 0 ? check_leaf(node, where, lower, upper) : check_inner(node, where, lower, upper);
    } catch (const DamagedError& error) {
      add(where, error.what());
      return 0;
    }
  }

  // No two entries have one slot, and what no entry has is counted as dead.
  void check_layout(const Node& node, const std::string& where) {
    bool used[256] = {};
    unsigned live = 0;
    for (unsigned i = 0; i < node.count(); ++i) {
      bool& slot = used[node.slot(i)];
      if (slot) add(where, "expected a slot of its own for each entry, found one of two");
      slot = true;
      live += node.entry(i).record_bytes;
    }
    expect(where, "bytes of dead records", kPageSize - node.header().floor - live, node.header().dead);
    const u32 most = tree_.header().max_entries;
    if (node.count() > most)
      add(where,
          "expected at most " + std::to_string(most) + " entries, found " + std::to_string(node.count()));
  }

  // A key's first bytes are in its slot; a long one is in the heap, and has the prefix.
  void check_key(const Node& node, const NodeEntry& entry, const std::vector<u8>& key,
                 const std::string& where) {
    if (entry.key_ref == 0) return;
    blocks_.push_back(HeapRef{entry.key_ref});
    if (key.size() != entry.suffix + node.header().prefix ||
        common_prefix(node.prefix(), key) != node.prefix().size() ||
        head_of(Bytes(key).subspan(node.prefix().size())) != entry.head)
      add(where, "expected a long key to agree with its entry, found another");
  }

  // Keys ascend, and lie between those of the nodes above.
  void check_order(const std::vector<u8>& before, const std::vector<u8>& key, bool first, const Fence& lower,
                   const Fence& upper, const std::string& where) {
    if (!first && compare(before, key) >= 0) add(where, "expected ascending keys, found others");
    if (first && lower && compare(key, *lower) < 0)
      add(where, "expected no key less than that above, found one");
    if (upper && compare(key, *upper) >= 0) add(where, "expected keys less than that above, found others");
  }

  u64 check_leaf(const Node& leaf, const std::string& where, const Fence& lower, const Fence& upper) {
    std::vector<u8> before, key;
    for (unsigned i = 0; i < leaf.count(); ++i) {
      const NodeEntry entry = leaf.entry(i);
      key.clear();
      leaf.append_key(entry, tree_.heap_, key);
      check_key(leaf, entry, key, where);
      check_order(before, key, i == 0, lower, upper, where);
      // What is in the heap is a body with its annex.
      if (entry.body_ref != 0) {
        blocks_.push_back(HeapRef{entry.body_ref});
        if (tree_.heap_.read(HeapRef{entry.body_ref}).size() < entry.annex)
          add(where, "expected an annex within its block, found a shorter block");
      }
      std::swap(before, key);
    }
    return leaf.count();
  }

  u64 check_inner(const Node& node, const std::string& where, const Fence& lower, const Fence& upper) {
    u64 sum = 0;
    Fence from = lower;
    for (unsigned i = 0; i < node.count(); ++i) {
      const NodeEntry entry = node.entry(i);
      // The first child has no key of its own.
      if (i == 0 && entry.suffix != 0) add(where, "expected the first child to have no key, found one");
      if (i == 0 && entry.key_ref != 0)
        add(where, "expected the first child to have no key, found a long one");
      Fence to = upper;
      if (i + 1 < node.count()) {
        const NodeEntry next = node.entry(i + 1);
        std::vector<u8> key;
        node.append_key(next, tree_.heap_, key);
        check_key(node, next, key, where);
        check_order(from ? *from : std::vector<u8>{}, key, !from, lower, upper, where);
        to = std::move(key);
      }
      const u64 below = check_node(entry.child, node.level() - 1, from, to);
      // It counts the keys below each child.
      expect(where, ("keys below child " + std::to_string(i)).c_str(), below, entry.below);
      sum += below;
      from = std::move(to);
    }
    return sum;
  }

  // The pages in use are the header's, the map's own and the nodes'.
  void check_pages() {
    tree_.pages_.check(findings_);
    for (u64 page = 0; page < seen_.size() && !is_full(findings_); ++page) {
      findings_.step();
      const bool own = page % PageMap::kGroupPages == 0;
      if (!own && tree_.pages_.used(page) != seen_[page])
        add("page " + std::to_string(page), seen_[page] ? "expected a node's page to be in use, found it free"
                                                        : "expected a page in use to be a node, found none");
      if (own && seen_[page])
        add("page " + std::to_string(page), "expected the map's own page, found it used as a node");
    }
  }

  // Each block in use belongs to one key or body.
  void check_blocks() {
    std::vector<HeapRef> live;
    tree_.heap_.check(findings_, &live);
    std::sort(blocks_.begin(), blocks_.end());
    if (blocks_ != live)
      add("values", "expected " + std::to_string(blocks_.size()) + " blocks, each of one entry, found " +
                        std::to_string(live.size()) + " in use, or others");
  }

  const Sorted& tree_;
  Findings& findings_;
  std::vector<bool> seen_;
  std::vector<HeapRef> blocks_;
};

void Sorted::check(Findings& findings) const {
  try {
    Checker(*this, findings).run();
  } catch (const DamagedError& error) {
    findings.push_back({"header", error.what()});
  }
}

}  // namespace emd
