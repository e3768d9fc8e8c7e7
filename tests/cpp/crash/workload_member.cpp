// Random changes of each kind of member and of its model, and the comparison of both.
#include "crash/workload_member.h"

#include <algorithm>

#include "algorithms/compact/compact.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/set/set.h"
#include "structures/set/typed_set.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd::testing {
namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

Entries::iterator entry_of(Entries& entries, const std::string& key) {
  return std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == key; });
}

std::string random_key(Random& random) {
  const u64 number = random() % 1500;
  std::string key = "key" + std::to_string(number);
  if (number % 20 == 0) key += std::string(number / 5, 'k');
  return key;
}

std::string random_value(Random& random) {
  const u64 draw = random() % 20;
  return random_text(random, draw < 12 ? random() % 12 : draw < 19 ? random() % 300 : random() % 6000);
}

Item random_item(Random& random) {
  switch (random() % 8) {
    case 0:
      return {0, std::make_shared<std::string>(random_text(random, random() % 100))};
    case 1:
      return {Word::real(static_cast<double>(random() % 1000000) / 7).bits, nullptr};
    case 2:
      return {Word::text(as_bytes("text")).bits, nullptr};
    default:
      return {Word::integer(static_cast<i64>(random()) >> 16).bits, nullptr};
  }
}

std::vector<Item> random_items(Random& random, u64 count) {
  std::vector<Item> items(count);
  for (Item& item : items) item = random_item(random);
  return items;
}

std::string differs(const std::string& at, const std::string& what) { return at + ": " + what; }

std::optional<std::string> dict_difference(const Dict& dict, const Entries& entries) {
  if (dict.size() != entries.size()) return counts("entries", entries.size(), dict.size());
  auto record = dict.first();
  for (u64 i = 0; i < entries.size(); ++i) {
    const std::string at = "entry " + std::to_string(i);
    if (!record) return differs(at, "expected " + entries[i].first + ", found the end");
    if (as_text(record->key) != entries[i].first) {
      return differs(at, "expected " + entries[i].first + ", found " + std::string(as_text(record->key)));
    }
    if (as_text(record->value) != entries[i].second) return differs(at, "another value");
    record = dict.next(record->position);
  }
  if (record) return "expected the end, found " + std::string(as_text(record->key));
  return std::nullopt;
}

// Keys of 8 bytes, values of 20: a row has a gap, and crosses pages. Or keys alone.
TypedDict::Layout typed_layout(const Workload& workload) {
  TypedDict::Layout layout;
  layout.key_bytes = layout.value_offset = 8;
  layout.value_bytes = workload.typed_values ? 20 : 0;
  layout.row_bytes = workload.typed_values ? 32 : 8;
  layout.key_text = "key";
  if (workload.typed_values) layout.value_text = "value";
  layout.max_segment_buckets = workload.segment_buckets;
  layout.hash_bits = workload.hash_bits;
  layout.delta_limit = workload.delta_limit;
  return layout;
}

const u8* raw(const std::string& bytes) { return as_bytes(bytes).data(); }

std::optional<std::string> typed_difference(const TypedDict& dict, const Entries& entries) {
  if (dict.size() != entries.size()) return counts("entries", entries.size(), dict.size());
  u64 row = dict.first_live();
  for (u64 i = 0; i < entries.size(); ++i, row = dict.next_live(row + 1)) {
    const std::string at = "entry " + std::to_string(i);
    if (row == TypedDict::kNone) return differs(at, "expected a row, found the end");
    if (as_text({dict.key_at(row), 8}) != entries[i].first) return differs(at, "another key");
    if (as_text({dict.value_at(row), dict.value_bytes()}) != entries[i].second)
      return differs(at, "another value");
  }
  if (row != TypedDict::kNone) return "expected the end, found row " + std::to_string(row);
  return std::nullopt;
}

