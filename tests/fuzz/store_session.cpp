// The calls on an open store that an input chooses, and their comparison with the models.
#include "store_session.h"

#include <algorithm>

#include "oracle.h"
#include "structures/array/array.h"
#include "structures/deque/deque.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/set/membership.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace emd::fuzz {
namespace {

std::string key_of(Input& input) { return "key" + std::to_string(input.byte() % 100); }

std::string element_of(const List& list, Word word) {
  if (word.is_reference()) return "block:" + std::string(as_text(list.block(word)));
  return std::string(reinterpret_cast<const char*>(&word.bits), sizeof word.bits);
}

Word make_word(List& list, Input& input, std::string& element) {
  const u8 what = input.byte();
  const Word word = what % 2 ? Word::integer(what) : list.store_block(as_bytes(input.text(what)));
  element = element_of(list, word);
  return word;
}

const TypedDict::Layout kNumbers = {8, 8, 8, 16, "<u8", "<u8", 2, 64};
// It slides, and gives up pages, after some hundred elements.
constexpr Deque::Sizes kDequeSizes{10, 200, 8, 1000};
const Array::Type kNumber = {"<u8", 8, {}};

const u8* raw(const u64& number) { return reinterpret_cast<const u8*>(&number); }

// More than a page of flags.
constexpr AddressRange kAddresses{u64{1} << 40, (u64{1} << 40) + 9999};
const Graph::Type kDirected{true};
// Lists of so many neighbours have tables.
constexpr u32 kHubDegree = 12;

}  // namespace

Model::Model() : shadow(kAddresses.last - kAddresses.first + 1, '\0') { graph.directed = true; }

void Session::open(Mode mode) {
  StoreOptions options;
  options.mode = mode;
  options.commit_interval_seconds = -1;
  store_ = Store::open(path_, options);
  try {
    open_members();
  } catch (const Error&) {
    abandon();
    throw;
  }
  model_ = committed_;
}

void Session::open_members() {
  const auto member = [&](const char* name, Kind kind, unsigned regions) {
    auto found = store_->find(name);
    if (found == nullptr) found = store_->create(name, kind, regions);
    if (found->kind != kind || found->region_count != regions) throw FormatError("another kind of member");
    store_->acquire(*found);
    return found;
  };
  dict_member_ = member("d", Dict::kKind, Dict::kRegionCount);
  list_member_ = member("l", List::kKind, List::kRegionCount);
  deque_member_ = member("q", Deque::kKind, Deque::kRegionCount);
  typed_member_ = member("t", TypedDict::kKind, TypedDict::kRegionCount);
  set_member_ = member("u", Set::kKind, Set::kRegionCount);
  array_member_ = member("a", Array::kKind, Array::kRegionCount);
  shadow_member_ = member("s", Shadow::kKind, Shadow::kRegionCount);
  graph_member_ = member("g", Graph::kKind, Graph::kRegionCount);
  dict_.emplace(*store_, *dict_member_, Dict::Options{2, 64});
  list_.emplace(*store_, *list_member_);
  deque_.emplace(*store_, *deque_member_, kDequeSizes);
  typed_.emplace(*store_, *typed_member_, kNumbers);
  set_.emplace(*store_, *set_member_, Dict::Options{2, 64});
  array_.emplace(*store_, *array_member_);
  shadow_.emplace(*store_, *shadow_member_);
  graph_.emplace(*store_, *graph_member_, kHubDegree);
  if (!store_->read_only()) lay_out();
  require_layouts();
}

void Session::lay_out() {
  const Operation operation(*store_);
  if (!array_->laid_out()) array_->lay_out(kNumber);
  if (!graph_->laid_out()) graph_->lay_out(kDirected);
  if (!deque_->laid_out()) deque_->lay_out_as({});
  if (shadow_->laid_out()) return;
  shadow_->lay_out(1);
  shadow_->add_ranges({&kAddresses, 1});
}

