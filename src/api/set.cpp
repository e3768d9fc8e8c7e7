// Set of the C++ library: a dict of keys without values, in the encoding of keys.
#include "api/encoding.h"
#include "api/open_store.h"
#include "api/record_walk.h"

namespace emd::v2 {

using detail::Encoded;
using SetMember = detail::MemberOf<core::Set>;

namespace {

SetMember& use(const Set& handle) { return detail::use<core::Set>(handle); }

}  // namespace

std::uint64_t Set::size() const {
  const SetMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

bool Set::contains(BytesView element) const {
  const Encoded encoded(element);
  const SetMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().find(encoded.bytes()).has_value(); });
}

bool Set::insert(BytesView element) {
  const Encoded encoded(element);
  const SetMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().put(encoded.bytes(), {}, {});
}

bool Set::erase(BytesView element) {
  const Encoded encoded(element);
  const SetMember& member = use(*this);
  const Operation operation(member.core());
  return member.structure().erase(encoded.bytes());
}

void Set::clear() {
  const SetMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().clear();
}

namespace detail {
class SetWalk : public RecordWalk<core::Set> {
 public:
  using RecordWalk::RecordWalk;
};
}  // namespace detail

Set::Iterator::Iterator(std::shared_ptr<detail::SetWalk> walk) : walk_(std::move(walk)) { ++*this; }

Set::Iterator& Set::Iterator::operator++() {
  if (walk_->step()) {
    element_ = walk_->key();
  } else {
    walk_.reset();
  }
  return *this;
}

Set::Iterator Set::begin() const { return Iterator(std::make_shared<detail::SetWalk>(*this)); }

}  // namespace emd::v2
