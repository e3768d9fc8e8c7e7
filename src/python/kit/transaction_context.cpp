// TransactionContext: a context variable with the numbers of the transactions that a task is inside of.
#include "python/kit/transaction_context.h"

#include "python/kit/errors.h"

namespace pyr {
namespace {

// The variable of all contexts; null with an error set. It lives as long as the process.
PyObject* variable() {
  static PyObject* const one = PyContextVar_New("pyrsistence.transactions", nullptr);
  return one;
}

// The tokens of the current context: a tuple, or null, with or without an error set.
OwnedRef tokens() {
  PyObject* found = nullptr;
  if (!variable() || PyContextVar_Get(variable(), nullptr, &found) < 0) return OwnedRef();
  return OwnedRef(found);
}

// A tuple of those whose transactions are on; a token that counts no more has an item. Null with an error set.
OwnedRef still_on(PyObject* tokens) {
  OwnedRef on(PyList_New(0));
  for (Py_ssize_t i = 0; on && tokens && i < PyTuple_GET_SIZE(tokens); ++i) {
    PyObject* const token = PyTuple_GET_ITEM(tokens, i);
    if (PyList_GET_SIZE(token) == 0 && PyList_Append(on.get(), token) < 0) return OwnedRef();
  }
  return on;
}

bool set_tokens(PyObject* list) {
  const OwnedRef tuple(PyList_AsTuple(list));
  if (!tuple || !variable()) return false;
  return static_cast<bool>(OwnedRef(PyContextVar_Set(variable(), tuple.get())));
}

}  // namespace

TransactionContext TransactionContext::begin() {
  TransactionContext begun;
  begun.token_ = OwnedRef(PyList_New(0));
  if (!begun.token_) throw PythonError();
  begun.join();
  return begun;
}

void TransactionContext::join() const {
  const OwnedRef on = still_on(tokens().get());
  if (!on || PyList_Append(on.get(), token_.get()) < 0 || !set_tokens(on.get())) throw PythonError();
}

TransactionContext::~TransactionContext() {
  if (!token_) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  // Copies of the context cannot be reached: they are told by the token.
  if (PyList_Append(token_.get(), Py_None) < 0) PyErr_Clear();
  const OwnedRef on = still_on(tokens().get());
  if (!on || !set_tokens(on.get())) PyErr_Clear();
  PyErr_Restore(type, value, traceback);
}

bool TransactionContext::inside() const noexcept {
  const OwnedRef found = tokens();
  for (Py_ssize_t i = 0; found && i < PyTuple_GET_SIZE(found.get()); ++i) {
    if (PyTuple_GET_ITEM(found.get(), i) == token_.get()) return true;
  }
  return false;
}

}  // namespace pyr
