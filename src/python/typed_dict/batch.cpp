// The batches of EMTypedDict: keys and values in buffers, one behind the other as the types say, in chunks.
//
// A chunk that reads is one consistent read, a chunk that changes is one operation: beside a writer a read stays short,
// and commits that are due are made between chunks. The GIL is released in long batches.
#include <algorithm>
#include <optional>
#include <vector>

#include "python/array/region_view.h"
#include "python/typed_dict/object.h"
#include "structures/typed_dict/sweep.h"

namespace pyr {
namespace {

constexpr u64 kChunk = 8192;  // keys
// Batches of fewer keys do not let go of the GIL.
constexpr u64 kLongKeys = 512;

void require_size(u64 found, u64 expected, const char* what) {
  if (found == expected) return;
  PyErr_Format(PyExc_ValueError, "expected %llu bytes of %s, found %llu",
               static_cast<unsigned long long>(expected), what, static_cast<unsigned long long>(found));
  throw PythonError();
}

// The keys of a batch: canonical ones, chunk by chunk.
class Keys {
 public:
  Keys(const Columns& columns, const ReadBuffer& buffer) : column_(columns.keys), view_(buffer) {
    if (column_.bytes() == 0 || view_.size() % column_.bytes() != 0) {
      PyErr_SetString(PyExc_ValueError, "expected whole keys");
      throw PythonError();
    }
    count_ = view_.size() / column_.bytes();
    if (!column_.always_canonical()) room_.resize(std::min(count_, kChunk) * column_.bytes());
  }
  u64 count() const { return count_; }
  // From a key on, where all lie as they are; null: only chunk() gives them.
  const u8* in_place(u64 first) const {
    return column_.always_canonical() ? view_.data() + first * column_.bytes() : nullptr;
  }
  // Precondition: count is at most kChunk.
  const u8* chunk(u64 first, u64 count) {
    const u8* const from = view_.data() + first * column_.bytes();
    if (column_.always_canonical()) return from;
    column_.canonical(from, count, room_.data());
    return room_.data();
  }