// The same kinds of keys and values, of items, flags or edges, as were laid there: what they are called may be damaged.
void Session::require_layouts() const {
  const bool same = typed_->key_bytes() == 8 && typed_->value_bytes() == 8 && array_->item_bytes() == 8 &&
                    (!shadow_->laid_out() || shadow_->stored_width() == 1) &&
                    (!graph_->laid_out() || graph_->type() == kDirected);
  if (!same) throw FormatError("another layout of a member");
}

void Session::let_go_of_members() {
  dict_.reset();
  list_.reset();
  deque_.reset();
  typed_.reset();
  set_.reset();
  array_.reset();
  shadow_.reset();
  graph_.reset();
}

void Session::abandon() {
  let_go_of_members();
  store_.reset();
}

void Session::close() {
  let_go_of_members();
  const std::unique_ptr<Store> store = std::move(store_);
  if (store == nullptr) return;
  const bool committed = !store->in_transaction() && !store->read_only();
  store->close();
  if (committed) committed_ = model_;
}

Findings Session::verify() {
  Findings findings;
  store_->verify(findings);
  store_->read_consistent(*dict_member_, [&] { dict_->check(findings); });
  store_->read_consistent(*list_member_, [&] { list_->check(findings); });
  store_->read_consistent(*deque_member_, [&] { deque_->check(findings); });
  store_->read_consistent(*typed_member_, [&] { typed_->check(findings); });
  store_->read_consistent(*set_member_, [&] { set_->check(findings); });
  store_->read_consistent(*array_member_, [&] { array_->check(findings); });
  store_->read_consistent(*shadow_member_, [&] { shadow_->check(findings); });
  store_->read_consistent(*graph_member_, [&] { graph_->check(findings); });
  return findings;
}

Model Session::contents() {
  Model now;
  now.dict = store_->read_consistent(*dict_member_, [&] {
    std::map<std::string, std::string> entries;
    const u64 limit = dict_member_->regions[1]->size() / RecordLog::kMinBytes + 1;
    u64 steps = 0;
    for (auto record = dict_->first(); record; record = dict_->next(record->position)) {
      entries.emplace(as_text(record->key), as_text(record->value));
      require(++steps <= limit, "a walk ends");
    }
    return entries;
  });
  const auto elements_of = [](const List& list) {
    std::vector<std::string> elements;
    for (const Word word : list.words()) elements.push_back(element_of(list, word));
    return elements;
  };
  now.list = store_->read_consistent(*list_member_, [&] { return elements_of(*list_); });
  now.deque = store_->read_consistent(*deque_member_, [&] { return elements_of(*deque_); });
  now.typed = store_->read_consistent(*typed_member_, [&] {
    std::map<u64, u64> entries;
    for (u64 row = typed_->first_live(); row != TypedDict::kNone; row = typed_->next_live(row + 1))
      entries[load<u64>(typed_->key_at(row))] = load<u64>(typed_->value_at(row));
    return entries;
  });
  now.set = store_->read_consistent(*set_member_, [&] {
    std::set<std::string> keys;
    const u64 limit = set_member_->regions[1]->size() / RecordLog::kMinBytes + 1;
    u64 steps = 0;
    for (auto record = set_->first(); record; record = set_->next(record->position)) {
      keys.emplace(as_text(record->key));
      require(++steps <= limit, "a walk ends");
    }
    return keys;
  });
  now.array = store_->read_consistent(*array_member_, [&] {
    const std::span<const u64> items = array_->as<u64>();
    return std::vector<u64>(items.begin(), items.end());
  });
  now.shadow = store_->read_consistent(*shadow_member_, [&] { return flags(); });
  now.graph = store_->read_consistent(
      *graph_member_, [&] { return graph_->laid_out() ? testing::model_of(*graph_) : Model().graph; });
  return now;
}

// Of the range; those of other ranges, which damage may have made of it, are none of it.
std::string Session::flags() const {
  if (!shadow_->laid_out()) return Model().shadow;
  if (shadow_->ranges() != std::vector<AddressRange>{kAddresses}) return "other ranges";
  std::string flags = Model().shadow;
  shadow_->read(kAddresses.first, kAddresses.last, reinterpret_cast<u8*>(flags.data()));
  return flags;
}

