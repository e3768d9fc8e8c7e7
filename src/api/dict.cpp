#include "api/encoding.h"
#include "api/open_store.h"

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
  return member.look([&] {
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
  return member.look([&] { return member.structure().size(); });
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

// Where an iterator is, and a copy of the record there.
class DictWalk {
 public:
  explicit DictWalk(const Dict& dict) : dict_(dict) {
    const DictMember& member = use<core::Dict>(dict_);
    member.look([&] { version_ = member.structure().version(); });
  }

  // False at the end.
  bool step(Dict::Entry& entry) {
    const DictMember& member = use<core::Dict>(dict_);
    const bool found = member.look([&] { return take(member.structure()); });
    begun_ = true;
    position_ = next_;
    entry = {key_, value_};
    return found;
  }

 private:
  bool take(const core::Dict& dict) {
    if (dict.version() != version_) {
      throw StateError("'" + dict_.name() + "': a key has come or gone while it was iterated; begin again");
    }
    const auto record = begun_ ? dict.next(position_) : dict.first();
    if (!record) return false;
    next_ = record->position;
    key_ = decoded(record->key);
    value_ = decoded(record->value);
    dict.reached(next_, scan_);
    return true;
  }

  Dict dict_;
  u64 version_ = 0;
  bool begun_ = false;
  RecordPos position_{}, next_{};
  Scan scan_;
  std::string key_, value_;
};

}  // namespace detail

Dict::Iterator::Iterator(std::shared_ptr<detail::DictWalk> walk) : walk_(std::move(walk)) { ++*this; }

Dict::Iterator& Dict::Iterator::operator++() {
  if (!walk_->step(entry_)) walk_.reset();
  return *this;
}

Dict::Iterator Dict::begin() const { return Iterator(std::make_shared<detail::DictWalk>(*this)); }

}  // namespace emd::v2
