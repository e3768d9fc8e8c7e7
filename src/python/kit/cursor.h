// Cursor: the iterators of all containers.
//
// A cursor belongs to one opening of its container (StoreHandle::opening(), or an epoch or version that differs between
// them): what was opened in its place is another container. It advances only while the container is entered, so that
// threads that share it are each given other elements; what it has taken is made an object outside.
//
// A walk is what differs by the kind: where it stands. It says
//     using Owner;                                    the container
//     static constexpr const char* kTypeName;
//     struct Item;                                    what a step takes out: Item(owner, walk), object()
//     Step advance(Owner& owner, Item& item);         while entered: takes the next
//     bool grow(Item& item)                           outside: whether the step is to be repeated
//     PyObject* refuse(Step step)                     sets the error of a walk that cannot go on; returns null
//     Py_ssize_t left(Owner& owner) const             while entered: how many are left, for __length_hint__; optional
// A copy of a walk stands where it does. It is moved only until its cursor is made.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include "python/kit/method.h"
#include "python/kit/threads.h"

namespace pyr {

// What came of a step: an item, the end, or the container is another one now (the walk says which error that is).
enum class Step { given, exhausted, changed, changed_by_writer };

// What __reduce__ gives, so that iterators can be copied and pickled: what is left, as a list's iterator. `rest` is an
// iterable of it, or null with an error set.
PyObject* reduced_iterator(const OwnedRef& rest);

template <class Walk>
class Cursor {
 public:
  using Owner = typename Walk::Owner;
  static constexpr const char* kTypeName = Walk::kTypeName;
  static constexpr unsigned long kFlags = Py_TPFLAGS_DISALLOW_INSTANTIATION;

  Cursor(OwnedRef owner, Walk walk) noexcept : walk_(std::move(walk)) { owner_.exchange(std::move(owner)); }
  int traverse(visitproc visit, void* arg) const { return owner_.traverse(visit, arg); }
  void clear() { owner_.exchange(OwnedRef()); }

  // A new iterator, or null with an error set.
  static PyObject* make(PyObject* owner, Walk walk) {
    return TypeOf<Cursor>::make(TypeOf<Cursor>::get(), OwnedRef::borrowed(owner), std::move(walk));
  }
  static bool add_type(PyObject* module) {
    static PyMethodDef methods[] = {
        method<"__reduce__", &Cursor::reduce>("What is left, as an iterator over a list."), kEndOfMethods,
        kEndOfMethods};
    if constexpr (kKnowsLeft)
      methods[1] = method<"__length_hint__", &Cursor::length_hint>("How many are left.");
    return TypeOf<Cursor>::add(module, {{Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                        slot<&Cursor::next>(Py_tp_iternext),
                                        {Py_tp_methods, methods}});
  }
  static bool is(PyObject* object) { return Py_IS_TYPE(object, TypeOf<Cursor>::get()); }
  // Whether it is one over this container that is not exhausted.
  static bool is_over(PyObject* object, PyObject* owner) {
    return is(object) && unboxed<Cursor>(object).owner_.get().get() == owner;
  }

  // ---- Slots and methods

  static PyObject* next(Cursor& self) {
    const OwnedRef object = self.owner_.get();
    if (!object) return nullptr;
    Owner& owner = unboxed<Owner>(object.get());
    typename Walk::Item item(owner, self.walk_);
    Step step{};
    do {
      const typename Owner::EntryGuard entered(owner);
      step = self.walk_.advance(owner, item);
    } while (step == Step::given && item.grow());
    if (__builtin_expect(step == Step::given, 1)) return item.object();
    if (step != Step::exhausted) return self.walk_.refuse(step);
    self.owner_.exchange(OwnedRef());
    return nullptr;
  }
  static PyObject* reduce(Cursor& self) {
    OwnedRef owner = self.owner_.get();
    if (!owner) return reduced_iterator(OwnedRef(PyTuple_New(0)));
    Walk walk;
    {
      const typename Owner::EntryGuard entered(unboxed<Owner>(owner.get()));
      walk = self.walk_;
    }
    return reduced_iterator(OwnedRef(make(owner.get(), std::move(walk))));
  }
  static Py_ssize_t length_hint(Cursor& self) {
    const OwnedRef object = self.owner_.get();
    if (!object || !unboxed<Owner>(object.get()).attached()) return 0;
    Owner& owner = unboxed<Owner>(object.get());
    const Py_ssize_t left = owner.read([&] { return self.walk_.left(owner); });
    return left > 0 ? left : 0;
  }

 private:
  static constexpr bool kKnowsLeft = requires(const Walk& walk, Owner& owner) { walk.left(owner); };

  SharedRef owner_;  // empty when exhausted
  Walk walk_;
};

}  // namespace pyr