void Session::require_equal() {
  const Model now = contents();
  if (sound_) require(now == model_, "a store holds what was put there");
}

void Session::look_up(Input& input) {
  const std::string key = key_of(input);
  const std::optional<std::string> value =
      store_->read_consistent(*dict_member_, [&]() -> std::optional<std::string> {
        const auto record = dict_->find(as_bytes(key));
        if (!record) return std::nullopt;
        return std::string(as_text(record->value));
      });
  if (!sound_) return;
  const auto at = model_.dict.find(key);
  require(value.has_value() == (at != model_.dict.end()), "a look-up tells whether a key is there");
  if (value) require(*value == at->second, "a look-up gives the value");
}

void Session::change_dict(Input& input, u8 what) {
  const std::string key = key_of(input);
  if (what & 1) {
    const Operation operation(*store_);
    const bool erased = dict_->erase(as_bytes(key));
    if (sound_) require(erased == (model_.dict.erase(key) == 1), "erase() tells whether a key was there");
    return;
  }
  const std::string value = input.text(what & 2 ? input.number<u16>() % 4000 : input.byte());
  const Operation operation(*store_);
  dict_->put(as_bytes(key), {}, as_bytes(value));
  model_.dict[key] = value;
}

void Session::change_list(Input& input, u8 what) {
  const Operation operation(*store_);
  const u64 length = list_->size();
  std::string element;
  if (what & 1) {
    const Word word = make_word(*list_, input, element);
    list_->append(word);
    return model_.list.push_back(element);
  }
  if (what & 2 && length != 0) {
    const u64 index = input.below(length);
    const Word word = make_word(*list_, input, element);
    list_->set(index, word);
    if (sound_) model_.list[index] = element;
    return;
  }
  const u64 from = input.below(length + 1);
  const u64 to = from + input.below(length - from + 1);
  const Word word = make_word(*list_, input, element);
  list_->splice(from, to, {&word, 1});
  if (!sound_) return;
  const auto hole = model_.list.erase(model_.list.begin() + static_cast<i64>(from),
                                      model_.list.begin() + static_cast<i64>(to));
  model_.list.insert(hole, element);
}

void Session::change_deque(Input& input, u8 what) {
  const Operation operation(*store_);
  std::vector<std::string>& model = model_.deque;
  const bool front = what & 1;
  if (what & 2) {
    const u64 count = std::min<u64>(input.byte() % 16, deque_->size());
    front ? deque_->remove_front(count) : deque_->remove_back(count);
    if (!sound_) return;
    const auto gone = static_cast<i64>(count);
    front ? model.erase(model.begin(), model.begin() + gone) : model.erase(model.end() - gone, model.end());
    return;
  }
  const u8 steps = input.byte();
  if (steps < 32 && deque_->size() != 0) {
    deque_->rotate(steps % deque_->size());
    if (sound_) std::rotate(model.begin(), model.end() - static_cast<i64>(steps % model.size()), model.end());
    return;
  }
  std::string element;
  const Word word = make_word(*deque_, input, element);
  front ? deque_->append_front(word) : deque_->append(word);
  if (sound_) model.insert(front ? model.begin() : model.end(), element);
}

// Three of eight calls erase, the others put.
void Session::change_typed(Input& input, u8 what) {
  const u64 key = input.byte() % 100, value = input.byte();
  const Operation operation(*store_);
  if (what % 8 < 3) {
    const bool erased = typed_->erase(raw(key));
    if (sound_) require(erased == (model_.typed.erase(key) == 1), "erase() tells whether a key was there");
    return;
  }
  typed_->put(raw(key), raw(value));
  model_.typed[key] = value;
}

void Session::change_set(Input& input, u8 what) {
  const std::string key = key_of(input);
  const Operation operation(*store_);
  if (what & 1) {
    const bool erased = set_->erase(as_bytes(key));
    if (sound_) require(erased == (model_.set.erase(key) == 1), "erase() tells whether a key was there");
    return;
  }
  const bool added = set_->put(as_bytes(key), {}, {});
  if (sound_) require(added == model_.set.insert(key).second, "put() tells whether a key is new");
}