std::optional<std::string> list_difference(const List& list, const std::vector<Item>& items) {
  const std::span<const Word> words = list.words();
  if (words.size() != items.size()) return counts("elements", items.size(), words.size());
  for (u64 i = 0; i < items.size(); ++i) {
    const bool same = items[i].block == nullptr
                          ? words[i].bits == items[i].bits
                          : words[i].is_reference() && as_text(list.block(words[i])) == *items[i].block;
    if (!same) return "element " + std::to_string(i) + " is another";
  }
  return std::nullopt;
}

// A few hundred words slide, are written anew and are given up.
constexpr Deque::Sizes kDequeSizes{40, 300, 8, 2000};

// Small segments go with small hubs.
u32 hub_degree(const Workload& workload) { return std::min(4 * workload.segment_buckets, Graph::kHubDegree); }

std::optional<std::string> graph_difference(const Graph& graph, const GraphModel& model) {
  if (graph.laid_out()) return difference(graph, model);
  if (model.vertices.empty() && model.attributes.empty()) return std::nullopt;
  return counts("vertices", model.vertices.size(), 0);
}

std::shared_ptr<Member> find_or_create(Store& store, const std::string& name, const Workload& workload) {
  if (auto found = store.find(name)) return found;
  switch (shape_of(name)) {
    case Shape::dict:
      return store.create(name, Dict::kKind, Dict::kRegionCount);
    case Shape::set:
      return store.create(name, Set::kKind, Set::kRegionCount);
    case Shape::list:
      return store.create(name, List::kKind, List::kRegionCount);
    case Shape::deque:
      return store.create(name, Deque::kKind, Deque::kRegionCount);
    case Shape::typed:
      return store.create(name, workload.typed_values ? TypedDict::kKind : TypedSet::kKind,
                          TypedDict::kRegionCount);
    case Shape::array:
      return store.create(name, Array::kKind, Array::kRegionCount);
    case Shape::shadow:
      return store.create(name, Shadow::kKind, Shadow::kRegionCount);
    case Shape::graph:
      return store.create(name, Graph::kKind, Graph::kRegionCount);
    default:
      return store.create(name, Array::kKind, 1);  // nobody looks at the kind of a bare region
  }
}

}  // namespace

std::string random_text(Random& random, u64 bytes) {
  std::string text(bytes, 0);
  for (char& c : text) c = static_cast<char>(random() % 255 + 1);
  return text;
}

std::string counts(const char* of, u64 expected, u64 found) {
  return std::string("expected ") + std::to_string(expected) + " " + of + ", found " + std::to_string(found);
}

WorkloadMember::WorkloadMember(Store& store, const std::string& name, const Workload& workload)
    : store_(store), workload_(workload), name_(name), shape_(shape_of(name)) {
  // Made and laid out in one operation, as the bindings do.
  std::optional<Operation> making;
  if (!store_.read_only() && !store_.find(name)) making.emplace(store_);
  member_ = find_or_create(store, name, workload);
  store_.acquire(*member_);
  try {
    const Dict::Options options{workload.segment_buckets, workload.hash_bits, workload.delta_limit};
    if (shape_ == Shape::dict) dict_.emplace(store_, *member_, options);
    if (shape_ == Shape::set) set_.emplace(store_, *member_, options);
    if (shape_ == Shape::list) list_.emplace(store_, *member_);
    if (shape_ == Shape::deque) deque_.emplace(store_, *member_, kDequeSizes);
    if (shape_ == Shape::typed) typed_.emplace(store_, *member_, typed_layout(workload));
    if (shape_ == Shape::array) array_.emplace(store_, *member_);
    if (shape_ == Shape::shadow) shadow_.emplace(store_, *member_);
    if (shape_ == Shape::graph) graph_.emplace(store_, *member_, hub_degree(workload));
  } catch (...) {
    store_.release(*member_);
    throw;
  }
}

bool WorkloadMember::live() const {
  return member_->live && (!dict_ || dict_->laid_out()) && (!set_ || set_->laid_out()) &&
         (!typed_ || typed_->laid_out()) && (!graph_ || graph_->laid_out());
}

WorkloadMember::~WorkloadMember() {
  dict_.reset();
  set_.reset();
  list_.reset();
  deque_.reset();
  typed_.reset();
  view_.reset();
  array_.reset();
  shadow_.reset();
  graph_.reset();
  if (!member_->live) return;
  try {
    store_.release(*member_);
  } catch (...) {
    // The disk failed while the member was unmapped, or the process is dead.
  }
}

