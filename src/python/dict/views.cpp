// Iterators over an EMDict and the base types of its views.
//
// An iterator keeps the position of the record it gave last. It refuses to go on when a key was inserted or
// removed, or a transaction was rolled back, since then, or the dict was opened anew; new values for old keys are
// allowed. Beside a writer in another process it also makes sure that the record at its position is the one it gave.
// See iterators.h.
#include <algorithm>
#include <iterator>
#include <new>

#include "base/hash.h"
#include "python/dict/object.h"
#include "python/kit/iterators.h"

namespace pyr {
namespace {

// How far an iterator has come.
struct Reached {
  bool started;
  emd::RecordPos position;
  u64 key_hash;  // of the record at `position`; kept only beside a writer
  Py_ssize_t remaining;
};

struct DictIterator {
  PyObject_HEAD SharedRef dict;  // empty when exhausted
  Part part;
  bool backwards;
  u64 version;
  u64 epoch;
  Reached reached;
  emd::Scan scan;
};

struct DictView {
  PyObject_HEAD PyObject* dict;
};

PyTypeObject* g_iterator_type = nullptr;
PyTypeObject* g_dict_type = nullptr;
PyTypeObject* g_view_types[3] = {};  // of keys, values, items

DictIterator& iterator_of(PyObject* object) { return *reinterpret_cast<DictIterator*>(object); }

// One that is exhausted yet.
DictIterator* new_iterator(Ref& object) {
  auto* const self = PyObject_GC_New(DictIterator, g_iterator_type);
  if (!self) return nullptr;
  object = Ref(reinterpret_cast<PyObject*>(self));
  new (&self->dict) SharedRef;
  new (&self->scan) emd::Scan;
  self->part = Part::key;
  self->backwards = false;
  self->version = self->epoch = 0;
  self->reached = {};
  PyObject_GC_Track(object.get());
  return self;
}

PyObject* make_iterator(PyObject* dict, Part part, bool backwards) {
  return guarded_object([&]() -> PyObject* {
    Ref object;
    DictIterator* const self = new_iterator(object);
    if (!self) return nullptr;
    self->dict.exchange(Ref::borrowed(dict));
    self->part = part;
    self->backwards = backwards;
    DictContainer& container = dict_container(dict);
    container.read([&] {
      self->version = container.dict().version();
      self->epoch = container.epoch();
      self->reached.remaining = static_cast<Py_ssize_t>(container.dict().size());
    });
    return object.release();
  });
}

// ---- Iterator slots ----------------------------------------------------------------------------------

// Preconditions of these: within a read.

bool is_current(const DictIterator& self, DictContainer& container) {
  return container.dict().version() == self.version && container.epoch() == self.epoch;
}

// Beside a writer a position may have become that of another record, or of none, without a change of version().
bool stands_on_its_record(const Reached& reached, const emd::Dict& dict) {
  try {
    return !reached.started || emd::hash64(dict.key_at(reached.position), 0) == reached.key_hash;
  } catch (const emd::DamagedError&) {
    return false;
  }
}

std::optional<emd::Dict::Record> step(const DictIterator& self, const emd::Dict& dict) {
  const Reached& reached = self.reached;
  if (self.backwards) return reached.started ? dict.previous(reached.position) : dict.last();
  return reached.started ? dict.next(reached.position) : dict.first();
}

enum class Outcome { given, exhausted, changed, changed_by_writer };

// Takes the next record; `reached` becomes where the iterator is then.
template <bool kLive>
__attribute__((always_inline)) inline Outcome advance(DictIterator& self, DictContainer& container,
                                                      Reached& reached, TakenRecord& record) {
  const emd::Dict& dict = container.dict();
  if (!is_current(self, container)) return kLive ? Outcome::changed_by_writer : Outcome::changed;
  if (kLive && !stands_on_its_record(self.reached, dict)) return Outcome::changed_by_writer;
  const auto next = step(self, dict);
  if (!next) return Outcome::exhausted;
  dict.reached(next->position, self.scan);
  const u64 key_hash = kLive ? emd::hash64(next->key, 0) : 0;
  reached = {true, next->position, key_hash, self.reached.remaining - 1};
  record.take(*next);
  return Outcome::given;
}

PyObject* refuse_changed(Outcome outcome) {
  PyErr_SetString(PyExc_RuntimeError,
                  outcome == Outcome::changed
                      ? "dictionary changed size during iteration"
                      : "dictionary changed during iteration, by a commit of its writer: iterate "
                        "under `with d.snapshot():`");
  return nullptr;
}

PyObject* iterator_next(PyObject* object) {
  DictIterator& self = iterator_of(object);
  const Ref dict = self.dict.get();
  if (!dict) return nullptr;
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(dict.get());
    TakenRecord record(container, self.part, TakenRecord::Place::free);
    Outcome outcome{};
    do {
      const Container::Entered entered(container);
      if (__builtin_expect(!container.live(), 1)) {
        outcome = advance<false>(self, container, self.reached, record);
        break;
      }
      Reached reached;
      outcome = container.look([&] { return advance<true>(self, container, reached, record); });
      if (outcome == Outcome::given && !record.must_grow()) self.reached = reached;
    } while (outcome == Outcome::given && record.grow());
    if (__builtin_expect(outcome == Outcome::given, 1)) return record.object();
    if (outcome != Outcome::exhausted) return refuse_changed(outcome);
    self.dict.exchange(Ref());
    return nullptr;
  });
}

