// Array: its header, changes in place and by writing anew, and check().
#include "structures/array/array.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/errors.h"
#include "structures/array/header.h"

namespace emd {

static_assert(sizeof(ArrayHeader) + Array::kMaxTypeBytes <= Array::kDataAt);

u64 Array::Type::item_bytes() const {
  if (shape.size() > kMaxDimensions || dtype.empty() || dtype.size() > kMaxTypeBytes) return 0;
  if (element_bytes > kMaxItemBytes) return 0;
  u64 bytes = element_bytes;
  for (const u64 length : shape) {
    if (length > kMaxItemBytes || (length != 0 && bytes > kMaxItemBytes / length)) return 0;
    bytes *= length;
  }
  return bytes;
}

Array::Array(Store&, Member& member) : region_(member.region(0)) {
  if (region_.size() == 0) return;
  type_ = read_type();
  item_bytes_ = type_.item_bytes();
  size();
}

void Array::damaged(const std::string& what) const {
  throw DamagedError("array: " + what + "; run verify(), and restore the store from a backup",
                     region_.path());
}

void Array::size_damaged() const {
  damaged("expected a header of " + std::to_string(kDataAt) + " bytes, found " +
          std::to_string(region_.size()));
}

void Array::count_damaged(u64 count) const {
  damaged("expected at most " + std::to_string((region_.size() - kDataAt) / item_bytes_) +
          " items, the header says " + std::to_string(count));
}

Array::Type Array::read_type() const {
  if (region_.size() < kDataAt) size_damaged();
  const ArrayHeader header = load<ArrayHeader>(region_.data());
  if (header.magic != kArrayMagic)
    damaged("expected the magic number of an array, found " + std::to_string(header.magic));
  if (header.format != kArrayFormat) {
    throw FormatError("array: format " + std::to_string(header.format) + " of " + region_.path() +
                      " is not known here; this version reads format " + std::to_string(kArrayFormat));
  }
  if (header.dimensions > kMaxDimensions || header.type_bytes > kMaxTypeBytes) {
    damaged("expected at most " + std::to_string(kMaxDimensions) + " dimensions and a type of " +
            std::to_string(kMaxTypeBytes) + " bytes, found " + std::to_string(header.dimensions) + " and " +
            std::to_string(header.type_bytes));
  }
  Type type;
  type.dtype.assign(reinterpret_cast<const char*>(region_.data()) + sizeof header, header.type_bytes);
  type.element_bytes = header.element_bytes;
  type.shape.assign(header.shape, header.shape + header.dimensions);
  if (type.item_bytes() == 0) damaged("the header describes items of no bytes, or of too many");
  return type;
}

namespace {

std::string title(const Array::Type& type) {
  std::string text = "dtype " + type.dtype;
  if (type.shape.empty()) return text;
  text += " and shape_tail (";
  for (const u64 length : type.shape) text += std::to_string(length) + ",";
  return text + ")";
}

}  // namespace

void Array::require(const OpenAs& wanted) const {
  const bool other_dtype = wanted.dtype_given && type_.dtype != wanted.type.dtype;
  const bool other_shape = wanted.shape_given && type_.shape != wanted.type.shape;
  if (!other_dtype && !other_shape) return;
  throw FormatError("the array holds items of " + title(type_) + ", not of " + title(wanted.type) +
                    ": leave them out, or make a new array");
}

void Array::lay_out(const Type& type) {
  EMD_CHECK(!laid_out() && type.item_bytes() != 0);
  ArrayHeader header;
  header.element_bytes = type.element_bytes;
  header.dimensions = static_cast<u32>(type.shape.size());
  header.type_bytes = static_cast<u32>(type.dtype.size());
  std::copy(type.shape.begin(), type.shape.end(), header.shape);
  Type kept = type;
  region_.reserve(kDataAt - region_.size());
  region_.extend(kDataAt - region_.size());
  u8* const page = region_.writable(0, kDataAt);
  store(page, header);
  std::memcpy(page + sizeof header, type.dtype.data(), type.dtype.size());
  type_ = std::move(kept);
  item_bytes_ = type_.item_bytes();
}

void Array::set_count(u64 count) { store(region_.writable(kCountAt, sizeof count), count); }

Region::View Array::view(bool writable) { return region_.view(kDataAt, size() * item_bytes_, writable); }

// ---- Changes

void Array::set(u64 from, Bytes items) {
  EMD_DCHECK(items.size() % item_bytes_ == 0 && from + items.size() / item_bytes_ <= size());
  if (!items.empty())
    std::memmove(region_.writable(offset_of(from), items.size()), items.data(), items.size());
}

void Array::scatter(std::span<const u64> indices, Bytes items) {
  EMD_DCHECK(items.size() == indices.size() * item_bytes_);
  const u8* from = items.data();
  for (const u64 index : indices) {
    EMD_DCHECK(index < size());
    std::memcpy(region_.writable(offset_of(index), item_bytes_), from, item_bytes_);
    from += item_bytes_;
  }
}

// The region grows first, which may fail; the room that was there is written, and counts, when it cannot any more.
void Array::extend(Bytes items) {
  EMD_DCHECK(items.size() % item_bytes_ == 0);
  if (items.empty()) return;
  const u64 count = size();
  const u64 begin = offset_of(count);
  const u64 in_room = std::min<u64>(items.size(), region_.size() - begin);
  if (in_room < items.size()) region_.append(items.subspan(in_room));
  if (in_room != 0) std::memcpy(region_.writable(begin, in_room), items.data(), in_room);
  set_count(count + items.size() / item_bytes_);
}

void Array::zero(u64 from, u64 to) {
  if (from < to) std::memset(region_.writable(from, to - from), 0, to - from);
}

void Array::add_zeros(u64 count) {
  const u64 begin = offset_of(size()), end = offset_of(count), used = region_.size();
  if (end > used) {
    region_.extend_untouched(end - used);
    zero(used, std::min(end, region_.viewed_end()));  // through which may have been stored after a rollback
  }
  zero(begin, std::min(end, used));
  set_count(count);
}

void Array::resize(u64 count) {
  const u64 before = size();
  if (count > before) {
    if (count > (~u64{0} / 2 - kDataAt) / item_bytes_)
      throw SystemError(EFBIG, "cannot hold " + std::to_string(count) + " items", region_.path());
    return add_zeros(count);
  }
  if (count == before) return;
  if (region_.view_count() != 0 && offset_of(count) < region_.viewed_end())
    region_.require_no_views("shrinking the array");
  const bool wasteful = region_.size() > kRewriteThreshold && offset_of(count) < region_.size() / 2;
  if (wasteful && region_.view_count() == 0) return write_anew(count);
  set_count(count);
}

void Array::write_anew(u64 count) {
  Region::Rewrite anew = region_.rewrite(offset_of(count));
  std::vector<u8> head(region_.data(), region_.data() + kDataAt);
  store(head.data() + kCountAt, count);
  anew.write(0, head);
  anew.write(kDataAt, items(0, count));
  region_.finish(std::move(anew));
}

// ---- Inspection

Array::Stats Array::stats() const {
  const u64 bytes = size() * item_bytes_;
  return {size(), item_bytes_, bytes, region_.size() - kDataAt - bytes, region_.view_count()};
}

void Array::check(Findings& findings) const {
  if (region_.size() == 0) return;
  try {
    // 1. The header is an array's, and describes items of at least a byte.
    // 2. They are those that this object knows: a type never changes.
    if (read_type() != type_)
      findings.push_back({"array at 0", "the type is not what it was when it was opened"});
    // 3. The region holds as many items as it says.
    size();
    // 4. What follows the type's text in the header is zero: nobody has written there.
    const ArrayHeader header = load<ArrayHeader>(region_.data());
    const u8* const end = region_.data() + kDataAt;
    const u8* const rest = region_.data() + sizeof header + header.type_bytes;
    if (std::any_of(rest, end, [](u8 byte) { return byte != 0; }))
      findings.push_back(
          {"array at " + std::to_string(rest - region_.data()), "expected zeros behind the type"});
    // 5. So are the lengths of dimensions that it does not have.
    if (std::any_of(header.shape + header.dimensions, header.shape + kMaxDimensions,
                    [](u64 length) { return length != 0; }))
      findings.push_back({"array at 32", "expected zeros behind the shape"});
  } catch (const Error& error) {
    findings.push_back({region_.path(), error.what()});
  }
}

}  // namespace emd
