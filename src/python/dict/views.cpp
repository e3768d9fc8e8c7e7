// Iterators over an EMDict and the base types of its views.
//
// An iterator keeps the position of the record it gave last. It refuses to go on when a key was inserted or
// removed, or a transaction was rolled back, since then, or the dict was opened anew; new values for old keys are
// allowed. Beside a writer in another process it also makes sure that the record at its position is the one it gave.
// See iterators.h.
#include <optional>

#include "base/hash.h"
#include "python/dict/object.h"
#include "python/kit/cursor.h"

namespace pyr {
namespace {

// How far an iterator has come.
struct Reached {
  bool started = false;
  emd::RecordPos position{};
  u64 key_hash = 0;  // of the record at `position`; kept only beside a writer
  Py_ssize_t remaining = 0;
};

struct DictWalk {
  using Owner = DictContainer;
  static constexpr const char* kTypeName = "pyrsistence._core.DictIterator";
  struct Item : ExtractedRecord {
    Item(DictContainer& container, const DictWalk& walk)
        : ExtractedRecord(container, walk.part, Admission::if_free) {}
  };

  Part part = Part::key;
  bool backwards = false;
  u64 version = 0;
  u64 epoch = 0;
  Reached reached = {};
  emd::Scan scan = {};

  Step advance(DictContainer& container, Item& item);
  static PyObject* refuse(Step step);
  Py_ssize_t left(DictContainer& container) const { return is_current(container) ? reached.remaining : 0; }

 private:
  bool is_current(DictContainer& container) const;
  bool stands_on_its_record(const emd::Dict& dict) const;
  std::optional<emd::Dict::Record> next(const emd::Dict& dict) const;
  template <bool kLive>
  Step take(DictContainer& container, Reached& then, Item& item);
};
using DictCursor = Cursor<DictWalk>;

PyObject* make_iterator(PyObject* dict, Part part, bool backwards) {
  DictContainer& container = unboxed<DictContainer>(dict);
  DictWalk walk{part, backwards};
  container.read([&] {
    walk.version = container.dict().version();
    walk.epoch = container.epoch();
    walk.reached.remaining = static_cast<Py_ssize_t>(container.dict().size());
  });
  return DictCursor::make(dict, std::move(walk));
}

// Within a read, as the next three.
bool DictWalk::is_current(DictContainer& container) const {
  return container.dict().version() == version && container.epoch() == epoch;
}

// Beside a writer a position may have become that of another record, or of none, without a change of version().
bool DictWalk::stands_on_its_record(const emd::Dict& dict) const {
  try {
    return !reached.started || emd::hash64(dict.key_at(reached.position), 0) == reached.key_hash;
  } catch (const emd::DamagedError&) {
    return false;
  }
}

std::optional<emd::Dict::Record> DictWalk::next(const emd::Dict& dict) const {
  if (backwards) return reached.started ? dict.previous(reached.position) : dict.last();
  return reached.started ? dict.next(reached.position) : dict.first();
}

// Takes the next record; `then` becomes where the iterator is then.
template <bool kLive>
__attribute__((always_inline)) inline Step DictWalk::take(DictContainer& container, Reached& then,
                                                          Item& item) {
  const emd::Dict& dict = container.dict();
  if (!is_current(container)) return kLive ? Step::changed_by_writer : Step::changed;
  if (kLive && !stands_on_its_record(dict)) return Step::changed_by_writer;
  const auto record = next(dict);
  if (!record) return Step::exhausted;
  dict.reached(record->position, scan);
  const u64 key_hash = kLive ? emd::hash64(record->key, 0) : 0;
  then = {true, record->position, key_hash, reached.remaining - 1};
  item.take(*record);
  return Step::given;
}

inline Step DictWalk::advance(DictContainer& container, Item& item) {
  if (__builtin_expect(!container.live(), 1)) return take<false>(container, reached, item);
  Reached then;
  const Step step = container.read_consistent([&] { return take<true>(container, then, item); });
  if (step == Step::given && !item.must_grow()) reached = then;
  return step;
}

PyObject* DictWalk::refuse(Step step) {
  PyErr_SetString(PyExc_RuntimeError, step == Step::changed
                                          ? "dictionary changed size during iteration"
                                          : "dictionary changed during iteration, by a commit of its writer: "
                                            "iterate under `with d.snapshot():`");
  return nullptr;
}

// ---- Views -------------------------------------------------------------------------------------------

// The keys, values or items of a dict.
template <Part kPart>
struct DictView {
  static constexpr const char* kTypeName = kPart == Part::key     ? "pyrsistence._core.KeysBase"
                                           : kPart == Part::value ? "pyrsistence._core.ValuesBase"
                                                                  : "pyrsistence._core.ItemsBase";
  static constexpr unsigned long kFlags = Py_TPFLAGS_BASETYPE;