void WorkloadMember::change(Content& model, Random& random) {
  switch (shape_) {
    case Shape::dict:
      return change_dict(model, random);
    case Shape::set:
      return change_set(model, random);
    case Shape::list:
      return change_list(model, random);
    case Shape::deque:
      return change_deque(model, random);
    case Shape::typed:
      return change_typed(model, random);
    case Shape::array:
      return change_array(model, random);
    case Shape::shadow:
      return change_shadow(model, random);
    case Shape::graph:
      return change_graph(model, random);
    case Shape::bytes:
      return change_bytes(model, random);
  }
}

void WorkloadMember::compact() {
  view_.reset();
  if (shape_ != Shape::bytes) return emd::compact(store_, *member_, [](u64, u64) {});
  store_.commit();  // which compact() does too
}

std::optional<std::string> WorkloadMember::difference(const Content& model) const {
  switch (shape_) {
    case Shape::dict:
      return dict_difference(*dict_, model.entries);
    case Shape::set:
      return dict_difference(*set_, model.entries);
    case Shape::list:
      return list_difference(*list_, model.items);
    case Shape::deque:
      return list_difference(*deque_, model.items);
    case Shape::typed:
      return typed_difference(*typed_, model.entries);
    case Shape::graph:
      return graph_difference(*graph_, model.graph);
    default:
      return bytes_difference(model.bytes);
  }
}

void WorkloadMember::check(Findings& findings) const {
  if (dict_) dict_->check(findings);
  if (set_) set_->check(findings);
  if (list_) list_->check(findings);
  if (deque_) deque_->check(findings);
  if (typed_) typed_->check(findings);
  if (array_) array_->check(findings);
  if (shadow_) shadow_->check(findings);
  if (graph_) graph_->check(findings);
}

// ---- dict

void WorkloadMember::put(Content& model, const std::string& key, const std::string& value) {
  dict_->put(as_bytes(key), {}, as_bytes(value));
  const auto known = entry_of(model.entries, key);
  if (known == model.entries.end()) {
    model.entries.emplace_back(key, value);
  } else {
    known->second = value;
  }
}

void WorkloadMember::erase(Content& model, u64 index) {
  dict_->erase(as_bytes(model.entries[index].first));
  model.entries.erase(model.entries.begin() + static_cast<std::ptrdiff_t>(index));
}

void WorkloadMember::change_dict(Content& model, Random& random) {
  const u64 size = model.entries.size();
  const u64 draw = random() % 20;
  if (draw < 3 && size != 0) return erase(model, random() % 3 == 0 ? 0 : random() % size);
  if (draw == 3 && size != 0 && random() % 4 == 0) {
    dict_->clear();
    return model.entries.clear();
  }
  if (draw < 9 && size != 0) {
    auto& [key, value] = model.entries[random() % size];
    const auto found = dict_->find(as_bytes(key));
    EMD_CHECK(found.has_value());
    std::string other = random_value(random);
    dict_->set_value(found->position, as_bytes(other));
    value = std::move(other);
    return;
  }
  put(model, random_key(random), random_value(random));
}

// ---- set

void WorkloadMember::change_set(Content& model, Random& random) {
  Entries& entries = model.entries;
  const u64 draw = random() % 20;
  if (draw == 0 && random() % 6 == 0) {
    set_->clear();
    return entries.clear();
  }
  if (draw < 6 && !entries.empty()) {
    const u64 which = draw == 1 ? 0 : draw == 2 ? entries.size() - 1 : random() % entries.size();
    const auto gone = entries.begin() + static_cast<std::ptrdiff_t>(which);
    EMD_CHECK(set_->erase(as_bytes(gone->first)));
    entries.erase(gone);
    return;
  }
  const std::string key = random_key(random);
  const bool is_new = set_->put(as_bytes(key), {}, {});
  EMD_CHECK(is_new == (entry_of(entries, key) == entries.end()));
  if (is_new) entries.emplace_back(key, std::string());
}