// Which keys of the set are keys of the dict.
void Session::join(Input& input) {
  const u64 memory = input.byte();
  u64 steps = 0;
  const auto end = [&] { require(++steps < 100000, "the walks end"); };
  const MembershipReader<Dict> first = [&](const MembershipPart<Dict>& part) {
    store_->read_consistent(*set_member_, [&] { part(*set_); });
  };
  const MembershipReader<Dict> second = [&](const MembershipPart<Dict>& part) {
    store_->read_consistent(*dict_member_, [&] { part(*dict_); });
  };
  const Membership members = members_of(first, second, memory, end);
  if (!sound_) return;
  u64 found = 0;
  for (const std::string& key : model_.set) found += model_.dict.count(key);
  require(members.found() == found, "members_of() finds the keys that are in both");
}

void Session::change_array(Input& input, u8 what) {
  const u64 number = input.byte();
  const Operation operation(*store_);
  const u64 size = array_->size();
  if (what & 4) {
    array_->extend({raw(number), sizeof number});
    return model_.array.push_back(number);
  }
  if (what & 2) {
    const u64 count = size - std::min<u64>(size, number % 16) + number / 16;
    array_->resize(count);
    if (sound_) model_.array.resize(count);
    return;
  }
  if (size == 0) return;
  const u64 index = input.below(size);
  array_->set(index, {raw(number), sizeof number});
  if (sound_) model_.array[index] = number;
}

void Session::change_shadow(Input& input) {
  const u64 size = model_.shadow.size();
  const u64 from = input.below(size), count = 1 + input.below(size - from);
  const u64 set = input.byte();
  const FlagChange change{set & 1 ? ~u64{0} : ~set, set & 2 ? set : 0};
  const Operation operation(*store_);
  shadow_->change(kAddresses.first + from, kAddresses.first + from + count - 1, change);
  for (u64 i = from; i < from + count; ++i)
    model_.shadow[i] = static_cast<char>(change(static_cast<u8>(model_.shadow[i])));
}

void Session::change_graph(Input& input) {
  const Operation operation(*store_);
  testing::GraphDriver driver(*graph_, model_.graph, [&](u64 limit) { return input.below(limit); });
  try {
    driver.change();
  } catch (const testing::Disagreement& disagreement) {
    if (sound_) fail(disagreement.what());
  }
}

void Session::control(Input& input, u8 what) {
  const bool inside = store_->in_transaction();
  const bool writes = !store_->read_only();
  switch (what % 8) {
    case 0:
      if (inside)
        store_->commit_transaction();
      else
        store_->commit();
      if (writes) committed_ = model_;
      return;
    case 1:
      if (inside || !writes) return;
      store_->begin();
      committed_ = model_;
      return;
    case 2:
      if (!inside) return;
      store_->rollback();
      model_ = committed_;
      return;
    case 3:
      if (inside) return;
      store_->checkpoint();
      if (writes) committed_ = model_;
      return;
    case 4:
      if (sound_)
        require_sound(verify(), "when it was made");
      else
        verify();
      return;
    case 5:
      abandon();
      return open(input.byte() % 4 == 0 ? Mode::read : Mode::read_write);
    case 6:
      if (inside) return;
      close();
      return open(input.byte() % 4 == 0 ? Mode::read : Mode::append);
    default:
      store_->stats();
      return require_equal();
  }
}

void Session::step(Input& input) {
  const u8 what = input.byte();
  if (what >= 0x80) return control(input, what);
  if (what >= 0x7c) return join(input);
  if (what >= 0x70 || store_->read_only()) return look_up(input);
  if (what >= 0x68) return change_typed(input, what);
  if (what >= 0x60) return change_array(input, what);
  if (what >= 0x5c) return change_shadow(input);
  if (what >= 0x54) return change_graph(input);
  if (what >= 0x38) return change_list(input, what);
  if (what >= 0x34) return change_set(input, what);
  if (what >= 0x30) return change_deque(input, what);
  change_dict(input, what);
}

}  // namespace emd::fuzz
