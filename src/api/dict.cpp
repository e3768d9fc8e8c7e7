// Dict of the C++ library: texts and bytes as keys and values, encoded as Python encodes them (encoding.h).
#include "api/encoding.h"
#include "api/open_store.h"
#include "api/record_walk.h"

namespace emd::v2 {

using detail::Encoded;
using DictMember = detail::MemberOf<core::Dict>;

namespace {

DictMember& use(const Dict& handle) { return detail::use<core::Dict>(handle); }

// work(the value, encoded), if there is one; on one committed state.
template <class Work>
bool with_value(const Dict& handle, BytesView key, const Work& work) {
  const Encoded encoded(key);
  const DictMember& member = use(handle);
  return member.read_consistent([&] {
    const auto record = member.structure().find(encoded.bytes());
    if (record) work(record->value);
    return record.has_value();
  });
}

[[noreturn]] void refuse_size(const Dict& handle, u64 expected, u64 found) {
  throw FormatError("'" + handle.name() + "': expected a value of " + std::to_string(expected) +
                    " bytes, found " + std::to_string(found));
}

}  // namespace

std::uint64_t Dict::size() const {
  const DictMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

bool Dict::contains(BytesView key) const {
  return with_value(*this, key, [](Bytes) {});
}

bool Dict::get(BytesView key, std::string& value) const {
  return with_value(*this, key, [&](Bytes found) { value = detail::decoded(found); });
}

std::optional<std::string> Dict::get(BytesView key) const {
  std::optional<std::string> value;
  with_value(*this, key, [&](Bytes found) { value = detail::decoded(found); });
  return value;
}

bool Dict::read_value(BytesView key, void* to, std::size_t bytes) const {
  return with_value(*this, key, [&](Bytes found) {
    const std::string_view value = detail::decoded(found);
    if (__builtin_expect(value.size() != bytes, 0)) refuse_size(*this, bytes, value.size());
    std::memcpy(to, value.data(), bytes);
  });
}

bool Dict::put(BytesView key, BytesView value) {
  const Encoded encoded_key(key), encoded_value(value);
  const DictMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().put(encoded_key.bytes(), {}, encoded_value.bytes());
}

bool Dict::erase(BytesView key) {
  const Encoded encoded(key);
  const DictMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().erase(encoded.bytes());
}

void Dict::clear() {
  const DictMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().clear();
}

// ---- Iterating

namespace detail {
class DictWalk : public RecordWalk<core::Dict> {
 public:
  using RecordWalk::RecordWalk;
};
}  // namespace detail

Dict::Iterator::Iterator(std::shared_ptr<detail::DictWalk> walk) : walk_(std::move(walk)) { ++*this; }

Dict::Iterator& Dict::Iterator::operator++() {
  if (walk_->step()) {
    entry_ = {walk_->key(), walk_->value()};
  } else {
    walk_.reset();
  }
  return *this;
}

Dict::Iterator Dict::begin() const { return Iterator(std::make_shared<detail::DictWalk>(*this)); }

}  // namespace emd::v2