 private:
  const Column& column_;
  const ReadBuffer& view_;
  u64 count_ = 0;
  std::vector<u8> room_;
};

// Calls work(first, count) for chunk after chunk, entered. The columns are the dict's.
template <class Work>
void in_chunks(TypedContainer& container, const Columns& columns, u64 count, Work&& work) {
  const Container::EntryGuard entered(container);
  container.dict(columns);
  const auto all = [&] {
    for (u64 first = 0; first < count; first += kChunk) work(first, std::min(kChunk, count - first));
  };
  if (count < kLongKeys) {
    all();
  } else {
    container.handle().run_long(all);
  }
}

// The same for what reads, of one state. work(read) calls read(part) for part after part: consistent reads of their
// own.
template <class Work>
void while_reading(TypedContainer& container, const Columns& columns, u64 count, Work&& work) {
  std::optional<Container::SnapshotGuard> snapshot;
  if (count > kChunk) snapshot.emplace(container);
  const Container::EntryGuard entered(container);
  container.dict(columns);
  const auto read = [&](auto&& part) {
    container.handle().require_snapshot();
    return container.store().read_consistent(container.member(), part);
  };
  if (count < kLongKeys) {
    work(read);
  } else {
    container.handle().run_long([&] { work(read); });
  }
}

template <class Work>
void change_chunks(TypedContainer& container, const Columns& columns, u64 count, Work&& work) {
  in_chunks(container, columns, count, [&](u64 first, u64 here) {
    const emd::Operation operation(container.store());
    work(first, here);
  });
}

emd::TypedDict::Number number_of(const Column& values) {
  using Number = emd::TypedDict::Number;
  const bool integer = values.type_class() == Column::TypeClass::signed_integer ||
                       values.type_class() == Column::TypeClass::unsigned_integer;
  if (integer && values.bytes() == 1) return Number::integer8;
  if (integer && values.bytes() == 2) return Number::integer16;
  if (integer && values.bytes() == 4) return Number::integer32;
  if (integer && values.bytes() == 8) return Number::integer64;
  if (values.type_class() == Column::TypeClass::real && values.bytes() == 4) return Number::float32;
  if (values.type_class() == Column::TypeClass::real && values.bytes() == 8) return Number::float64;
  PyErr_Format(PyExc_TypeError, "values of type %s cannot be added: expected integers, f4 or f8",
               values.name().c_str());
  throw PythonError();
}

// Where find_many() puts what it finds of some keys.
struct Results {
  u8* values;
  u8* found;
  const u8* missing;
};

// How many of the keys from `first` on a sweep is worth; zero: a chunk is.
u64 sweep_keys(TypedContainer& container, const Keys& keys, u64 first) {
  if (keys.in_place(first) == nullptr) return 0;
  return emd::TypedDict::Sweep::keys_of(container.any_dict(), keys.count() - first,
                                        container.store().buffer_budget());
}

// The same as chunk after chunk, for many keys at once.
template <class Read>
u64 sweep(TypedContainer& container, Read& read, const u8* keys, u64 count, const Results& to) {
  emd::TypedDict::Sweep sweep =
      read([&] { return emd::TypedDict::Sweep(container.any_dict(), keys, count); });
  for (u64 at = 0; at < count;) at = read([&] { return sweep.name_rows(container.any_dict(), at); });
  sweep.turn();
  u64 hits = 0;
  for (u64 at = 0, here = 0; at < count; hits += here) {
    at = read(
        [&] { return sweep.take_values(container.any_dict(), at, to.values, to.found, to.missing, here); });
  }
  return hits;
}

}  // namespace

u64 typed_find_many(TypedContainer& container, const ReadBuffer& key_bytes, const WriteBuffer& out,
                    const OrNone<WriteBuffer>& found, const OrNone<ReadBuffer>& missing, bool erase) {
  const Columns& columns = container.columns();
  Keys keys(columns, key_bytes);
  const u32 value_bytes = columns.values.bytes();
  require_size(out.size(), keys.count() * value_bytes, "values");
  if (found.given()) require_size(found.size(), keys.count(), "flags");
  if (missing.given()) require_size(missing.size(), value_bytes, "the default");
  u64 hits = 0;
  const auto results = [&](u64 first) {
    return Results{out.data() + first * value_bytes, found.data() ? found.data() + first : nullptr,
                   missing.data()};
  };
  if (erase) {
    change_chunks(container, columns, keys.count(), [&](u64 first, u64 here) {
      const Results to = results(first);
      hits += container.any_dict().erase_many(keys.chunk(first, here), here, to.values, to.found, to.missing);
    });
  } else {
    while_reading(container, columns, keys.count(), [&](auto& read) {
      for (u64 first = 0, here; first < keys.count(); first += here) {
        here = sweep_keys(container, keys, first);
        if (here != 0) {
          hits += sweep(container, read, keys.in_place(first), here, results(first));
        } else {
          here = std::min(kChunk, keys.count() - first);
          const u8* const chunk = keys.chunk(first, here);
          const Results to = results(first);
          hits += read(
              [&] { return container.any_dict().find_many(chunk, here, to.values, to.found, to.missing); });
        }
      }
    });
  }
  return hits;
}

void typed_contains_many(TypedContainer& container, const ReadBuffer& key_bytes, const WriteBuffer& found) {
  const Columns& columns = container.columns();
  Keys keys(columns, key_bytes);
  require_size(found.size(), keys.count(), "flags");
  while_reading(container, columns, keys.count(), [&](auto& read) {
    for (u64 first = 0; first < keys.count(); first += kChunk) {
      const u64 here = std::min(kChunk, keys.count() - first);
      const u8* const chunk = keys.chunk(first, here);
      read([&] { return container.any_dict().contains_many(chunk, here, found.data() + first); });
    }
  });
}

void typed_put_many(TypedContainer& container, const ReadBuffer& key_bytes, const ReadBuffer& values) {
  const Columns& columns = container.columns();
  Keys keys(columns, key_bytes);
  require_size(values.size(), keys.count() * columns.values.bytes(), "values");
  change_chunks(container, columns, keys.count(), [&](u64 first, u64 here) {
    container.any_dict().put_many(keys.chunk(first, here), values.data() + first * columns.values.bytes(),
                                  here);
  });
}

void typed_add_many(TypedContainer& container, const ReadBuffer& key_bytes, const ReadBuffer& deltas) {
  const Columns& columns = container.columns();
  const emd::TypedDict::Number number = number_of(columns.values);
  Keys keys(columns, key_bytes);
  require_size(deltas.size(), keys.count() * columns.values.bytes(), "deltas");
  change_chunks(container, columns, keys.count(), [&](u64 first, u64 here) {
    container.any_dict().add_many(keys.chunk(first, here), deltas.data() + first * columns.values.bytes(),
                                  here, number);
  });
}

// ---- Objects to buffers and back

namespace {

// A zeroed bytearray.
OwnedRef new_bytes(u64 size) {
  OwnedRef result(PyByteArray_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
  if (!result) throw PythonError();
  std::memset(PyByteArray_AS_STRING(result.get()), 0, size);
  return result;
}

u8* bytes_of(const OwnedRef& bytearray) {
  return reinterpret_cast<u8*>(PyByteArray_AS_STRING(bytearray.get()));
}

}  // namespace

PyObject* typed_pack(TypedContainer& container, bool keys, PyObject* objects, bool wanted) {
  const Columns& columns = container.columns();
  const Column& column = keys ? columns.keys : columns.values;
  const OwnedRef sequence(PySequence_Tuple(objects));
  if (!sequence) return nullptr;
  const u64 count = static_cast<u64>(PyTuple_GET_SIZE(sequence.get()));
  OwnedRef bytes(new_bytes(count * column.bytes()));
  OwnedRef fits(new_bytes(count));
  ScalarBytes one(column.bytes());  // encoding may run code, and that resize what it reaches
  for (u64 i = 0; i < count; ++i) {
    PyObject* const object = PyTuple_GET_ITEM(sequence.get(), static_cast<Py_ssize_t>(i));
    if (wanted) {
      const EncodedKey encoded = encode_wanted(container, column, object, one);
      if (encoded == EncodedKey::failed) return nullptr;
      if (encoded == EncodedKey::never) continue;
    } else if (column.encode(object, one.data()) != Column::Fit::yes) {
      return nullptr;
    }
    std::memcpy(bytes_of(bytes) + i * column.bytes(), one.data(), one.size());
    bytes_of(fits)[i] = 1;
  }
  return PyTuple_Pack(2, bytes.get(), fits.get());
}

PyObject* typed_unpack(TypedContainer& container, bool keys, const ReadBuffer& view) {
  const Columns& columns = container.columns();
  const Column& column = keys ? columns.keys : columns.values;
  const u64 count = column.bytes() == 0 ? 0 : view.size() / column.bytes();
  OwnedRef list(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) return nullptr;
  for (u64 i = 0; i < count; ++i) {
    PyObject* const object = column.decode(view.data() + i * column.bytes());
    if (!object) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), object);
  }
  return list.release();
}

