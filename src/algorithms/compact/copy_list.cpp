// Compaction of a list: its words in order; the bytes of a word that is a reference go to a new block.
#include "algorithms/compact/copy.h"

#include <optional>
#include <vector>

namespace emd {
namespace {

CopyBatch words_from(const List& list, u64 index, Scan& scan, Scan& blocks) {
  CopyBatch batch;
  for (; index < list.size() && !batch.full(); ++index) {
    const Word word = list.get(index);
    list.reached(index, scan);
    if (word.is_reference()) list.reached_block(word, blocks);
    batch.words.emplace_back(word, word.is_reference() ? batch.keep(list.block(word)) : CopyBatch::Part{});
  }
  return batch;
}

void copy_words(const Copying& copying, const List& source, List& copy) {
  auto& [from_store, from, to_store, to, count] = copying;
  std::vector<Word> words;
  Scan scan, blocks;
  for (u64 index = 0;; index += words.size()) {
    const CopyBatch batch =
        from_store.read_consistent(from, [&] { return words_from(source, index, scan, blocks); });
    if (batch.empty()) return;
    words.clear();
    {
      const Operation operation(to_store);
      for (const auto& [word, bytes] : batch.words) {
        words.push_back(word.is_reference() ? copy.store_block(batch.at(bytes)) : word);
      }
      copy.extend(words);
    }
    count.add(words.size());
  }
}

}  // namespace

void copy_content(Of<List>, const Copying& copying) {
  std::optional<List> source;
  const u64 version = copying.from_store.read_consistent(
      copying.from, [&] { return source.emplace(copying.from_store, copying.from).version(); });
  List copy(copying.to_store, copying.to);
  copy.continue_from(version);
  copy_words(copying, *source, copy);
}

void copy_content(Of<Deque>, const Copying& copying) {
  std::optional<Deque> source;
  Deque::OpenAs as;
  const u64 version = copying.from_store.read_consistent(copying.from, [&] {
    as.limit = source.emplace(copying.from_store, copying.from).limit();
    return source->version();
  });
  Deque copy(copying.to_store, copying.to);
  {
    const Operation operation(copying.to_store);
    copy.lay_out_as(as);
  }
  copy.continue_from(version);
  copy_words(copying, *source, copy);
}

}  // namespace emd