PyObject* iterator_length_hint(PyObject* object, PyObject*) {
  DictIterator& self = iterator_of(object);
  const Ref dict = self.dict.get();
  if (!dict || !dict_container(dict.get()).attached()) return PyLong_FromLong(0);
  return guarded_object([&]() -> PyObject* {
    DictContainer& container = dict_container(dict.get());
    const Py_ssize_t left =
        container.read([&] { return is_current(self, container) ? self.reached.remaining : 0; });
    return PyLong_FromSsize_t(left > 0 ? left : 0);
  });
}

PyObject* iterator_reduce(PyObject* object, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    DictIterator& self = iterator_of(object);
    Ref twin;
    DictIterator* const other = new_iterator(twin);
    if (Ref dict = self.dict.get(); other && dict) {
      const Container::Entered entered(dict_container(dict.get()));
      other->part = self.part;
      other->backwards = self.backwards;
      other->version = self.version;
      other->epoch = self.epoch;
      other->reached = self.reached;
      other->dict.exchange(std::move(dict));
    }
    return reduced_iterator(twin);
  });
}

int iterator_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  return iterator_of(object).dict.traverse(visit, arg);
}

void iterator_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  iterator_of(object).dict.~SharedRef();
  iterator_of(object).scan.~Scan();
  PyObject_GC_Del(object);
  Py_DECREF(type);
}

PyMethodDef iterator_methods[] = {
    {"__length_hint__", iterator_length_hint, METH_NOARGS, "How many items are left."},
    {"__reduce__", iterator_reduce, METH_NOARGS, "The items left, as an iterator over a list."},
    {nullptr, nullptr, 0, nullptr}};

PyType_Slot iterator_slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(iterator_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(iterator_traverse)},
                                {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                {Py_tp_iternext, reinterpret_cast<void*>(iterator_next)},
                                {Py_tp_methods, iterator_methods},
                                {0, nullptr}};

PyType_Spec iterator_spec = {"pyrsistence._core.DictIterator", sizeof(DictIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             iterator_slots};

// ---- Views -------------------------------------------------------------------------------------------

PyObject* view_dict(PyObject* view) { return reinterpret_cast<DictView*>(view)->dict; }

PyObject* view_new(PyTypeObject* type, PyObject* args, PyObject*) {
  PyObject* dict = nullptr;
  if (!PyArg_ParseTuple(args, "O!", g_dict_type, &dict)) return nullptr;
  PyObject* self = type->tp_alloc(type, 0);
  if (self) reinterpret_cast<DictView*>(self)->dict = Py_NewRef(dict);
  return self;
}

int view_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(view_dict(self));
  return 0;
}

