// See live_dicts.h. What counts is references, as the garbage collector does: an object to which more refer than those
// that were met among the dicts and what is in them is held by somebody else, who may change it.
#include "python/graph/live_dicts.h"

#include <new>
#include <unordered_map>
#include <vector>

#include "python/codec/immutable.h"
#include "python/codec/support.h"
#include "python/graph/object.h"

namespace pyr {

namespace {

// An object that is in more dicts than that is a value shared by all of them (a default, a configuration): that
// somebody else refers to it says nothing about one of them. It also bounds what is kept: so many dicts for an object
// held.
constexpr unsigned kMostShared = 16;

class Survey {
 public:
  explicit Survey(PyObject* live_type) : live_type_(reinterpret_cast<PyTypeObject*>(live_type)) {}

  // A dict, to which one reference is known.
  void add(PyObject* live) {
    found_[live].inside = 1;
    lives_.push_back(live);
  }
  // False, with an error set or not, where not all could be found out.
  bool count() {
    for (PyObject* live : lives_) {
      if (!walk(live, true)) return false;
    }
    return true;
  }
  // Precondition: count() was true.
  bool is_held(PyObject* live) {
    held_ = false;
    return !walk(live, false) || held_;
  }

 private:
  struct Found {
    Py_ssize_t inside = 0;  // references met
    unsigned lives = 0;     // dicts that it is in
    std::size_t walk = 0;   // the last walk that has met it
  };

  bool walk(PyObject* live, bool counting) {
    ++walk_;
    counting_ = counting;
    failed_ = false;
    todo_.clear();
    meet(live, false);
    while (!todo_.empty() && !failed_ && !held_) {
      PyObject* const object = todo_.back();
      todo_.pop_back();
      expand(object);
    }
    return !failed_;
  }

  void meet(PyObject* object, bool referred) {
    Found& found = found_[object];
    if (counting_ && referred && counts_references_) ++found.inside;
    if (found.walk == walk_) return;
    found.walk = walk_;
    if (counting_) ++found.lives;
    if (found.lives > kMostShared) return;
    if (!counting_ && references(object) > found.inside) held_ = true;
    todo_.push_back(object);
  }

  void expand(PyObject* object) {
    counts_references_ = found_[object].lives == 1;  // else they have been counted
    if (PyDict_CheckExact(object) || is_live(object)) {
      expand_dict(object);
    } else if (PyObject_IS_GC(object) && Py_TYPE(object)->tp_traverse) {
      expand_any(object);
    }
  }

  // Keys cannot be changed in place.
  void expand_dict(PyObject* dict) {
    Py_ssize_t position = 0;
    PyObject *key, *value;
    while (PyDict_Next(dict, &position, &key, &value)) met(value);
    if (!is_live(dict)) return;
    for (const char* name : {"_owner", "_before"}) {
      const OwnedRef part(PyObject_GetAttrString(dict, name));
      if (!part) return PyErr_Clear();
      if (PyDict_Check(part.get())) met(part.get());
    }
  }

  void met(PyObject* value) {
    if (is_immutable(value) || PyModule_Check(value) || TypeOf<GraphContainer>::is(value)) return;
    meet(value, true);
  }

  static int visit(PyObject* value, void* survey) {
    Survey& self = *static_cast<Survey*>(survey);
    try {
      self.met(value);
    } catch (const std::bad_alloc&) {  // not through the frames of what is traversed
      self.failed_ = true;
    }
    return self.failed_ ? 1 : 0;
  }

#ifdef Py_GIL_DISABLED
  // Other threads go on: gc.get_referents() stops them for a moment, and what it gives is held until the end.
  void expand_any(PyObject* object) {
    static PyObject* referents = nullptr;
    if (!imported(referents, "gc", "get_referents")) return fail();
    OwnedRef list(PyObject_CallOneArg(referents, object));
    if (!list) return fail();
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i) met(PyList_GET_ITEM(list.get(), i));
    kept_.push_back(std::move(list));
  }
  void fail() {
    PyErr_Clear();
    failed_ = true;
  }
  Py_ssize_t references(PyObject* object) const {
    Py_ssize_t own = 0;
    for (const OwnedRef& list : kept_) {
      for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list.get()); ++i)
        own += PyList_GET_ITEM(list.get(), i) == object;
    }
    return Py_REFCNT(object) - own;
  }
  std::vector<OwnedRef> kept_;
#else
  void expand_any(PyObject* object) { Py_TYPE(object)->tp_traverse(object, visit, this); }
  static Py_ssize_t references(PyObject* object) { return Py_REFCNT(object); }
#endif

  bool is_live(PyObject* object) const { return PyObject_TypeCheck(object, live_type_); }

  PyTypeObject* live_type_;
  std::vector<PyObject*> lives_;
  std::unordered_map<PyObject*, Found> found_;
  std::vector<PyObject*> todo_;
  std::size_t walk_ = 0;
  bool counting_ = false;
  bool counts_references_ = false;
  bool failed_ = false;
  bool held_ = false;
};

// unheld(kept, type): the keys of those dicts of a dict of them, of this type, to which nobody but it refers, nor to
// anything in them that can be changed.
PyObject* unheld(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 2 || !PyDict_Check(args[0]) || !PyType_Check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "expected a dict and a type");
    return nullptr;
  }
  PyObject* const kept = args[0];
  try {
    OwnedRef keys(PyList_New(0));
    if (!keys) return nullptr;
    Survey survey(args[1]);
    Py_ssize_t position = 0;
    PyObject *key, *live;
    while (PyDict_Next(kept, &position, &key, &live)) survey.add(live);
    if (!survey.count()) return keys.release();
    position = 0;
    while (PyDict_Next(kept, &position, &key, &live)) {
      if (!survey.is_held(live) && PyList_Append(keys.get(), key) < 0) return nullptr;
    }
    return keys.release();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

// replace(dict, content): dict.clear() and dict.update() with nothing in between, as an interrupt.
PyObject* replace(PyObject*, PyObject* const* args, Py_ssize_t count) {
  if (count != 2 || !PyDict_Check(args[0]) || !PyDict_Check(args[1])) {
    PyErr_SetString(PyExc_TypeError, "expected two dicts");
    return nullptr;
  }
  const OwnedRef content(PyDict_Copy(args[1])), before(PyDict_Copy(args[0]));
  if (!content || !before) return nullptr;
  PyDict_Clear(args[0]);
  if (PyDict_Update(args[0], content.get()) < 0) return nullptr;
  Py_RETURN_NONE;
}

PyCFunction as_fast(PyObject* (*function)(PyObject*, PyObject* const*, Py_ssize_t)) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

}  // namespace

int add_live_functions(PyObject* module) {
  static PyMethodDef functions[] = {
      {"unheld", as_fast(unheld), METH_FASTCALL,
       "The keys of those of a dict's attribute dicts to which nobody else refers."},
      {"replace", as_fast(replace), METH_FASTCALL, "Replace the content of a dict by that of another."},
      {nullptr, nullptr, 0, nullptr},
  };
  return PyModule_AddFunctions(module, functions);
}

}  // namespace pyr
