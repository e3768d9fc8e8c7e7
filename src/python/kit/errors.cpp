// Which exception of Python stands for which of C++, and the library's own exception types.
#include "python/kit/errors.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "base/check.h"
#include "base/errors.h"
#include "python/kit/owned_ref.h"

namespace pyr {
namespace {

PyObject* g_damaged_error = nullptr;
PyObject* g_format_error = nullptr;
PyObject* g_locked_error = nullptr;
PyObject* g_snapshot_error = nullptr;

// A message as Python's text: names in it are the file system's, and need not be UTF-8.
PyObject* message_of(const char* text) {
  return PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(std::strlen(text)), "backslashreplace");
}

void set_error(PyObject* type, const char* text) {
  PyObject* message = message_of(text);
  if (message) PyErr_SetObject(type, message);
  Py_XDECREF(message);
}

// Raises type(error, text[, path]); OSError itself picks FileNotFoundError and its like by the number.
void set_os_error(PyObject* type, int error, const std::string& text, const std::string& path) {
  PyObject* message = message_of(text.c_str());
  PyObject* name = path.empty()
                       ? nullptr
                       : PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size()));
  PyObject* exception = nullptr;
  if (message && name) {
    exception = PyObject_CallFunction(type, "iOO", error, message, name);
  } else if (message && path.empty()) {
    exception = PyObject_CallFunction(type, "iO", error, message);
  }
  if (exception) PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception)), exception);
  Py_XDECREF(exception);
  Py_XDECREF(name);
  Py_XDECREF(message);
}

// io.UnsupportedOperation, which is both an OSError and a ValueError, as for a file open for reading.
void set_unsupported(const char* text) {
  PyObject* io = PyImport_ImportModule("io");
  PyObject* type = io ? PyObject_GetAttrString(io, "UnsupportedOperation") : nullptr;
  if (type) set_error(type, text);
  Py_XDECREF(type);
  Py_XDECREF(io);
}

PyObject* add_error(PyObject* module, const char* name, const char* doc, PyObject* base,
                    PyObject* attributes = nullptr) {
  const std::string qualified = std::string("pyrsistence.") + name;
  PyObject* type = PyErr_NewExceptionWithDoc(qualified.c_str(), doc, base, attributes);
  if (type && PyModule_AddObjectRef(module, name, type) < 0) Py_CLEAR(type);
  return type;
}

}  // namespace

PyObject* damaged_error() { return g_damaged_error; }

void set_python_error() noexcept {
  try {
    throw;
  } catch (const PythonError&) {
    // Already set.
  } catch (const emd::SystemError& error) {
    set_os_error(PyExc_OSError, error.error(), error.what(), error.path());
  } catch (const emd::DamagedError& error) {
    set_os_error(g_damaged_error, EIO, error.what(), error.path());
  } catch (const emd::FormatError& error) {
    set_error(g_format_error, error.what());
  } catch (const emd::LockedError& error) {
    set_os_error(g_locked_error, EAGAIN, error.what(), error.path());
  } catch (const emd::ClosedError& error) {
    set_error(PyExc_ValueError, error.what());
  } catch (const emd::ReadOnlyError& error) {
    set_unsupported(error.what());
  } catch (const emd::SnapshotError& error) {
    set_error(g_snapshot_error, error.what());
  } catch (const emd::StateError& error) {
    set_error(PyExc_RuntimeError, error.what());
  } catch (const emd::UnbackedError& error) {
    set_error(PyExc_IndexError, error.what());
  } catch (const emd::ViewError& error) {
    set_error(PyExc_BufferError, error.what());
  } catch (const emd::BudgetError& error) {
    set_error(PyExc_MemoryError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const emd::CheckError& error) {
    set_error(PyExc_SystemError, error.what());
  } catch (const std::invalid_argument& error) {
    set_error(PyExc_ValueError, error.what());
  } catch (const std::exception& error) {
    set_error(PyExc_SystemError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "an unknown C++ exception");
  }
}

bool add_errors(PyObject* module) {
  g_damaged_error =
      add_error(module, "DamagedError",
                "Bytes on disk contradict the format: damage, truncation or a hostile file.", PyExc_OSError);
  g_format_error =
      add_error(module, "FormatError",
                "Not a store, a newer or foreign format, or another kind than asked for.", PyExc_ValueError);
  const OwnedRef attributes(Py_BuildValue("{sO}", "holder", Py_None));
  if (!attributes) return false;
  g_locked_error = add_error(module, "LockedError",
                             "Another writer holds the store; the message names its process. In this "
                             "process, `holder` is the object that has it open, else None.",
                             PyExc_BlockingIOError, attributes.get());
  g_snapshot_error = add_error(module, "SnapshotError",
                               "A snapshot was held for longer than the writer of the store would wait.",
                               PyExc_RuntimeError);
  return g_damaged_error && g_format_error && g_locked_error && g_snapshot_error;
}

PyTypeObject* add_type(PyObject* module, PyType_Spec& spec) {
  PyObject* type = PyType_FromSpec(&spec);
  if (type && PyModule_AddObjectRef(module, std::strrchr(spec.name, '.') + 1, type) < 0) Py_CLEAR(type);
  return reinterpret_cast<PyTypeObject*>(type);
}

PyObject* refuse_count(const char* name, Py_ssize_t least, Py_ssize_t most, Py_ssize_t given) {
  const bool too_few = given < least;
  const Py_ssize_t limit = too_few ? least : most;
  PyErr_Format(PyExc_TypeError, "%s expected %s%zd argument%s, got %zd", name,
               least == most ? "" : (too_few ? "at least " : "at most "), limit, limit == 1 ? "" : "s",
               given);
  return nullptr;
}

void set_key_error(PyObject* key) {
  PyObject* exception = PyObject_CallOneArg(PyExc_KeyError, key);
  if (exception) PyErr_SetObject(PyExc_KeyError, exception);
  Py_XDECREF(exception);
}

}  // namespace pyr