// Read twice: how much it is, and then, of the same state, the bytes.
PyObject* typed_column_bytes(TypedContainer& container, bool of_keys) {
  const Container::SnapshotGuard snapshot(container);
  const auto item_bytes = [of_keys](const emd::TypedDict& dict) -> u64 {
    return of_keys ? dict.key_bytes() : dict.value_bytes();
  };
  while (true) {
    const u64 size =
        container.read([&] { return container.any_dict().size() * item_bytes(container.any_dict()); });
    OwnedRef bytes(new_bytes(size));
    bool same = false;
    {
      const Container::EntryGuard entered(container);
      same = container.read_long_if(true, [&] {
        const emd::TypedDict& dict = container.any_dict();
        const u64 each = item_bytes(dict);
        u64 left = size / each;
        if (dict.size() != left) return false;
        u8* to = bytes_of(bytes);
        u64 row = dict.first_live();
        for (; row != emd::TypedDict::kNone && left != 0; row = dict.next_live(row + 1), to += each, --left)
          std::memcpy(to, of_keys ? dict.key_at(row) : dict.value_at(row), each);
        if (left != 0 || row != emd::TypedDict::kNone) dict.damaged_counts();
        return true;
      });
    }
    if (same) return bytes.release();
  }
}

PyObject* typed_view(TypedContainer& container) {
  return make_region_view(container, false, [&] {
    const emd::TypedDict& rows = container.any_dict();
    if (rows.dead_count() != 0) {
      throw emd::StateError(rows.rows().path() + ": " + std::to_string(rows.dead_count()) +
                            " removed rows lie between the others; call compact() first, or take a copy");
    }
    return ViewedItems{rows.view_rows()};
  });
}

}  // namespace pyr
