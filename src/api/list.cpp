// List of the C++ library: items as words (structures/list/word.h) or blocks, and its sort.
#include <algorithm>

#include "api/encoding.h"
#include "api/open_store.h"
#include "api/words.h"

namespace emd::v2 {

using detail::Form;
using detail::form_of;
using detail::require_index;
using detail::value_of;
using detail::with_word;

using ListMember = detail::MemberOf<core::List>;

namespace {

// What an element costs while a run of them is sorted, and the least that a run is.
constexpr u64 kBytesPerElement = 128;
constexpr u64 kLeastRun = u64{1} << 12;

ListMember& use(const List& handle) { return detail::use<core::List>(handle); }

// ---- Sorting what cannot be compared as words

struct Less {
  // A long double has room for every i64 and every double.
  static std::optional<long double> number(const Value& value) {
    if (const auto* const truth = std::get_if<bool>(&value)) return *truth ? 1 : 0;
    if (const auto* const integer = std::get_if<i64>(&value)) return static_cast<long double>(*integer);
    if (const auto* const real = std::get_if<double>(&value)) return *real;
    return std::nullopt;
  }

  bool operator()(const Value& a, const Value& b) const {
    const auto *const text = std::get_if<std::string>(&a), *const other_text = std::get_if<std::string>(&b);
    if (text && other_text) return *text < *other_text;
    const auto left = number(a), right = number(b);
    if (!left || !right) {
      throw FormatError("cannot sort this list: expected numbers alone, or bytes alone, found both, or None");
    }
    return *left < *right || (*left == *left && *right != *right);
  }
};

class ValueSorter final : public RunSorter {
 public:
  ValueSorter(const core::List& list, bool descending) : list_(list), descending_(descending) {}

  void sort_run(std::span<Word> run) override {
    std::vector<std::pair<Value, Word>> values;
    values.reserve(run.size());
    for (const Word word : run) values.emplace_back(value_of(list_, word), word);
    std::stable_sort(values.begin(), values.end(),
                     [this](const auto& a, const auto& b) { return before(a.first, b.first); });
    for (std::size_t i = 0; i < run.size(); ++i) run[i] = values[i].second;
  }
  void load(std::size_t run, Word head) override {
    if (run >= heads_.size()) heads_.resize(run + 1);
    heads_[run] = value_of(list_, head);
  }
  bool less(std::size_t a, std::size_t b) override { return before(heads_[a], heads_[b]); }

 private:
  bool before(const Value& a, const Value& b) const { return descending_ ? Less()(b, a) : Less()(a, b); }

  const core::List& list_;
  bool descending_;
  std::vector<Value> heads_;
};

}  // namespace

std::uint64_t List::size() const {
  const ListMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

Value List::get(std::uint64_t index) const {
  const ListMember& member = use(*this);
  return member.read_consistent([&] {
    const core::List& list = member.structure();
    require_index(list, index, list.size());
    return value_of(list, list.get(index));
  });
}

void List::set(std::uint64_t index, const Item& item) {
  const Form form = form_of(item);
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  core::List& list = member.structure();
  require_index(list, index, list.size());
  with_word(list, form, [&](Word word) { list.set(index, word); });
}

void List::push_back(const Item& item) {
  const Form form = form_of(item);
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  core::List& list = member.structure();
  with_word(list, form, [&](Word word) { list.append(word); });
}

Value List::pop_back() {
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  core::List& list = member.structure();
  const u64 size = list.size();
  if (size == 0) throw RangeError("expected a list with an element to take, found an empty one");
  Value value = value_of(list, list.get(size - 1));
  list.splice(size - 1, size, {});
  return value;
}

void List::extend(std::span<const std::int64_t> numbers) { detail::extend_by(use(*this), numbers); }
void List::extend(std::span<const double> numbers) { detail::extend_by(use(*this), numbers); }

void List::insert(std::uint64_t index, const Item& item) {
  const Form form = form_of(item);
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  core::List& list = member.structure();
  require_index(list, index, list.size() + 1);
  with_word(list, form, [&](Word word) { list.insert(index, word); });
}

void List::erase(std::uint64_t from, std::uint64_t to) {
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  core::List& list = member.structure();
  require_index(list, to, list.size() + 1);
  require_index(list, from, to + 1);
  if (from != to) list.splice(from, to, {});
}

void List::clear() {
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().clear();
}

void List::reverse() {
  const ListMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().reverse();
}

void List::sort(bool descending) {
  const ListMember& member = use(*this);
  core::Store& store = member.core();
  core::List& list = member.structure();
  const u64 budget = store.buffer_budget();
  if (list.size() < 2 || sort_native(store, list, descending ? Order::descending : Order::ascending, budget))
    return;
  ValueSorter sorter(list, descending);
  sort_general(store, list, std::max(kLeastRun, budget / kBytesPerElement), sorter);
}

// ---- Iterating

List::Iterator::Iterator(const List& list) : list_(list), ended_(false) { read(); }

List::Iterator& List::Iterator::operator++() {
  ++index_;
  read();
  return *this;
}

void List::Iterator::read() {
  const ListMember& member = use(list_);
  ended_ = !member.read_consistent([&] {
    const core::List& list = member.structure();
    if (index_ >= list.size()) return false;
    value_ = value_of(list, list.get(index_));
    return true;
  });
}

List::Iterator List::begin() const { return Iterator(*this); }

}  // namespace emd::v2
