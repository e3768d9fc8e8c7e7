// Boxed: a Python object with a C++ object in it, and the type of such objects.
//
// A state says of itself: kTypeName, "pyrsistence._core.<name>"; kFlags, of its type beside the usual ones; traverse(),
// the references that it holds; clear() if it can be part of a cycle that it has to break; kWeakReferences if there may
// be such to it. Its slots are functions of the state: slot<&function>().
//
// Threads: with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>
#include <structmember.h>

#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "python/kit/errors.h"
#include "python/kit/owned_ref.h"

namespace pyr {

struct PlainHead {
  PyObject_HEAD
};
struct WeakHead {
  PyObject_HEAD PyObject* weak_references;
};

template <class State>
concept WeaklyReferenced = State::kWeakReferences;

template <class State>
struct Boxed {
  std::conditional_t<WeaklyReferenced<State>, WeakHead, PlainHead> head;
  State state;
};

template <class State>
State& unboxed(PyObject* object) {
  return reinterpret_cast<Boxed<State>*>(object)->state;
}

// What a slot returns with an error set.
template <class Result>
inline constexpr Result kFailed = static_cast<Result>(-1);
template <>
inline constexpr PyObject* kFailed<PyObject*> = nullptr;

template <auto function>
struct SlotOf;
template <class Result, class State, class... Arguments, Result (*function)(State&, Arguments...)>
struct SlotOf<function> {
  static Result call(PyObject* self, Arguments... arguments) {
    return guarded(kFailed<Result>, [&]() -> Result { return function(unboxed<State>(self), arguments...); });
  }
};

// The slot `id`, by a function of the state and of what CPython passes beside the object.
template <auto function>
PyType_Slot slot(int id) {
  return {id, reinterpret_cast<void*>(&SlotOf<function>::call)};
}

template <class State>
class TypeOf {
 public:
  static PyTypeObject* get() { return type_; }
  static bool is(PyObject* object) { return PyObject_TypeCheck(object, type_); }

  // A new object of this type or one derived from it: a new reference, or null with an error set.
  template <class... Arguments>
  static PyObject* make(PyTypeObject* type, Arguments&&... arguments) {
    static_assert(std::is_nothrow_constructible_v<State, Arguments&&...>);
    PyObject* const self = type->tp_alloc(type, 0);
    if (self) new (&unboxed<State>(self)) State(std::forward<Arguments>(arguments)...);
    return self;
  }

  // Makes the type, with these slots beside those of every object, and adds it to the module. False with an error set.
  static bool add(PyObject* module, std::vector<PyType_Slot> slots) {
    static PyMemberDef members[] = {{"__weaklistoffset__", T_PYSSIZET, sizeof(PyObject), READONLY, nullptr},
                                    {nullptr, 0, 0, 0, nullptr}};
    slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(&deallocate)});
    slots.push_back({Py_tp_traverse, reinterpret_cast<void*>(&traverse)});
    slots.push_back({Py_tp_clear, reinterpret_cast<void*>(&clear)});
    if (WeaklyReferenced<State>) slots.push_back({Py_tp_members, members});
    slots.push_back({0, nullptr});
    PyType_Spec spec{State::kTypeName, sizeof(Boxed<State>), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | State::kFlags, slots.data()};
    type_ = add_type(module, spec);
    return type_ != nullptr;
  }

 private:
  static int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return unboxed<State>(self).traverse(visit, arg);
  }
  static int clear(PyObject* self) {
    if constexpr (requires(State & state) { state.clear(); }) unboxed<State>(self).clear();
    return 0;
  }
  static void deallocate(PyObject* self) {
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if constexpr (WeaklyReferenced<State>) {
      if (reinterpret_cast<WeakHead*>(self)->weak_references) PyObject_ClearWeakRefs(self);
    }
    unboxed<State>(self).~State();
    type->tp_free(self);
    Py_DECREF(type);
  }

  static inline PyTypeObject* type_ = nullptr;
};

// One reference, for states: what they show, iterate over, or belong to.
inline int traverse(const OwnedRef& ref, visitproc visit, void* arg) {
  Py_VISIT(ref.get());
  return 0;
}

}  // namespace pyr
