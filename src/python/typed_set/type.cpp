// The EMTypedSet base type: its slots and methods, as far as they are not those of a typed dict; and walks that give
// the bytes of many elements at a time. The algebra is written in Python (pyrsistence/_containers/set_algebra.py).
#include "python/typed_set/object.h"

#include <utility>
#include <vector>

#include "python/core/batch.h"
#include "python/kit/cursor.h"
#include "structures/set/row_walk.h"

namespace pyr {
namespace {

// ---- Walks

// What a walk has to find again. Within a read.
using State = std::pair<u64, u64>;
State state_of(TypedContainer& set) { return {set.any_dict().version(), set.epoch()}; }

// Gives the bytes of elements, some thousand at a time.
struct BlockWalk {
  using Owner = TypedSetContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.TypedSetBlocks";
  struct Item {
    Item(TypedSetContainer&, const BlockWalk&) {}
    PyObject* object() const {
      return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bytes.data()),
                                       static_cast<Py_ssize_t>(bytes.size()));
    }
    // Where many elements were passed by, others have their turn.
    bool grow() {
      if (!bytes.empty()) return false;
      require(let_others_in());
      return true;
    }
    std::vector<u8> bytes;
  };

  State state = {};
  emd::RowWalk rows = {};
  emd::Scan scan = {};
  bool more = true;

  Step advance(TypedSetContainer& set, Item& item) {
    emd::RowWalk then;
    bool more_then = false;
    const Step step = set.read_consistent([&] {
      item.bytes.clear();
      if (state_of(set) != state) return set.live() ? Step::changed_by_writer : Step::changed;
      then = rows;
      more_then = more && then.next(set.any_dict(), scan, [&](Bytes key) {
        item.bytes.insert(item.bytes.end(), key.begin(), key.end());
      });
      return more_then || !item.bytes.empty() ? Step::given : Step::exhausted;
    });
    if (step != Step::given) return step;
    rows = then;
    more = more_then;
    return step;
  }
  static PyObject* refuse(Step step) {
    PyErr_SetString(PyExc_RuntimeError, step == Step::changed
                                            ? "Set changed size during iteration"
                                            : "Set changed during iteration, by a commit of its writer: "
                                              "iterate under `with s.snapshot():`");
    return nullptr;
  }
};

// How members_of() reads a set, which stays in this state.
emd::MembershipReader<emd::TypedDict> reader_of(TypedSetContainer& set, State state) {
  return [&set, state](const emd::MembershipPart<emd::TypedDict>& part) {
    set.read([&] {
      if (state_of(set) != state) throw emd::StateError("Set changed size during iteration");
      part(set.any_dict());
    });
  };
}

// Of all elements; or of those that another set of the same type has too, or has not.
PyObject* blocks(TypedSetContainer& set, PyObject* other_object, bool wanted) {
  BlockWalk walk;
  if (other_object == Py_None) {
    set.read([&] { walk.state = state_of(set); });
    return Cursor<BlockWalk>::make(set.self(), std::move(walk));
  }
  if (!TypeOf<TypedSetContainer>::is(other_object)) {
    PyErr_Format(PyExc_TypeError, "expected an EMTypedSet, found %.100s", Py_TYPE(other_object)->tp_name);
    return nullptr;
  }
  TypedSetContainer& other = unboxed<TypedSetContainer>(other_object);
  const Container::SnapshotGuard held(set), other_held(other);
  u64 memory = 0;
  set.read([&] {
    set.dict(set.columns());
    walk.state = state_of(set);
    memory = set.store().buffer_budget();
  });
  const State other_state = other.read([&] {
    other.dict(other.columns());
    return state_of(other);
  });
  if (!set.columns().keys.is_same(other.columns().keys)) {
    PyErr_SetString(PyExc_TypeError, "expected a set of elements of the same type");
    return nullptr;
  }
  walk.rows = {emd::members_of(reader_of(set, walk.state), reader_of(other, other_state), memory,
                               [] { require(let_others_in()); }),
               wanted};
  return Cursor<BlockWalk>::make(set.self(), std::move(walk));
}

