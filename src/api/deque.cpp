// Deque of the C++ library: items at both ends, as words or blocks (words.h).
#include <limits>
#include <string>

#include "api/open_store.h"
#include "api/words.h"

namespace emd::v2 {

using DequeMember = detail::MemberOf<core::Deque>;

namespace {

DequeMember& use(const Deque& handle) { return detail::use<core::Deque>(handle); }

template <class Change>
void change(const Deque& handle, const Change& make) {
  const DequeMember& member = use(handle);
  const Operation operation(member.core());
  make(member.structure());
}

Value take(const Deque& handle, bool front) {
  Value value;
  change(handle, [&](core::Deque& deque) {
    const u64 size = deque.size();
    if (size == 0) throw RangeError("expected a deque with an element to take, found an empty one");
    value = detail::value_of(deque, deque.get(front ? 0 : size - 1));
    front ? deque.remove_front(1) : deque.remove_back(1);
  });
  return value;
}

}  // namespace

Deque Store::deque(std::string_view name, std::optional<std::uint64_t> limit) {
  if (limit.value_or(0) > static_cast<u64>(std::numeric_limits<i64>::max())) {
    throw RangeError("expected a limit below 2^63, found " + std::to_string(*limit));
  }
  const core::Deque::OpenAs wanted{limit.has_value(), limit};
  return Deque(detail::open_member<core::Deque>(store_, name, wanted));
}

std::uint64_t Deque::size() const {
  const DequeMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

std::optional<std::uint64_t> Deque::limit() const {
  const DequeMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().limit(); });
}

Value Deque::get(std::uint64_t index) const {
  const DequeMember& member = use(*this);
  return member.read_consistent([&] {
    const core::Deque& deque = member.structure();
    detail::require_index(deque, index, deque.size());
    return detail::value_of(deque, deque.get(index));
  });
}

void Deque::set(std::uint64_t index, const Item& item) {
  const detail::Form form = detail::form_of(item);
  change(*this, [&](core::Deque& deque) {
    detail::require_index(deque, index, deque.size());
    detail::with_word(deque, form, [&](Word word) { deque.set(index, word); });
  });
}

void Deque::push_back(const Item& item) {
  const detail::Form form = detail::form_of(item);
  change(*this,
         [&](core::Deque& deque) { detail::with_word(deque, form, [&](Word word) { deque.append(word); }); });
}

void Deque::push_front(const Item& item) {
  const detail::Form form = detail::form_of(item);
  change(*this, [&](core::Deque& deque) {
    detail::with_word(deque, form, [&](Word word) { deque.append_front(word); });
  });
}

Value Deque::pop_back() { return take(*this, false); }
Value Deque::pop_front() { return take(*this, true); }

void Deque::extend(std::span<const std::int64_t> numbers) { detail::extend_by(use(*this), numbers); }
void Deque::extend(std::span<const double> numbers) { detail::extend_by(use(*this), numbers); }

void Deque::rotate(std::int64_t steps) {
  change(*this, [&](core::Deque& deque) {
    const auto size = static_cast<i64>(deque.size());
    if (size != 0) deque.rotate(static_cast<u64>((steps % size + size) % size));
  });
}

void Deque::reverse() {
  change(*this, [](core::Deque& deque) { deque.reverse(); });
}

void Deque::clear() {
  change(*this, [](core::Deque& deque) { deque.clear(); });
}

// ---- Iterating

Deque::Iterator::Iterator(const Deque& deque) : deque_(deque), ended_(false) {
  const DequeMember& member = use(deque_);
  version_ = member.read_consistent([&] { return member.structure().version(); });
  read();
}

Deque::Iterator& Deque::Iterator::operator++() {
  ++index_;
  read();
  return *this;
}

void Deque::Iterator::read() {
  const DequeMember& member = use(deque_);
  ended_ = !member.read_consistent([&] {
    const core::Deque& deque = member.structure();
    if (deque.version() != version_) {
      throw StateError("'" + deque_.name() +
                       "': elements came, went or moved while it was iterated; begin again");
    }
    if (index_ >= deque.size()) return false;
    value_ = detail::value_of(deque, deque.get(index_));
    return true;
  });
}

Deque::Iterator Deque::begin() const { return Iterator(*this); }

}  // namespace emd::v2
