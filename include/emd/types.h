// What a store calls the types of items, keys and values: NumPy's type strings, so that Python finds the same.
//
// Threads: any.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

namespace emd {
inline namespace v2 {

// Of bool and the numbers as NumPy has them ("|b1", "<i4", "<f8"); of a plain structure "|V24", bytes that mean nothing
// to Python. Specialize it to give a structure its fields:
//
//   template <>
//   struct emd::TypeText<Point> {
//     static std::string of_items() { return R"([["x","<f8"],["y","<f8"]])"; }         // of an Array
//     static std::string of_rows() { return "[('x', '<f8'), ('y', '<f8')]"; }          // of a TypedDict
//   };
template <class T>
struct TypeText {
  static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> && !std::is_reference_v<T>,
                "what is stored is bytes: a number, a bool, or a plain structure without pointers");
  static_assert(!std::same_as<T, long double>, "long double has another size on another machine");

  static std::string of_items() {
    if constexpr (std::same_as<T, bool>) return "|b1";
    if constexpr (std::is_arithmetic_v<T>) {
      const char kind = std::floating_point<T> ? 'f' : std::unsigned_integral<T> ? 'u' : 'i';
      return std::string(sizeof(T) == 1 ? "|" : "<") + kind + std::to_string(sizeof(T));
    }
    return "|V" + std::to_string(sizeof(T));
  }
  static std::string of_rows() { return of_items(); }
};

}  // namespace v2
}  // namespace emd
