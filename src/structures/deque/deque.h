// Deque: a list whose words begin anywhere in their region, so that both ends are alike; perhaps of a bounded length.
//
//   header | given up | room | words ........ | room
//   0      64         dead   first            first + length
//
// Two regions, those of a list, with the fields `first`, `dead` and `limit` in the header (structures/list/header.h). A
// queue slides: what is appended is new at the region's end, and pages that lie well before the first element are given
// back to the disk for good (Region::note_dead). Where there is no room in front, or too much of the region is given up, the
// words are written anew, so seldom that an element is moved three times on the average. A small deque stays where
// it is instead, and its words are moved within a few pages. docs/decisions/0022-deque.md says why.
//
// Errors, threads: as of a list (structures/list/list.h). What is said there of a change at the end holds here for both.
#pragma once

#include <optional>

#include "structures/list/list.h"

namespace emd {

class Deque : public List {
 public:
  static constexpr Kind kKind{11};
  static constexpr const char* kName = "deque";

  // The limit of a new one; of one that is there it has to be the same, if it is given.
  struct OpenAs {
    bool limit_given = false;
    std::optional<u64> limit = {};
  };
  // In words. Tests make them small.
  struct Sizes {
    u64 small = u64{1} << 13;     // up to so many are moved rather than written anew
    u64 reserve = u64{1} << 13;   // room in front that is kept at least, of a deque that is not small
    u64 slack = 504;              // that a small one gets at least where it has none: a page
    u64 given_up = u64{1} << 23;  // at least so many lie dead before it is written anew for that alone
  };

  // Opens the deque in the member's regions, which are mapped. Writes nothing. Errors: DamagedError, FormatError.
  Deque(Store& store, Member& member) : Deque(store, member, Sizes()) {}
  Deque(Store& store, Member& member, const Sizes& sizes);

  // One that was only just created is not; a rollback may take it back.
  bool laid_out() const { return words_.size() != 0; }
  void lay_out_as(const OpenAs& wanted);
  // Errors: FormatError if it has another limit.
  void require(const OpenAs& wanted) const;
  // The most elements that it holds.
  std::optional<u64> limit() const;
  // How many elements would leave at the other end if so many were added at one.
  u64 leaving(u64 added) const;

  // What is beyond the limit leaves at the other end.
  // Cost: O(1), one page and the header's, on the average over many calls.
  void append(Word word) { extend({&word, 1}); }
  void append_front(Word word) { extend_front({&word, 1}); }
  void extend(std::span<const Word> words);
  // The first of the words will be the first element: many at once keep their order.
  void extend_front(std::span<const Word> words);
  // Precondition: as many are there. Cost: as append(), and the blocks that go.
  void remove_front(u64 count);
  void remove_back(u64 count) { List::splice(size() - count, size(), {}); }

  // As the list's. Cost: of the words before and those behind the change the fewer. Precondition: the limit is kept.
  void splice(u64 from, u64 to, std::span<const Word> words);
  void insert(u64 index, Word word) { splice(index, index, {&word, 1}); }
  // The last `count` elements become the first. Precondition: count <= size(). Cost: of these and the others the fewer.
  void rotate(u64 count);

  void reorder() = delete;
  void adopt(Reordering&&) = delete;
  void permute(const std::function<void(std::span<Word>)>&) = delete;
  void remove_strided(u64, u64, u64) = delete;

  struct Stats {
    u64 entries, word_bytes, dead_word_bytes, heap_live_bytes, heap_free_bytes;
  };
  Stats stats() const;

 private:
  bool small(u64 length) const { return length <= sizes_.small; }
  u64 reserve(u64 length) const { return length / 4 + sizes_.reserve; }
  u64 room_before() const;
  bool far(u64 length) const;
  void change_extent(const Extent& extent, const Blocks& blocks);
  void center(u64 before, u64 behind);
  void prepare_back(u64 count);
  bool prepare_front(u64 count);
  void give_up_pages();
  void append_within(std::span<const Word> words);
  void shift_front(u64 from, u64 to, std::span<const Word> added);
  bool write_in_front(std::span<const Word> added);
  bool rotate_anew(u64 count);
  void rotate_in_place(u64 count);

  const Sizes sizes_;
};

}  // namespace emd
