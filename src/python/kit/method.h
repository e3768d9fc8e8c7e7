// Methods from functions: method<"name", &function>(doc).
//
// The function takes the state of the object (see boxed.h) and then its arguments, each of a type that says how it
// comes of a Python object: here for the common ones; a class of another one has
//     bool take(State& state, PyObject* const* objects);   // false with an error set
// and kObjects if it is of more than one of them. An argument that is a std::optional may be left out. What the
// function returns becomes an object: nothing None, an empty optional None too, a bool or an integer what it is; a
// PyObject* is a new reference, or null with an error set. It may throw, as any slot. Where the state has open_late(),
// that is called first.
//
// Threads: with the GIL held, or attached where there is none.
#pragma once

#include <Python.h>

#include <algorithm>
#include <concepts>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "python/kit/boxed.h"

namespace pyr {

// ---- Arguments

template <class T>
inline constexpr Py_ssize_t kObjectsOf = 1;
template <class T>
requires requires { T::kObjects; }
inline constexpr Py_ssize_t kObjectsOf<T> = T::kObjects;

template <class T>
inline constexpr bool kMayBeLeftOut = false;
template <class T>
inline constexpr bool kMayBeLeftOut<std::optional<T>> = true;

template <class State>
bool take(State&, PyObject*& argument, PyObject* const* objects) {
  argument = objects[0];
  return true;
}
template <class State>
bool take(State&, bool& argument, PyObject* const* objects) {
  const int truth = PyObject_IsTrue(objects[0]);
  argument = truth == 1;
  return truth >= 0;
}
// An index or a length. OverflowError if it does not fit.
template <class State>
bool take(State&, Py_ssize_t& argument, PyObject* const* objects) {
  argument = PyNumber_AsSsize_t(objects[0], PyExc_OverflowError);
  return argument != -1 || !PyErr_Occurred();
}
// OverflowError if it is negative, or does not fit.
template <class State, std::unsigned_integral Number>
bool take(State&, Number& argument, PyObject* const* objects) {
  const OwnedRef integer(PyNumber_Index(objects[0]));
  const unsigned long long number = integer ? PyLong_AsUnsignedLongLong(integer.get()) : ~0ULL;
  if (number == ~0ULL && PyErr_Occurred()) return false;
  argument = static_cast<Number>(number);
  if (argument == number) return true;
  PyErr_Format(PyExc_OverflowError, "expected at most %llu, found %llu",
               static_cast<unsigned long long>(static_cast<Number>(~Number{0})), number);
  return false;
}
template <class State, class T>
requires requires(State& state, T& argument, PyObject* const* objects) { argument.take(state, objects); }
bool take(State& state, T& argument, PyObject* const* objects) { return argument.take(state, objects); }

// ---- Results

inline PyObject* as_object(PyObject* object) { return object; }
inline PyObject* as_object(OwnedRef object) { return object.release(); }
inline PyObject* as_object(bool truth) { return PyBool_FromLong(truth); }
inline PyObject* as_object(std::signed_integral auto number) { return PyLong_FromLongLong(number); }
template <std::unsigned_integral Number>
requires(!std::same_as<Number, bool>) PyObject* as_object(Number number) {
  return PyLong_FromUnsignedLongLong(number);
}
template <class T>
PyObject* as_object(const std::optional<T>& found) {
  if (!found) Py_RETURN_NONE;
  return as_object(*found);
}

// ---- Calls

template <std::size_t size>
struct MethodName {
  constexpr MethodName(const char (&name)[size]) { std::copy_n(name, size, text); }
  char text[size];
};

template <MethodName name, auto function>
struct MethodOf;
template <MethodName name, class Result, class State, class... Arguments,
          Result (*function)(State&, Arguments...)>
struct MethodOf<name, function> {
  template <class T>
  using Held = std::remove_cvref_t<T>;
  static constexpr Py_ssize_t kMost = (Py_ssize_t{0} + ... + kObjectsOf<Held<Arguments>>);
  static constexpr Py_ssize_t kLeast =
      (Py_ssize_t{0} + ... + (kMayBeLeftOut<Held<Arguments>> ? 0 : kObjectsOf<Held<Arguments>>));

  template <class T>
  static bool take_next(State& state, T& argument, PyObject* const*& next, PyObject* const* end) {
    if constexpr (kMayBeLeftOut<T>) {
      if (next == end) return true;
      return take_next(state, argument.emplace(), next, end);
    } else {
      PyObject* const* const objects = next;
      next += kObjectsOf<T>;
      return take(state, argument, objects);
    }
  }

  static PyObject* call(PyObject* self, PyObject* const* objects, Py_ssize_t count) {
    if (__builtin_expect(count < kLeast || count > kMost, 0))
      return refuse_count(name.text, kLeast, kMost, count);
    return guarded_object([&]() -> PyObject* {
      State& state = unboxed<State>(self);
      if constexpr (requires { state.open_late(); }) state.open_late();
      std::tuple<Held<Arguments>...> arguments;
      [[maybe_unused]] PyObject* const* next = objects;
      const bool taken = std::apply(
          [&](auto&... argument) { return (take_next(state, argument, next, objects + count) && ...); },
          arguments);
      if (!taken) return nullptr;
      return std::apply(
          [&](auto&... argument) -> PyObject* {
            if constexpr (std::is_void_v<Result>) {
              function(state, static_cast<Arguments>(argument)...);
              Py_RETURN_NONE;
            } else {
              return as_object(function(state, static_cast<Arguments>(argument)...));
            }
          },
          arguments);
    });
  }
  static PyObject* call_with_one(PyObject* self, PyObject* object) { return call(self, &object, 1); }
  static PyObject* call_with_none(PyObject* self, PyObject*) { return call(self, nullptr, 0); }

  static PyMethodDef definition(const char* doc) {
    if constexpr (kMost == 0) {
      return {name.text, &call_with_none, METH_NOARGS, doc};
    } else if constexpr (kMost == 1 && kLeast == 1) {
      return {name.text, &call_with_one, METH_O, doc};
    } else {
      return {name.text, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call)), METH_FASTCALL,
              doc};
    }
  }
};

template <MethodName name, auto function>
PyMethodDef method(const char* doc = nullptr) {
  return MethodOf<name, function>::definition(doc);
}

// A method with keywords: function(state, args, kwargs) parses them.
template <auto function>
struct KeywordsOf;
template <class State, PyObject* (*function)(State&, PyObject*, PyObject*)>
struct KeywordsOf<function> {
  static PyObject* call(PyObject* self, PyObject* args, PyObject* kwargs) {
    return guarded_object([&] { return function(unboxed<State>(self), args, kwargs); });
  }
};
template <MethodName name, auto function>
PyMethodDef method_with_keywords(const char* doc) {
  return {name.text, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&KeywordsOf<function>::call)),
          METH_VARARGS | METH_KEYWORDS, doc};
}

inline constexpr PyMethodDef kEndOfMethods{nullptr, nullptr, 0, nullptr};

}  // namespace pyr
