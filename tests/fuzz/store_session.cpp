#include "store_session.h"

#include "oracle.h"

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

}  // namespace

void Session::open(Mode mode) {
  StoreOptions options;
  options.mode = mode;
  options.commit_interval_seconds = -1;
  std::unique_ptr<Store> store = Store::open(path_, options);
  const auto member = [&](const char* name, Kind kind, unsigned regions) {
    auto found = store->find(name);
    if (found == nullptr) found = store->create(name, kind, regions);
    if (found->kind != kind || found->region_count != regions) throw FormatError("another kind of member");
    store->acquire(*found);
    return found;
  };
  const auto dict_member = member("d", Kind::dict, Dict::kRegionCount);
  const auto list_member = member("l", Kind::list, List::kRegionCount);
  std::optional<Dict> dict;
  dict.emplace(*store, *dict_member, Dict::Options{2, 64});
  list_.emplace(*store, *list_member);
  // The dict knows its store by reference: it is made anew in its place.
  dict.reset();
  dict_.emplace(*store, *dict_member);
  dict_member_ = dict_member;
  list_member_ = list_member;
  store_ = std::move(store);
  model_ = committed_;
}

void Session::abandon() {
  dict_.reset();
  list_.reset();
  store_.reset();
}

void Session::close() {
  dict_.reset();
  list_.reset();
  const std::unique_ptr<Store> store = std::move(store_);
  if (store == nullptr) return;
  const bool committed = !store->in_transaction() && !store->read_only();
  store->close();
  if (committed) committed_ = model_;
}

Findings Session::verify() {
  Findings findings;
  store_->verify(findings);
  store_->look(*dict_member_, [&] { dict_->check(findings); });
  store_->look(*list_member_, [&] { list_->check(findings); });
  return findings;
}

Model Session::contents() {
  Model now;
  now.dict = store_->look(*dict_member_, [&] {
    std::map<std::string, std::string> entries;
    const u64 limit = dict_member_->regions[1]->size() / RecordLog::kMinBytes + 1;
    u64 steps = 0;
    for (auto record = dict_->first(); record; record = dict_->next(record->position)) {
      entries.emplace(as_text(record->key), as_text(record->value));
      require(++steps <= limit, "a walk ends");
    }
    return entries;
  });
  now.list = store_->look(*list_member_, [&] {
    std::vector<std::string> elements;
    for (const Word word : list_->words()) elements.push_back(element_of(*list_, word));
    return elements;
  });
  return now;
}

void Session::require_equal() {
  const Model now = contents();
  if (sound_) require(now == model_, "a store holds what was put there");
}

void Session::look_up(Input& input) {
  const std::string key = key_of(input);
  const std::optional<std::string> value = store_->look(*dict_member_, [&]() -> std::optional<std::string> {
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
  if (what >= 0x70 || store_->read_only()) return look_up(input);
  if (what >= 0x38) return change_list(input, what);
  change_dict(input, what);
}

}  // namespace emd::fuzz
