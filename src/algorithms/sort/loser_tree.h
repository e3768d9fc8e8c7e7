// A tree of losers, for merging k sorted runs with log2(k) comparisons an element.
// Knuth, The Art of Computer Programming, volume 3, section 5.4.1. Any thread; does no I/O.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace emd {

// `Before` is called as before(a, b) with the numbers of two players, a != b, and says whether a's element comes out
// before b's. It must be a strict total order over players at any moment (equal elements: by number).
template <class Before>
class LoserTree {
 public:
  // Precondition: players >= 1. Cost: one comparison a player. Throws what `before` throws.
  LoserTree(std::size_t players, Before before)
      : players_(players), loser_(players), before_(std::move(before)) {
    std::vector<std::size_t> winner(2 * players);
    for (std::size_t i = 0; i < players; ++i) winner[players + i] = i;
    for (std::size_t node = players; node-- > 1;) {
      std::size_t wins = winner[2 * node];
      std::size_t loses = winner[2 * node + 1];
      if (before_(loses, wins)) std::swap(wins, loses);
      winner[node] = wins;
      loser_[node] = loses;
    }
    winner_ = winner[1];
  }

  std::size_t winner() const { return winner_; }
  // To be called when the winner's element has changed. Cost: log2(players) comparisons.
  void replay() {
    for (std::size_t node = (players_ + winner_) / 2; node != 0; node /= 2) {
      if (before_(loser_[node], winner_)) std::swap(loser_[node], winner_);
    }
  }

 private:
  std::size_t players_;
  std::size_t winner_ = 0;
  // Inner nodes 1 .. players-1 of a binary tree whose leaves are players .. 2 * players - 1.
  std::vector<std::size_t> loser_;
  Before before_;
};

}  // namespace emd
