// EMList.sort: natively where the words can be compared without Python, else an external merge sort of runs that
// Python's own sort orders.
#include <algorithm>
#include <optional>
#include <vector>

#include "algorithms/sort/sort.h"
#include "python/list/object.h"

namespace pyr {
namespace {

// What an element costs while a run of objects is sorted: the object, its key, its number, their pointers.
constexpr u64 kBytesPerElement = 512;
constexpr u64 kLeastRun = u64{1} << 12;

// Keeps a list usable while code that may close its store, and open it anew, runs. Precondition, for all its life:
// entered, and its handle's object is held outside of that.
class Pin {
 public:
  explicit Pin(ListContainer& container)
      : handle_(container.handle()),
        store_(handle_.share()),
        member_(container.share_member()),
        list_(container.share()) {
    store_->acquire(*member_);
  }
  ~Pin() {
    if (!store_->closed()) store_->release(*member_);
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  emd::Store& store() { return *store_; }
  emd::List& list() { return *list_; }
  StoreHandle& handle() { return handle_; }

 private:
  StoreHandle& handle_;
  std::shared_ptr<emd::Store> store_;
  std::shared_ptr<emd::Member> member_;
  std::shared_ptr<emd::List> list_;
};

// Orders runs by Python's sort, and their heads by <. Python errors pass as PythonError. It is called by whoever has
// entered the list, and steps outside for all that runs Python code.
class PythonSorter final : public emd::RunSorter {
 public:
  PythonSorter(ListContainer& container, Pin& pin, PyObject* key, bool reverse)
      : container_(container), pin_(pin), version_(pin.list().version()), key_(key), reverse_(reverse) {}

  void sort_run(std::span<Word> run) override {
    const auto count = static_cast<Py_ssize_t>(run.size());
    const std::vector<Word> words(run.begin(), run.end());
    std::vector<std::size_t> order(words.size());
    {
      const StoreHandle::LeaveGuard outside(pin_.handle());
      const OwnedRef keys = owned(PyList_New(count));
      for (Py_ssize_t i = 0; i < count; ++i) {
        PyList_SET_ITEM(keys.get(), i, key_of(words[static_cast<std::size_t>(i)]).release());
      }
      sort_indices(keys.get(), order);
    }
    for (std::size_t i = 0; i < order.size(); ++i) run[i] = words[order[i]];
  }

  void load(std::size_t run, Word head) override {
    if (run >= heads_.size()) heads_.resize(run + 1);
    const StoreHandle::LeaveGuard outside(pin_.handle());
    heads_[run] = key_of(head);
  }

  bool less(std::size_t a, std::size_t b) override {
    if (reverse_) std::swap(a, b);
    const StoreHandle::LeaveGuard outside(pin_.handle());
    const int less = PyObject_RichCompareBool(heads_[a].get(), heads_[b].get(), Py_LT);
    if (less < 0) throw PythonError();
    return less != 0;
  }

 private:
  static OwnedRef owned(PyObject* object) {
    if (!object) throw PythonError();
    return OwnedRef(object);
  }

  // Outside. Runs Python code if the element is no scalar, or there is a key function.
  OwnedRef key_of(Word word) {
    OwnedRef value;
    if (word.is_reference()) {
      Copies block;
      {
        const StoreHandle::LockGuard inside(pin_.handle());
        pin_.list().require_unchanged(version_);
        block.add(pin_.list().block(word), false);
      }
      value = owned(container_.codec().decode_value(block.bytes()));
    } else {
      value = owned(inline_value(word));
    }
    return key_ ? owned(PyObject_CallOneArg(key_, value.get())) : std::move(value);
  }

  // Outside. order = sorted(range(len(keys)), key=keys.__getitem__, reverse=reverse)
  void sort_indices(PyObject* keys, std::vector<std::size_t>& order) {
    const Py_ssize_t count = PyList_GET_SIZE(keys);
    const OwnedRef indices = owned(PyList_New(count));
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyList_SET_ITEM(indices.get(), i, owned(PyLong_FromSsize_t(i)).release());
    }
    const OwnedRef get = owned(PyObject_GetAttrString(keys, "__getitem__"));
    const OwnedRef options =
        owned(Py_BuildValue("{sOsO}", "key", get.get(), "reverse", reverse_ ? Py_True : Py_False));
    const OwnedRef sort = owned(PyObject_GetAttrString(indices.get(), "sort"));
    const OwnedRef none = owned(PyTuple_New(0));
    owned(PyObject_Call(sort.get(), none.get(), options.get()));
    for (Py_ssize_t i = 0; i < count; ++i) {
      order[static_cast<std::size_t>(i)] = PyLong_AsSize_t(PyList_GET_ITEM(indices.get(), i));
    }
  }

  ListContainer& container_;
  Pin& pin_;
  u64 version_;
  PyObject* key_;
  bool reverse_;
  std::vector<OwnedRef> heads_;
};

// Precondition of the next two: the caller has entered.

bool sort_natively(ListContainer& container, bool reverse) {
  bool done = false;
  container.handle().run_long([&] {
    done = emd::sort_native(container.store(), container.list(),
                            reverse ? emd::Order::descending : emd::Order::ascending,
                            container.store().buffer_budget());
  });
  return done;
}

void sort_generally(ListContainer& container, Pin& pin, PythonSorter& sorter) {
  const u64 version = pin.list().version();
  const u64 run_words = std::max(kLeastRun, pin.store().buffer_budget() / kBytesPerElement);
  try {
    emd::sort_general(pin.store(), pin.list(), run_words, sorter);
  } catch (const emd::ClosedError&) {
    throw;
  } catch (const emd::StateError&) {
    if (!container.attached() || pin.list().version() == version) throw;
    PyErr_SetString(PyExc_ValueError, "list modified during sort");
    throw PythonError();
  }
}

void sort_list(ListContainer& container, PyObject* key, bool reverse) {
  // What these hold is released outside.
  std::optional<PythonSorter> sorter;
  OwnedRef handle_object;
  {
    const Container::EntryGuard entered(container);
    container.cache().changed();
    // The key of a single element is asked for too, as list.sort does.
    if (container.list().size() < (key ? 1 : 2) || (!key && sort_natively(container, reverse))) return;
    handle_object = container.handle_object();
    Pin pin(container);
    sorter.emplace(container, pin, key, reverse);
    sort_generally(container, pin, *sorter);
  }
  const Container::EntryGuard entered(container);  // a temporary store may have been removed meanwhile
}

// Writes back; raises the error of the first element that cannot be stored.
bool flush_before(ListContainer& container) {
  const OwnedRef failures(PyList_New(0));
  if (!failures || !container.flush(failures.get())) return false;
  if (PyList_GET_SIZE(failures.get()) == 0) return true;
  PyObject* const error = PyTuple_GET_ITEM(PyList_GET_ITEM(failures.get(), 0), 1);
  PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(error)), error);
  return false;
}

}  // namespace

PyObject* list_sort(ListContainer& container, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"key", "reverse", nullptr};
  PyObject* key = Py_None;
  int reverse = 0;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$Op:sort", const_cast<char**>(names), &key, &reverse)) {
    return nullptr;
  }
  if (!flush_before(container)) return nullptr;
  sort_list(container, key == Py_None ? nullptr : key, reverse != 0);
  Py_RETURN_NONE;
}

}  // namespace pyr
