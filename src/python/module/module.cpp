// pyrsistence._core: the extension module. Its hot types are plain CPython types (python/dict/type.cpp,
// python/list/type.cpp); the store's handle and the rest, which need not be fast, are bound by nanobind.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "python/array/object.h"
#include "python/array/region_view.h"
#include "python/codec/immutable.h"
#include "python/codec/testing.h"
#include "python/core/maintenance.h"
#include "python/core/scopes.h"
#include "python/deque/object.h"
#include "python/dict/object.h"
#include "python/graph/live_dicts.h"
#include "python/graph/object.h"
#include "python/list/object.h"
#include "python/module/stats.h"
#include "python/set/object.h"
#include "python/shadow/object.h"
#include "python/typed_dict/object.h"
#include "python/typed_set/object.h"
#include "store/target_directory.h"
#include "structures/kinds.h"
#include "structures/verify.h"

namespace nb = nanobind;

namespace pyr {
namespace {

// What a region of a temporary store may have before the store gets files.
constexpr emd::u64 kInMemoryBytes = emd::u64{128} << 10;

emd::Mode parse_mode(const std::string& mode) {
  if (mode == "a") return emd::Mode::append;
  if (mode == "r") return emd::Mode::read;
  if (mode == "r+") return emd::Mode::read_write;
  if (mode == "x") return emd::Mode::exclusive;
  throw nb::value_error(("mode must be 'a', 'r', 'r+' or 'x', not '" + mode + "'").c_str());
}

std::string path_from(const nb::bytes& path) {
  std::string text(path.c_str(), path.size());
  if (text.find('\0') != std::string::npos) throw nb::value_error("embedded null byte");
  return text;
}

nb::object path_object(const std::string& path) {
  return nb::steal(PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

void open_handle(StoreHandle* self, const nb::bytes& path, const std::string& mode,
                 std::optional<double> commit_interval, double timeout, double snapshot_timeout,
                 emd::u64 memory, bool temporary, std::optional<emd::u32> permissions, double read_timeout) {
  emd::StoreOptions options;
  options.mode = parse_mode(mode);
  if (commit_interval && *commit_interval < 0)
    throw nb::value_error("expected commit_interval in seconds, zero or more, or None for never");
  options.commit_interval_seconds = commit_interval.value_or(-1.0);
  options.lock_timeout_seconds = timeout;
  options.snapshot_timeout_seconds = snapshot_timeout;
  options.memory_bytes = memory;
  if (temporary) options.in_memory_bytes = kInMemoryBytes;
  options.permissions = permissions;
  options.read_timeout_seconds = read_timeout;
  new (self) StoreHandle(path_from(path), std::move(options), temporary);
}

nb::object path_of(const StoreHandle& handle) { return path_object(handle.path()); }

nb::object current_path_of(StoreHandle& handle) {
  std::string path;
  {
    const StoreHandle::EntryGuard entered(handle);
    path = handle.use().directory()->current_path();
  }
  return path_object(path);
}

std::pair<emd::u64, emd::u64> identity_of(StoreHandle& handle) {
  const StoreHandle::EntryGuard entered(handle);
  return handle.use().directory()->identity();
}

std::vector<std::pair<std::string, std::string>> members_of(StoreHandle& handle) {
  std::vector<std::pair<std::string, std::string>> result;
  const StoreHandle::EntryGuard entered(handle);
  for (const auto& member : handle.use().members())
    result.emplace_back(member->name, emd::kind_name(member->kind));
  return result;
}

// "dict", "list", ... of the member of this name; None if there is none.
std::optional<std::string> kind_of(StoreHandle& handle, const nb::str& text) {
  Py_ssize_t size = 0;
  const char* const begin = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
  if (!begin) PyErr_Clear();  // no member is called so
  const std::string_view name = begin ? std::string_view(begin, static_cast<std::size_t>(size)) : "";
  const StoreHandle::EntryGuard entered(handle);
  const auto member = !begin || name == emd::kCompactionName ? nullptr : handle.use().find(name);
  return member ? std::optional<std::string>(emd::kind_name(member->kind)) : std::nullopt;
}

std::size_t member_count(StoreHandle& handle) {
  const StoreHandle::EntryGuard entered(handle);
  return handle.use().member_count();
}

nb::object container_named(StoreHandle& handle, const std::string& name) {
  OwnedRef object;
  {
    const StoreHandle::EntryGuard entered(handle);
    const auto member = handle.use().find(name);
    if (member) object = handle.object_of(*member);
  }
  return object ? nb::steal(object.release()) : nb::none();
}

// What is wrong with the store. Beside a writer it is of one state, which the writer is kept from leaving.
std::vector<std::string> findings_of(StoreHandle& handle) {
  const StoreHandle::SnapshotGuard held(handle);
  SignalWatch signals;
  emd::Findings findings;
  findings.on_step = [&] {
    if (signals.due()) signals.check();
  };
  {
    const StoreHandle::EntryGuard entered(handle);
    emd::Store& store = handle.use();
    handle.run_long([&] { emd::verify(store, findings); });
  }
  std::vector<std::string> result;
  for (const emd::Finding& finding : findings) result.push_back(finding.where + ": " + finding.what);
  return result;
}

// ---- Containers --------------------------------------------------------------------------------------

Container& container_of(nb::handle object) {
  Container* const container = container_at(object.ptr());
  if (!container) throw nb::type_error("not a container");
  return *container;
}

// Attaches a container to a member. `options` of its codec and what it keeps: (pickler, unpickler, pickle, key,
// writeback, cache). `wanted`: see Container::want().
void attach(nb::handle object, nb::handle handle, const std::string& name, const nb::tuple& options,
            const nb::tuple& wanted) {
  Container& container = container_of(object);
  require(container.codec().configure(nb::object(options[0]).ptr(), nb::object(options[1]).ptr(),
                                      nb::cast<bool>(options[2]), nb::object(options[3]).ptr()));
  container.want(wanted.ptr());
  const Keeping keeping{nb::cast<bool>(options[4]), nb::cast<emd::u64>(options[5])};
  require(container.attach(handle.ptr(), nb::cast<StoreHandle&>(handle), name, keeping));
}

void detach(nb::handle object) { container_of(object).detach(); }
bool attached(nb::handle object) { return container_of(object).attached(); }

// What differs whenever it has been opened anew. Errors: as EntryGuard.
emd::u64 opening(nb::handle object) {
  Container& container = container_of(object);
  const Container::EntryGuard entered(container);
  return container.opening();
}

// Writes back what was changed in objects that were handed out; (key, error) of each that cannot be stored.
nb::list flush(nb::handle object) {
  Container& container = container_of(object);
  nb::list failures;
  if (container.attached()) require(container.flush(failures.ptr()));
  return failures;
}

void show_anew(nb::handle object) { require(container_of(object).show_anew()); }

// What the container would store for this value.
nb::bytes encoded(nb::handle object, nb::handle value) {
  Buffer out;
  require(container_of(object).codec().encode_value(value.ptr(), out));
  return nb::bytes(reinterpret_cast<const char*>(out.data()), out.size());
}

void translate(const std::exception_ptr& pointer, void*) {
  try {
    std::rethrow_exception(pointer);
  } catch (const emd::Error&) {
    set_python_error();
  } catch (const PythonError&) {
    set_python_error();
  }
}

void bind_handle(nb::module_& module) {
  nb::class_<StoreHandle>(module, "StoreHandle", "One open store; see src/python/core/handle.h.")
      .def("__init__", &open_handle, nb::arg("path"), nb::arg("mode"), nb::arg("commit_interval").none(),
           nb::arg("timeout"), nb::arg("snapshot_timeout"), nb::arg("memory"), nb::arg("temporary"),
           nb::arg("permissions").none(), nb::arg("read_timeout"))
      .def_prop_ro("path", &path_of)
      .def("current_path", &current_path_of)
      .def("identity", &identity_of)
      .def_prop_ro("closed", &StoreHandle::closed)
      .def_prop_ro("lost", &StoreHandle::lost)
      .def_prop_ro("temporary", &StoreHandle::temporary)
      .def_prop_ro("in_transaction", &StoreHandle::in_transaction)
      .def("require_usable",
           [](StoreHandle& handle) {
             const StoreHandle::EntryGuard entered(handle);
             handle.use();
           })
      .def("require_writable",
           [](StoreHandle& handle) {
             const StoreHandle::EntryGuard entered(handle);
             const emd::Operation operation(handle.use());
           })
      .def("rollback", [](StoreHandle& handle) { handle.rollback(handle.transaction()); })
      .def("commit", &StoreHandle::commit)
      .def("checkpoint", &StoreHandle::checkpoint)
      .def("require_files", &StoreHandle::require_files)
      .def("close", &StoreHandle::close)
      .def("abandon", &StoreHandle::abandon)
      .def(
          "drop", [](StoreHandle& handle, const std::string& name) { handle.drop(name); }, nb::arg("name"))
      .def("members", &members_of)
      .def_prop_ro("member_count", &member_count)
      .def("kind", &kind_of, nb::arg("name"))
      .def("containers", &open_containers)
      .def("container", &container_named, nb::arg("name"))
      .def(
          "compact",
          [](StoreHandle& handle, const std::optional<std::string>& member, const nb::bytes& target,
             nb::handle progress) { compact(handle, member, path_from(target), progress.ptr()); },
          nb::arg("member").none(), nb::arg("target"), nb::arg("progress").none())
      .def(
          "backup",
          [](StoreHandle& handle, const nb::bytes& target, nb::handle progress) {
            back_up(handle, path_from(target), progress.ptr());
          },
          nb::arg("target"), nb::arg("progress").none())
      .def("stats", &store_stats)
      .def("verify", &findings_of);
}

void bind_new_directory(nb::module_& module) {
  nb::class_<emd::TargetDirectory>(module, "NewDirectory", "See src/store/target_directory.h.")
      .def(
          "__init__",
          [](emd::TargetDirectory* self, const nb::bytes& path, const std::string& doing,
             std::optional<emd::u32> permissions) {
            emd::platform::Permissions files;
            if (permissions) files.mode = *permissions, files.masked = false;
            new (self)
                emd::TargetDirectory(*emd::platform::real_file_system(), path_from(path), doing, files);
          },
          nb::arg("path"), nb::arg("doing"), nb::arg("permissions").none())
      .def_prop_ro("path", [](emd::TargetDirectory& self) { return path_object(self.get()->current_path()); })
      .def("keep", &emd::TargetDirectory::keep)
      .def("discard", &emd::TargetDirectory::discard);
}

// A function that may run Python code: see stay().
template <auto Function>
struct Staying;
template <class Result, class... Arguments, Result (*Function)(Arguments...)>
struct Staying<Function> {
  static Result call(Arguments... arguments) {
    return stay([&]() -> Result { return Function(std::forward<Arguments>(arguments)...); });
  }
};

void bind_functions(nb::module_& module) {
  module.def("attach", &attach, nb::arg("container"), nb::arg("handle"), nb::arg("name"), nb::arg("options"),
             nb::arg("wanted"));
  module.def("detach", &detach, nb::arg("container"));
  module.def("attached", &attached, nb::arg("container"));
  module.def("opening", &opening, nb::arg("container"));
  module.def("flush", &Staying<&flush>::call, nb::arg("container"));
  module.def("show_anew", &Staying<&show_anew>::call, nb::arg("container"));
  module.def("is_storing", &is_storing);
  module.def("encoded", &Staying<&encoded>::call, nb::arg("container"), nb::arg("value").none());
  module.def("container_stats", &container_stats, nb::arg("container"));
  module.def(
      "interpreter_ends", [] { interpreter_ends = true; },
      "Told at the interpreter's end: threads may then be stopped at any moment.");
  module.def("memory_budget", &emd::memory_budget,
             "Return the budget of private pages, in bytes: one for the whole process.");
  module.def("set_memory_budget", &emd::set_memory_budget, nb::arg("bytes"),
             "Set the budget of private pages, in bytes, for all stores of the process.");
}

}  // namespace
}  // namespace pyr

NB_MODULE(_core, module) {
  // A handle that is still open when the interpreter ends has been closed by then (pyrsistence/_base/open_stores.py).
  nb::set_leak_warnings(false);
  nb::register_exception_translator(pyr::translate);
  PyObject* const self = module.ptr();
  if (!pyr::add_errors(self) || !pyr::add_dict_types(self) || !pyr::add_set_types(self) ||
      !pyr::add_list_types(self) || !pyr::add_deque_types(self) || !pyr::add_typed_types(self) ||
      !pyr::add_typed_set_types(self) || !pyr::add_array_types(self) || !pyr::add_region_view_type(self) ||
      !pyr::add_shadow_type(self) || !pyr::add_graph_types(self) || pyr::add_codec_functions(self) < 0 ||
      pyr::add_immutable_functions(self) < 0 || pyr::add_live_functions(self) < 0) {
    throw nb::python_error();
  }
  pyr::damaged_error_type = pyr::damaged_error();
  pyr::bind_handle(module);
  pyr::bind_scopes(module);
  pyr::bind_new_directory(module);
  pyr::bind_functions(module);
}
