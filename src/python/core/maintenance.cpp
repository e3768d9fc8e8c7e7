// Compaction and backup for Python: progress is told and signals are checked between steps.
#include "python/core/maintenance.h"

#include <new>

#include "algorithms/compact/compact.h"
#include "python/core/container.h"
#include "python/kit/errors.h"
#include "python/kit/gil.h"
#include "python/kit/owned_ref.h"
#include "store/backup.h"
#include "structures/kinds.h"

namespace pyr {
namespace {

// Called without the GIL; throws PythonError to cancel.
class Reporter {
 public:
  explicit Reporter(PyObject* progress) : progress_(progress == Py_None ? nullptr : progress) {}

  void operator()(emd::u64 done, emd::u64 total) {
    if (!signals_.due() && done != total) return;
    signals_.check();
    if (progress_ == nullptr) return;
    const GilAcquireGuard taken;
    const bool good = stay([&] {
      return static_cast<bool>(OwnedRef(PyObject_CallFunction(
          progress_, "KK", static_cast<unsigned long long>(done), static_cast<unsigned long long>(total))));
    });
    if (!good) throw PythonError();
  }
  void pause(std::chrono::microseconds time) { signals_.pause(time); }

 private:
  PyObject* progress_;
  SignalWatch signals_;
};

// The scope of a compaction of a member: the container learns in the same step if what its regions hold was exchanged,
// also where an error comes after that.
class ExchangeGuard {
 public:
  ExchangeGuard(StoreHandle& handle, const emd::Member& member)
      : container_(handle.container_of(member)), member_(member), path_(container_ ? where() : "") {}
  ~ExchangeGuard() {
    if (container_ && was_exchanged()) container_->note_exchange();
  }
  ExchangeGuard(const ExchangeGuard&) = delete;
  ExchangeGuard& operator=(const ExchangeGuard&) = delete;

 private:
  std::string where() const { return member_.regions[0]->path(); }
  bool was_exchanged() const noexcept {
    try {
      return where() != path_;
    } catch (const std::bad_alloc&) {
      return true;
    }
  }

  Container* const container_;  // open: only then its regions are mapped
  const emd::Member& member_;
  const std::string path_;
};

}  // namespace

void compact(StoreHandle& handle, const std::optional<std::string>& member, const std::string& target,
             PyObject* progress) {
  Reporter reporter(progress);
  const auto report = [&](emd::u64 done, emd::u64 total) { reporter(done, total); };
  const StoreHandle::EntryGuard entered(handle);
  emd::Store& store = handle.use();
  handle.run_long([&] {
    if (!member) return emd::compact_to(store, target, report);
    const auto found = store.find(*member);
    if (found == nullptr) throw emd::ClosedError("there is no '" + *member + "' in '" + store.path() + "'");
    const ExchangeGuard exchange(handle, *found);
    emd::compact(store, *found, report);
  });
}

void back_up(StoreHandle& handle, const std::string& target, PyObject* progress) {
  Reporter reporter(progress);
  std::shared_ptr<emd::platform::Directory> directory;
  {
    const StoreHandle::EntryGuard entered(handle);
    emd::Store& store = handle.use();
    if (!store.read_only()) {
      handle.run_long([&] {
        store.commit();
        if (store.in_memory()) store.move_to_files();
      });
    }
    directory = store.directory();
  }
  const GilReleaseGuard released;
  emd::StoreOptions options;
  options.region_count_of = &emd::region_count_of;
  options.pause = [&](std::chrono::microseconds time) { reporter.pause(time); };
  emd::backup(*directory, target, options, [&](emd::u64 done, emd::u64 total) { reporter(done, total); });
}

}  // namespace pyr