void view_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  Py_CLEAR(reinterpret_cast<DictView*>(self)->dict);
  type->tp_free(self);
  Py_DECREF(type);
}

Py_ssize_t view_length(PyObject* self) { return PyObject_Size(view_dict(self)); }

template <Part kPart>
PyObject* view_iter(PyObject* self) {
  return make_iterator(view_dict(self), kPart, false);
}

template <Part kPart>
PyObject* view_reversed(PyObject* self, PyObject*) {
  return make_iterator(view_dict(self), kPart, true);
}

int keys_contains(PyObject* self, PyObject* key) { return PySequence_Contains(view_dict(self), key); }

int items_contains(PyObject* self, PyObject* item) {
  if (!PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) return 0;
  return guarded(-1, [&] {
    DictContainer& container = dict_container(view_dict(self));
    Buffer canonical;
    if (!encode_key(container, PyTuple_GET_ITEM(item, 0), canonical)) return -1;
    const Ref value(dict_value(container, canonical.bytes()));
    if (!value) return PyErr_Occurred() ? -1 : 0;
    return PyObject_RichCompareBool(value.get(), PyTuple_GET_ITEM(item, 1), Py_EQ);
  });
}

PyObject* view_mapping(PyObject* self, void*) { return Py_NewRef(view_dict(self)); }

PyGetSetDef view_getset[] = {{"mapping", view_mapping, nullptr, "The dict this is a view of.", nullptr},
                             {nullptr, nullptr, nullptr, nullptr, nullptr}};

template <Part kPart>
PyMethodDef view_methods[] = {
    {"__reversed__", view_reversed<kPart>, METH_NOARGS, "Iterate backwards, the last inserted first."},
    {nullptr, nullptr, 0, nullptr}};

template <Part kPart>
PyTypeObject* add_view_type(PyObject* module, const char* name, const char* qualified, objobjproc contains) {
  PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(view_new)},
                         {Py_tp_dealloc, reinterpret_cast<void*>(view_dealloc)},
                         {Py_tp_traverse, reinterpret_cast<void*>(view_traverse)},
                         {Py_tp_iter, reinterpret_cast<void*>(view_iter<kPart>)},
                         {Py_tp_methods, view_methods<kPart>},
                         {Py_tp_getset, view_getset},
                         {Py_sq_length, reinterpret_cast<void*>(view_length)},
                         {contains ? Py_sq_contains : 0, reinterpret_cast<void*>(contains)},
                         {0, nullptr}};
  PyType_Spec spec = {qualified, sizeof(DictView), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return add_type(module, name, spec);
}

}  // namespace

PyObject* dict_iter(PyObject* self) { return make_iterator(self, Part::key, false); }
PyObject* dict_reversed(PyObject* self, PyObject*) { return make_iterator(self, Part::key, true); }

bool is_dict_iterator(PyObject* object) { return Py_IS_TYPE(object, g_iterator_type); }

bool shows_dict(PyObject* object, PyObject* dict) {
  const bool is_view = std::any_of(std::begin(g_view_types), std::end(g_view_types),
                                   [&](PyTypeObject* type) { return PyObject_TypeCheck(object, type); });
  if (is_dict_iterator(object)) return iterator_of(object).dict.get().get() == dict;
  return object == dict || (is_view && reinterpret_cast<DictView*>(object)->dict == dict);
}

bool add_dict_view_types(PyObject* module, PyTypeObject* dict_type) {
  g_dict_type = dict_type;
  g_iterator_type = add_type(module, "DictIterator", iterator_spec);
  if (!g_iterator_type) return false;
  g_view_types[0] = add_view_type<Part::key>(module, "KeysBase", "pyrsistence._core.KeysBase", keys_contains);
  g_view_types[1] = add_view_type<Part::value>(module, "ValuesBase", "pyrsistence._core.ValuesBase", nullptr);
  g_view_types[2] =
      add_view_type<Part::item>(module, "ItemsBase", "pyrsistence._core.ItemsBase", items_contains);
  return std::all_of(std::begin(g_view_types), std::end(g_view_types),
                     [](PyTypeObject* type) { return type != nullptr; });
}

}  // namespace pyr
