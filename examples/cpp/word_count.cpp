// Counts the words of its input in a store that grows with each run.
//
//   word_count STORE < TEXT       adds the words, then prints the most frequent ones
//
// All words of a run are one transaction: if the program is killed in the middle, none of them count.
#include <emd/emd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

namespace {

using Count = std::uint64_t;

// Numbers are stored as their bytes; get<Count>() reads them back.
void add_words(emd::Store& store, emd::Dict& counts, std::istream& input) {
  auto transaction = store.transaction();
  for (std::string word; input >> word;) {
    const Count before = counts.get<Count>(word).value_or(0);
    counts.put(word, emd::bytes_of(before + 1));
  }
  transaction.commit();  // durable from here on
}

void print_most_frequent(const emd::Dict& counts, std::size_t most) {
  std::vector<std::pair<Count, std::string>> found;
  // Entries come in the order in which the words were first seen. They are views, valid until the next step.
  for (const auto& [word, bytes] : counts) {
    Count count = 0;
    std::memcpy(&count, bytes.data(), sizeof count);
    found.emplace_back(count, word);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  if (found.size() > most) found.resize(most);
  for (const auto& [count, word] : found) std::cout << count << ' ' << word << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: word_count STORE < TEXT\n";
    return 2;
  }
  try {
    auto store = emd::Store::open(argv[1]);
    emd::Dict counts = store.dict("counts");
    add_words(store, counts, std::cin);
    print_most_frequent(counts, 5);
    std::cout << counts.size() << " words\n";
    for (const emd::Finding& finding : store.verify())
      std::cerr << finding.where << ": " << finding.what << '\n';
    store.close();  // the end of the last handle would do it too, but could not tell of an error
  } catch (const emd::Error& error) {
    std::cerr << "word_count: " << error.what() << '\n';
    return 1;
  }
}
