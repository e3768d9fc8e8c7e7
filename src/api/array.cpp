// Array<T> of the C++ library: what does not depend on T. It moves bytes.
#include <algorithm>

#include "api/open_store.h"

namespace emd::v2 {

using ArrayMember = detail::MemberOf<core::Array>;

detail::ArrayBase Store::open_array(std::string_view name, std::string_view type,
                                    std::uint64_t element_bytes) {
  const core::Array::OpenAs wanted{{std::string(type), element_bytes, {}}, true, true};
  auto member = detail::open_member<core::Array>(store_, name, wanted);
  // A text that is as wanted may lie beside another size, in a file of a stranger or of another structure of this name.
  const u64 found = static_cast<ArrayMember&>(*member).structure().item_bytes();
  if (found != element_bytes) {
    throw FormatError("'" + std::string(name) + "' in '" + path() + "': expected items of " +
                      std::to_string(element_bytes) + " bytes, found " + std::to_string(found));
  }
  return detail::Access::array(std::move(member));
}

namespace detail {

// It is given up before the store may be, and not at all in a fork's child.
class View {
 public:
  View(std::shared_ptr<OpenStore> store, Region::View view)
      : store_(std::move(store)), view_(std::make_unique<Region::View>(std::move(view))) {}
  ~View() {
    if (store_->lost()) (void)view_.release();
    view_.reset();
  }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const Region::View& bytes() const { return *view_; }

 private:
  std::shared_ptr<OpenStore> store_;
  std::unique_ptr<Region::View> view_;
};

namespace {

ArrayMember& use(const ArrayBase& handle) { return detail::use<core::Array>(handle); }

// The end of the items that begin at `from` and have so many bytes. Errors: RangeError.
u64 end_of(const core::Array& array, u64 from, u64 bytes) {
  const u64 size = array.size(), count = bytes / array.item_bytes();
  if (from <= size && count <= size - from) return from + count;
  throw RangeError("expected items within an array of " + std::to_string(size) + ", found " +
                   std::to_string(count) + " from " + std::to_string(from) + " on");
}

Bytes as_items(const void* items, std::size_t bytes) { return {static_cast<const u8*>(items), bytes}; }

}  // namespace

std::uint64_t ArrayBase::size() const {
  const ArrayMember& member = use(*this);
  return member.read_consistent([&] { return member.structure().size(); });
}

void ArrayBase::resize(std::uint64_t count) {
  const ArrayMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().resize(count);
}

void ArrayBase::read(std::uint64_t from, void* to, std::size_t bytes) const {
  const ArrayMember& member = use(*this);
  member.read_consistent([&] {
    const core::Array& array = member.structure();
    const u64 end = end_of(array, from, bytes);
    if (bytes != 0) std::memcpy(to, array.items(from, end).data(), bytes);
  });
}

void ArrayBase::write(std::uint64_t from, const void* items, std::size_t bytes) {
  const ArrayMember& member = use(*this);
  const Operation operation(member.core());
  end_of(member.structure(), from, bytes);
  member.structure().set(from, as_items(items, bytes));
}

void ArrayBase::append(const void* items, std::size_t bytes) {
  const ArrayMember& member = use(*this);
  const Operation operation(member.core());
  member.structure().extend(as_items(items, bytes));
}

std::shared_ptr<View> ArrayBase::view(bool writable, void*& data, std::uint64_t& count) const {
  ArrayMember& member = use(*this);
  core::Store& store = member.core();
  if (writable && store.read_only())
    throw ReadOnlyError(store.path() + ": opened with Mode::read, so it has no writable view");
  if (store.live()) {
    member.store().require_snapshot();
    if (!store.in_snapshot()) {
      throw StateError(
          store.path() +
          ": a view of it would change whenever its writer commits; take it, and use it, while a "
          "snapshot() is held, or read() a copy");
    }
  }
  auto view = std::make_shared<View>(
      member.share_store(), member.read_consistent([&] { return member.structure().view(writable); }));
  data = view->bytes().data();
  count = view->bytes().size() / member.structure().item_bytes();
  return view;
}

}  // namespace detail
}  // namespace emd::v2
