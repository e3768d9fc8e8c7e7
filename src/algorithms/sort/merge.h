// A stable merge of sorted runs of words. Any thread; does no I/O but through what it is given.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "algorithms/sort/loser_tree.h"
#include "structures/list/word.h"

namespace emd {

// Merges the runs and calls emit(word) for each word in order; equal words come out in the order of their runs.
// `Cursor` knows the present head of each run:
//   void load(std::size_t run, Word head)       the head of `run` is now this word
//   bool less(std::size_t a, std::size_t b)     whether a's head must come before b's
// Throws what they throw. Cost: log2(runs) comparisons a word.
template <class Cursor, class Emit>
void merge_runs(std::span<const std::span<const Word>> runs, Cursor& cursor, Emit&& emit) {
  std::vector<std::span<const Word>> rest(runs.begin(), runs.end());
  std::size_t total = 0;
  for (std::size_t run = 0; run < rest.size(); ++run) {
    total += rest[run].size();
    if (!rest[run].empty()) cursor.load(run, rest[run].front());
  }
  if (total == 0) return;
  LoserTree tree(rest.size(), [&](std::size_t a, std::size_t b) {
    if (rest[a].empty() || rest[b].empty())
      return rest[a].empty() == rest[b].empty() ? a < b : rest[b].empty();
    return a < b ? !cursor.less(b, a) : cursor.less(a, b);
  });
  for (;;) {
    std::span<const Word>& run = rest[tree.winner()];
    emit(run.front());
    if (--total == 0) return;
    run = run.subspan(1);
    if (!run.empty()) cursor.load(tree.winner(), run.front());
    tree.replay();
  }
}

}  // namespace emd