PyObject* iterate(TypedSetContainer& set) { return typed_iterator(set, TypedPart::element, false); }
PyObject* iterate_backwards(TypedSetContainer& set) { return typed_iterator(set, TypedPart::element, true); }

// ---- One element

PyObject* add(TypedSetContainer& set, PyObject* element) {
  const Columns& columns = set.columns();
  ScalarBytes bytes(columns.keys.bytes());
  if (columns.keys.encode(element, bytes.data()) != Column::Fit::yes) return nullptr;
  const Container::EntryGuard entered(set);
  set.change([&] { set.dict(columns).put(bytes.data(), nullptr); });
  Py_RETURN_NONE;
}

// Errors by exception: PythonError.
bool erase(TypedSetContainer& set, PyObject* element) {
  const Columns& columns = set.columns();
  ScalarBytes bytes(columns.keys.bytes());
  const EncodedKey encoded = encode_wanted(set, columns.keys, element, bytes);
  require(encoded != EncodedKey::failed);
  if (encoded == EncodedKey::never) return false;
  const Container::EntryGuard entered(set);
  return set.change([&] { return set.dict(columns).erase(bytes.data()); });
}

void discard(TypedSetContainer& set, PyObject* element) { erase(set, element); }

void remove(TypedSetContainer& set, PyObject* element) {
  if (erase(set, element)) return;
  set_key_error(element);
  throw PythonError();
}

PyObject* pop(TypedSetContainer& set) {
  PyObject* const element = typed_pop_last(set, TypedPart::element);
  if (!element && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "pop from an empty set");
  return element;
}

PyMethodDef methods[] = {
    method<"add", &add>("add($self, element, /)\n--\n\nAdd an element, unless it is there.\n\n**Cost**: a "
                        "look-up; an insertion if it is new."),
    method<"discard", &discard>("discard($self, element, /)\n--\n\nRemove an element if it is "
                                "there.\n\n**Cost**: a look-up, and a removal."),
    method<"remove", &remove>("remove($self, element, /)\n--\n\nRemove an element; KeyError if it is not "
                              "there.\n\n**Cost**: as discard()."),
    method<"pop", &pop>("pop($self, /)\n--\n\nRemove the element added last and return it; KeyError if there "
                        "is none.\n\n**Cost**: a look-up."),
    method<"clear", &typed_clear>(
        "clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1); space returns at a checkpoint."),
    method<"__reversed__", &iterate_backwards>("Iterate over the elements, the last added first."),
    method<"_configure_types", &typed_configure>("Set the type of the elements."),
    method<"_layout_of_rows", &typed_layout>("Return what EMTypedDict's does."),
    method<"_contains_many", &typed_contains_many>("Note in a buffer which elements are there."),
    method<"_put_many", &typed_put_many>("Add elements; the second buffer is empty."),
    method<"_find_many", &typed_find_many>("Find elements, or remove them."),
    method<"_pack", &typed_pack>("Return the bytes of objects, and which of them fit."),
    method<"_unpack", &typed_unpack>("Return the objects of bytes."),
    method<"_column_bytes", &typed_column_bytes>("Return a copy of the elements."),
    method<"_rows_view", &typed_view>("Return an object whose buffer is the rows."),
    method<"_blocks", &blocks>("Iterate over the bytes of all elements, or of those that another set has "
                               "too, or has not."),
    kEndOfMethods};

}  // namespace

bool add_typed_set_types(PyObject* module) {
  return add_container_type<TypedSetContainer>(
             module, methods,
             {slot<&iterate>(Py_tp_iter),
              {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
              slot<&typed_length>(Py_mp_length),
              slot<&typed_length>(Py_sq_length),
              slot<&typed_contains>(Py_sq_contains)}) &&
         Cursor<BlockWalk>::add_type(module);
}

}  // namespace pyr