// ---- typed dict

void WorkloadMember::change_typed(Content& model, Random& random) {
  Entries& entries = model.entries;
  const u64 draw = random() % 20;
  if (draw < 5 && !entries.empty()) {
    const u64 which = draw == 0 ? 0 : draw == 1 ? entries.size() - 1 : random() % entries.size();
    const auto gone = entries.begin() + static_cast<std::ptrdiff_t>(which);
    EMD_CHECK(typed_->erase(raw(gone->first)));
    entries.erase(gone);
    return;
  }
  if (draw == 5 && random() % 6 == 0) {
    typed_->clear();
    return entries.clear();
  }
  std::string key(8, '\0');
  store<u64>(key.data(), random() % 1500);
  const std::string value = random_text(random, workload_.typed_values ? 20 : 0);
  typed_->put(raw(key), raw(value));
  const auto known = entry_of(entries, key);
  if (known == entries.end()) {
    entries.emplace_back(key, value);
  } else {
    known->second = value;
  }
}

// ---- list

// Stores the blocks, inside the operation that puts the words in.
std::vector<Word> WorkloadMember::words_of(List& list, const std::vector<Item>& items) {
  std::vector<Word> words;
  try {
    for (const Item& item : items) {
      words.push_back(item.block ? list.store_block(as_bytes(*item.block)) : Word{item.bits});
    }
  } catch (...) {
    for (const Word word : words) list.discard(word);
    throw;
  }
  return words;
}

template <class Put>
void WorkloadMember::put_items(List& list, const std::vector<Item>& items, const Put& put) {
  const std::vector<Word> words = words_of(list, items);
  try {
    put(words);
  } catch (...) {
    for (const Word word : words) list.discard(word);
    throw;
  }
}

void WorkloadMember::splice(Content& model, u64 from, u64 to, const std::vector<Item>& items) {
  put_items(*list_, items, [&](const std::vector<Word>& words) { list_->splice(from, to, words); });
  const auto at = [&](u64 index) { return model.items.begin() + static_cast<std::ptrdiff_t>(index); };
  model.items.erase(at(from), at(to));
  model.items.insert(at(from), items.begin(), items.end());
}

void WorkloadMember::set(Content& model, Random& random) {
  const u64 index = random() % model.items.size();
  const Item item = random_item(random);
  List& list = list_ ? *list_ : *deque_;
  put_items(list, {item}, [&](const std::vector<Word>& words) { list.set(index, words[0]); });
  model.items[index] = item;
}

void WorkloadMember::remove_strided(Content& model, Random& random) {
  const u64 from = random() % model.items.size();
  const u64 step = 1 + random() % 6;
  const u64 count = random() % ((model.items.size() - 1 - from) / step + 2);
  list_->remove_strided(from, step, count);
  std::vector<Item> kept;
  for (u64 i = 0; i < model.items.size(); ++i) {
    if (i < from || (i - from) % step != 0 || (i - from) / step >= count) kept.push_back(model.items[i]);
  }
  model.items = std::move(kept);
}

void WorkloadMember::shuffle(Content& model, Random& random) {
  std::vector<u64> order(model.items.size());
  for (u64 i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), random);
  list_->permute([&](std::span<Word> to) {
    for (u64 i = 0; i < order.size(); ++i) to[i] = list_->get(order[i]);
  });
  std::vector<Item> shuffled;
  for (const u64 i : order) shuffled.push_back(model.items[i]);
  model.items = std::move(shuffled);
}

