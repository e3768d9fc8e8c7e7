#include "bindings/maintenance.h"

#include <chrono>

#include "algorithms/compact.h"
#include "bindings/errors.h"
#include "store/backup.h"

namespace pyr {
namespace {

// Telling takes the GIL, so it is done at most so often, and at the end.
constexpr std::chrono::milliseconds kBetweenReports{50};

// Called without the GIL; throws PythonError to cancel.
class Reporter {
 public:
  explicit Reporter(PyObject* progress) : progress_(progress == Py_None ? nullptr : progress) {}

  void operator()(emd::u64 done, emd::u64 total) {
    const auto now = std::chrono::steady_clock::now();
    if (done != total && now - last_ < kBetweenReports) return;
    last_ = now;
    const PyGILState_STATE state = PyGILState_Ensure();
    bool good = PyErr_CheckSignals() == 0;
    if (good && progress_ != nullptr) {
      PyObject* result = PyObject_CallFunction(progress_, "KK", static_cast<unsigned long long>(done),
                                               static_cast<unsigned long long>(total));
      good = result != nullptr;
      Py_XDECREF(result);
    }
    PyGILState_Release(state);
    if (!good) throw PythonError();
  }

 private:
  PyObject* progress_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace

void compact(StoreHandle& handle, const std::optional<std::string>& member, const std::string& target,
             PyObject* progress) {
  Reporter reporter(progress);
  const auto report = [&](emd::u64 done, emd::u64 total) { reporter(done, total); };
  const StoreHandle::Entered entered(handle);
  emd::Store& store = handle.use();
  handle.run_long([&] {
    if (!member) return emd::compact_to(store, target, report);
    const auto found = store.find(*member);
    if (found == nullptr) throw emd::ClosedError("there is no '" + *member + "' in '" + store.path() + "'");
    emd::compact(store, *found, report);
  });
}

void back_up(StoreHandle& handle, const std::string& target, PyObject* progress) {
  Reporter reporter(progress);
  {
    const StoreHandle::Entered entered(handle);
    emd::Store& store = handle.use();
    if (!store.read_only()) handle.run_long([&] { store.commit(); });
  }
  PyThreadState* const state = PyEval_SaveThread();
  try {
    emd::StoreOptions options;
    emd::backup(handle.path(), target, options,
                [&](emd::u64 done, emd::u64 total) { reporter(done, total); });
  } catch (...) {
    PyEval_RestoreThread(state);
    throw;
  }
  PyEval_RestoreThread(state);
}

}  // namespace pyr