  explicit DictView(OwnedRef shown) noexcept : dict(std::move(shown)) {}
  int traverse(visitproc visit, void* arg) const { return pyr::traverse(dict, visit, arg); }

  const OwnedRef dict;
};

template <Part kPart>
PyObject* view_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject* dict = nullptr;
  if (!PyArg_ParseTuple(args, "O!", TypeOf<DictContainer>::get(), &dict)) return nullptr;
  return TypeOf<DictView<kPart>>::make(type, OwnedRef::borrowed(dict));
}

template <Part kPart>
Py_ssize_t view_length(DictView<kPart>& view) {
  return PyObject_Size(view.dict.get());
}

template <Part kPart>
PyObject* view_iter(DictView<kPart>& view) {
  return make_iterator(view.dict.get(), kPart, false);
}

template <Part kPart>
PyObject* view_reversed(DictView<kPart>& view) {
  return make_iterator(view.dict.get(), kPart, true);
}

int keys_contains(DictView<Part::key>& view, PyObject* key) {
  return PySequence_Contains(view.dict.get(), key);
}

int items_contains(DictView<Part::item>& view, PyObject* item) {
  if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) return 0;
  DictContainer& container = unboxed<DictContainer>(view.dict.get());
  Buffer canonical;
  if (!encode_key(container, PyTuple_GET_ITEM(item, 0), canonical)) return -1;
  const OwnedRef value(dict_value(container, canonical.bytes()));
  if (!value) return PyErr_Occurred() ? -1 : 0;
  return PyObject_RichCompareBool(value.get(), PyTuple_GET_ITEM(item, 1), Py_EQ);
}

template <Part kPart>
PyObject* view_mapping(PyObject* self, void*) {
  return Py_NewRef(unboxed<DictView<kPart>>(self).dict.get());
}

template <Part kPart>
bool add_view_type(PyObject* module, std::vector<PyType_Slot> slots = {}) {
  static PyMethodDef methods[] = {
      method<"__reversed__", &view_reversed<kPart>>("Iterate backwards, the last inserted first."),
      kEndOfMethods};
  static PyGetSetDef getset[] = {
      {"mapping", view_mapping<kPart>, nullptr, "The dict this is a view of.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr}};
  slots.push_back({Py_tp_new, reinterpret_cast<void*>(&view_new<kPart>)});
  slots.push_back(slot<&view_iter<kPart>>(Py_tp_iter));
  slots.push_back({Py_tp_methods, methods});
  slots.push_back({Py_tp_getset, getset});
  slots.push_back(slot<&view_length<kPart>>(Py_sq_length));
  return TypeOf<DictView<kPart>>::add(module, std::move(slots));
}

template <Part kPart>
bool is_view_of(PyObject* object, PyObject* dict) {
  return TypeOf<DictView<kPart>>::is(object) && unboxed<DictView<kPart>>(object).dict.get() == dict;
}

}  // namespace

PyObject* dict_iter(DictContainer& container) { return make_iterator(container.self(), Part::key, false); }
PyObject* dict_reversed(DictContainer& container) { return make_iterator(container.self(), Part::key, true); }

bool is_dict_iterator(PyObject* object) { return DictCursor::is(object); }

bool shows_dict(PyObject* object, PyObject* dict) {
  return object == dict || DictCursor::is_over(object, dict) || is_view_of<Part::key>(object, dict) ||
         is_view_of<Part::value>(object, dict) || is_view_of<Part::item>(object, dict);
}

bool add_dict_view_types(PyObject* module) {
  return DictCursor::add_type(module) &&
         add_view_type<Part::key>(module, {slot<&keys_contains>(Py_sq_contains)}) &&
         add_view_type<Part::value>(module) &&
         add_view_type<Part::item>(module, {slot<&items_contains>(Py_sq_contains)});
}

}  // namespace pyr