void WorkloadMember::change_list(Content& model, Random& random) {
  const u64 size = model.items.size();
  // A long list is long from its first change on: its changes pass the threshold beyond which it is written anew.
  const u64 full = workload_.long_lists ? List::kRewriteThreshold / sizeof(Word) + 9000 : 0;
  if (size < full / 2) return splice(model, size, size, random_items(random, full - size));
  const u64 from = random() % (size + 1);
  const u64 some = random() % 10 == 0 ? random() % 3000 : random() % 30;
  switch (size == 0 ? random() % 4 : random() % 12) {
    case 0:
    case 1:
      return splice(model, size, size, random_items(random, some));
    case 2:
      return splice(model, 0, 0, random_items(random, 1 + some % 3));
    case 3:
      return splice(model, from, from, random_items(random, some));
    case 4:
      return splice(model, from, from + random() % (size - from + 1), random_items(random, some));
    case 5:
      return splice(model, size - std::min(size, some), size, {});
    case 6:
    case 7:
      return set(model, random);
    case 8:
      return remove_strided(model, random);
    case 9:
      list_->reverse();
      return std::reverse(model.items.begin(), model.items.end());
    case 10:
      return shuffle(model, random);
    default:
      if (random() % 6 != 0) return set(model, random);
      list_->clear();
      return model.items.clear();
  }
}

// ---- deque

void WorkloadMember::change_deque(Content& model, Random& random) {
  std::vector<Item>& items = model.items;
  Deque& deque = *deque_;
  if (!deque.laid_out())
    deque.lay_out_as({name_ == "q1", name_ == "q1" ? std::optional<u64>(700) : std::nullopt});
  const u64 size = items.size(), most = deque.limit().value_or(~u64{0});
  const u64 some = random() % 5 == 0 ? random() % 500 : random() % 30;
  const u64 draw = random() % 20;
  const auto at = [&](u64 index) { return items.begin() + static_cast<std::ptrdiff_t>(index); };
  const std::vector<Item> more = random_items(random, draw < 8 ? some : draw == 8 && size < most ? 1 : 0);
  if (draw < 8) {
    const bool front = draw < 4;
    put_items(deque, more, [&](const std::vector<Word>& words) {
      front ? deque.extend_front(words) : deque.extend(words);
    });
    items.insert(front ? items.begin() : items.end(), more.begin(), more.end());
    if (items.size() <= most) return;
    const u64 gone = items.size() - most;
    front ? items.erase(at(most), items.end()) : items.erase(items.begin(), at(gone));
  } else if (draw == 8) {
    const u64 from = random() % (size + 1);
    put_items(deque, more, [&](const std::vector<Word>& words) { deque.splice(from, from, words); });
    items.insert(at(from), more.begin(), more.end());
  } else if (size == 0) {
    return;
  } else if (draw < 13) {
    const u64 count = std::min(size, some);
    deque.remove_front(count);
    items.erase(items.begin(), at(count));
  } else if (draw < 15) {
    const u64 count = std::min(size, some);
    deque.remove_back(count);
    items.erase(at(size - count), items.end());
  } else if (draw == 15) {
    const u64 from = random() % size, to = from + random() % (size - from + 1);
    deque.splice(from, to, {});
    items.erase(at(from), at(to));
  } else if (draw < 18) {
    const u64 count = draw == 16 ? random() % (size + 1) : std::min(size, some);
    deque.rotate(count);
    std::rotate(items.begin(), at(size - count), items.end());
  } else if (draw == 18 && random() % 4 == 0) {
    deque.reverse();
    std::reverse(items.begin(), items.end());
  } else {
    set(model, random);
  }
}

// ---- graph

// g1 is undirected, the edges of g2 have a type.
void WorkloadMember::change_graph(Content& model, Random& random) {
  model.graph.directed = name_ != "g1";
  model.graph.edge_bytes = name_ == "g2" ? 11 : 0;
  if (!graph_->laid_out()) graph_->lay_out(model.graph.type());
  GraphDriver(*graph_, model.graph, [&](u64 limit) { return random() % limit; }).change();
}

std::optional<std::string> difference(Store& store, const Workload& workload, const State& state) {
  const auto members = store.members();
  if (members.size() != state.size()) return counts("members", state.size(), members.size());
  for (const auto& [name, content] : state) {
    if (store.find(name) == nullptr) return "the member " + name + " is missing";
    const WorkloadMember member(store, name, workload);
    if (const auto found = member.difference(*content)) return name + ": " + *found;
    Findings findings;
    member.check(findings);
    if (!findings.empty()) return name + ": " + findings[0].where + ": " + findings[0].what;
  }
  return std::nullopt;
}

}  // namespace emd::testing
