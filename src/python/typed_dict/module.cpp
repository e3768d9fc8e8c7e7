#include "python/typed_dict/module.h"

#include <nanobind/stl/string.h>

#include <string>
#include <utility>

#include "python/typed_dict/object.h"

namespace nb = nanobind;

namespace pyr {
namespace {

TypedContainer& typed_at(nb::handle object) {
  if (!is_typed_object(object.ptr())) throw nb::type_error("not an EMTypedDict");
  return typed_container(object.ptr());
}

// What a function of object.h gives; null stands for the error it has set.
nb::object given(PyObject* object) {
  if (object == nullptr) throw PythonError();
  return nb::steal(object);
}

void typed_configure(nb::handle object, nb::handle keys, nb::handle values) {
  if (!typed_at(object).describe(keys.ptr(), values.ptr())) throw PythonError();
}

// (key_bytes, value_bytes, value_offset, row_bytes, key's text, value's text) of a dict that is to be created.
void typed_set_layout(nb::handle object, const nb::tuple& layout, unsigned segment_buckets,
                      unsigned hash_bits) {
  emd::TypedDict::Layout result;
  result.key_bytes = nb::cast<emd::u32>(layout[0]);
  result.value_bytes = nb::cast<emd::u32>(layout[1]);
  result.value_offset = nb::cast<emd::u32>(layout[2]);
  result.row_bytes = nb::cast<emd::u32>(layout[3]);
  result.key_text = nb::cast<std::string>(layout[4]);
  result.value_text = nb::cast<std::string>(layout[5]);
  result.max_segment_buckets = segment_buckets;
  result.hash_bits = hash_bits;
  if (!emd::TypedDict::is_possible(result)) {
    throw nb::value_error("a row of a typed dict has 1 byte to 1 MiB, and a key and a value of at least one");
  }
  typed_at(object).set_layout(std::move(result));
}

// The same of the one that is open, as far as Python needs it.
nb::tuple typed_layout(nb::handle object) {
  TypedContainer& container = typed_at(object);
  const emd::TypedDict::Layout layout = container.read([&] { return container.any_dict().layout(); });
  return nb::make_tuple(layout.key_bytes, layout.value_bytes, layout.value_offset, layout.row_bytes,
                        layout.key_text, layout.value_text);
}

TypedPart typed_part(const std::string& part) {
  return part == "key" ? TypedPart::key : part == "value" ? TypedPart::value : TypedPart::item;
}

}  // namespace

void bind_typed(nb::module_& module) {
  module.def("typed_configure", &typed_configure, nb::arg("container"), nb::arg("keys"), nb::arg("values"));
  module.def("typed_set_layout", &typed_set_layout, nb::arg("container"), nb::arg("layout"),
             nb::arg("segment_buckets"), nb::arg("hash_bits"));
  module.def("typed_layout", &typed_layout, nb::arg("container"));
  module.def("typed_iterator", [](nb::handle object, const std::string& part, bool backwards) {
    typed_at(object);
    return given(typed_iterator(object.ptr(), typed_part(part), backwards));
  });
  module.def(
      "typed_find_many",
      [](nb::handle object, nb::handle keys, nb::handle out, nb::handle found, nb::handle missing,
         bool erase) {
        return given(
            typed_find_many(typed_at(object), keys.ptr(), out.ptr(), found.ptr(), missing.ptr(), erase));
      },
      nb::arg("container"), nb::arg("keys").none(), nb::arg("out").none(), nb::arg("found").none(),
      nb::arg("missing").none(), nb::arg("erase"));
  module.def(
      "typed_contains_many",
      [](nb::handle object, nb::handle keys, nb::handle found) {
        return given(typed_contains_many(typed_at(object), keys.ptr(), found.ptr()));
      },
      nb::arg("container"), nb::arg("keys").none(), nb::arg("found").none());
  module.def(
      "typed_put_many",
      [](nb::handle object, nb::handle keys, nb::handle values) {
        return given(typed_put_many(typed_at(object), keys.ptr(), values.ptr()));
      },
      nb::arg("container"), nb::arg("keys").none(), nb::arg("values").none());
  module.def(
      "typed_add_many",
      [](nb::handle object, nb::handle keys, nb::handle deltas) {
        return given(typed_add_many(typed_at(object), keys.ptr(), deltas.ptr()));
      },
      nb::arg("container"), nb::arg("keys").none(), nb::arg("deltas").none());
  module.def(
      "typed_pack",
      [](nb::handle object, bool keys, nb::handle objects, bool wanted) {
        return given(typed_pack(typed_at(object), keys, objects.ptr(), wanted));
      },
      nb::arg("container"), nb::arg("of_keys"), nb::arg("objects").none(), nb::arg("wanted"));
  module.def(
      "typed_unpack",
      [](nb::handle object, bool keys, nb::handle buffer) {
        return given(typed_unpack(typed_at(object), keys, buffer.ptr()));
      },
      nb::arg("container"), nb::arg("of_keys"), nb::arg("buffer").none());
  module.def("typed_view", [](nb::handle object) {
    typed_at(object);
    return given(typed_view(object.ptr()));
  });
  module.def("typed_column_bytes", [](nb::handle object, const std::string& part) {
    return given(typed_column_bytes(typed_at(object), typed_part(part)));
  });
}

}  // namespace pyr
