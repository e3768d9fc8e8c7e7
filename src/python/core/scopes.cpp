// TransactionScope and SnapshotScope, and their bindings. What ends a scope that nobody leaves is its destructor.
#include "python/core/scopes.h"

#include <utility>

#include "python/kit/errors.h"
#include "python/kit/gil.h"

namespace nb = nanobind;

namespace pyr {
namespace {

// Ends a scope that nobody has left, in a destructor.
template <class End>
void end_unseen(End&& end) noexcept {
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  guarded<int>(0, [&] {
    end();
    return 0;
  });
  if (PyErr_Occurred()) PyErr_WriteUnraisable(nullptr);
  PyErr_Restore(type, value, traceback);
}

[[noreturn]] void refuse_second(const StoreHandle& handle, const char* what) {
  throw emd::StateError(std::string("this ") + what + " of '" + handle.path() +
                        "' is entered already; make another");
}

}  // namespace

// ---- Transactions

TransactionScope::TransactionScope(nb::object handle, nb::object flush, nb::object forget)
    : handle_object_(std::move(handle)),
      handle_(nb::cast<StoreHandle&>(handle_object_)),
      flush_(std::move(flush)),
      forget_(std::move(forget)) {}

TransactionScope::~TransactionScope() {
  if (number_ != 0) end_unseen([this] { roll_back(std::exchange(number_, 0)); });
}

void TransactionScope::enter() {
  if (number_ != 0) refuse_second(handle_, "transaction");
  stay([this] { flush_(handle_object_); });
  number_ = handle_.begin();
}

void TransactionScope::exit(bool raised) {
  const emd::u64 number = std::exchange(number_, 0);
  if (number == 0) throw emd::StateError("the transaction of '" + handle_.path() + "' was not entered");
  if (raised) return roll_back(number);
  try {
    handle_.join_transaction(number);
    stay([this] { flush_(handle_object_); });
    handle_.commit_transaction();
  } catch (...) {
    roll_back(number);
    throw;
  }
}

void TransactionScope::roll_back(emd::u64 number) {
  handle_.rollback(number);  // first: nothing that could fail may keep it from being done
  stay([&] { forget_(open_containers(handle_)); });
}

// ---- Snapshots

SnapshotScope::SnapshotScope(nb::object handle, bool if_possible)
    : handle_object_(std::move(handle)),
      handle_(nb::cast<StoreHandle&>(handle_object_)),
      if_possible_(if_possible) {}

SnapshotScope::~SnapshotScope() {
  if (held_) end_unseen([this] { handle_.end_snapshot(); });
}

void SnapshotScope::enter() {
  if (entered_) refuse_second(handle_, "snapshot");
  if (if_possible_) {
    held_ = handle_.begin_snapshot_if_possible();
  } else {
    handle_.begin_snapshot();
    held_ = true;
  }
  entered_ = true;
}

void SnapshotScope::exit() {
  entered_ = false;
  if (std::exchange(held_, false)) handle_.end_snapshot();
}

nb::list open_containers(StoreHandle& handle) {
  std::vector<OwnedRef> objects;
  if (!handle.lost()) {
    const StoreHandle::LockGuard inside(handle);
    if (!handle.lost()) objects = handle.objects();
  }
  nb::list result;
  for (OwnedRef& object : objects) result.append(nb::steal(object.release()));
  return result;
}

// ---- Binding

void bind_scopes(nb::module_& module) {
  const auto type = nb::arg("type").none(), value = nb::arg("value").none(),
             traceback = nb::arg("traceback").none();
  nb::class_<TransactionScope>(module, "Transaction", "All or nothing; see src/python/core/scopes.h.")
      .def(nb::init<nb::object, nb::object, nb::object>(), nb::arg("handle"), nb::arg("flush"),
           nb::arg("forget"))
      .def("__enter__", &TransactionScope::enter)
      .def(
          "__exit__",
          [](TransactionScope& scope, nb::handle raised, nb::handle, nb::handle) {
            scope.exit(!raised.is_none());
          },
          type, value, traceback);
  nb::class_<SnapshotScope>(module, "Snapshot", "One state over many reads; see src/python/core/scopes.h.")
      .def(nb::init<nb::object, bool>(), nb::arg("handle"), nb::arg("if_possible"))
      .def("__enter__", &SnapshotScope::enter)
      .def(
          "__exit__", [](SnapshotScope& scope, nb::handle, nb::handle, nb::handle) { scope.exit(); }, type,
          value, traceback);
}

}  // namespace pyr
