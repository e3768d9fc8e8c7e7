// GraphObject: the C part of a graph's storage: vertices and edges by their keys, and the mappings that NetworkX sees.
// Attribute dicts that are live are the Python class's business (_node_attributes, _edge_attributes). See
// python/dict/object.h for the order of work in a call.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <memory>
#include <optional>
#include <vector>

#include "python/core/container.h"
#include "python/core/extracted.h"
#include "python/kit/method.h"
#include "structures/graph/graph.h"

namespace pyr {

class GraphContainer final : public StructureContainer<emd::Graph> {
 public:
  static constexpr const char* kTypeName = "pyrsistence._core.GraphBase";
  using StructureContainer::StructureContainer;

  // A temporary graph is made at its first use (the method _open_late of the Python class). Errors: PythonError.
  void open_late() {
    if (__builtin_expect(!attached(), 0))
      require(static_cast<bool>(OwnedRef(PyObject_CallMethod(self(), "_open_late", nullptr))));
  }
  // Precondition: entered.
  emd::Graph& graph() { return structure(); }

  void want(PyObject* wanted) override;
  // Both are the Python class's business: _flush(), _current().
  bool flush(PyObject* failures) override;
  bool show_anew() override;

  // ---- The dicts of live attributes, which the Python class keeps by numbers of vertices. Precondition: entered.

  // What those dicts are of: another number where vertices may have got other numbers, or of a reader where a writer
  // has committed; and how many transactions were rolled back.
  struct Seen {
    u64 state = 0, rollbacks = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen seen() {
    return {store().read_only() ? store().changes() : graph().generation(), handle().rollbacks()};
  }
  bool shown() { return shown_ == seen(); }
  const std::optional<Seen>& last_shown() const { return shown_; }
  void set_shown(const Seen& seen) { shown_ = seen; }
  // Notes that something is removed now. Whether a transaction is on, and whether it is that of the last note.
  enum class Noted { no_transaction = 0, another = 1, same = 2 };
  Noted note_removal();
  // Of the transaction of the last note: 0 it is over, or there was none, 1 it is on, 2 it was rolled back.
  int removal_state() const {
    if (!removed_in_ || *removed_in_ == StoreHandle::TransactionOutcome::committed) return 0;
    return *removed_in_ == StoreHandle::TransactionOutcome::open ? 1 : 2;
  }

 protected:
  void opened() override { shown_.reset(); }

 private:
  std::optional<Seen> shown_;
  std::shared_ptr<StoreHandle::TransactionOutcome> removed_in_;
};

// Runs `work` as a read once the live attributes are of the state that is read: until then the Python class places them
// anew (its method _show_anew). Errors: as Container::read; PythonError.
template <class Work>
void read_as_shown(GraphContainer& container, Work&& work) {
  for (;;) {
    const bool shown = container.read([&] {
      if (!container.shown()) return false;
      work();
      return true;
    });
    if (__builtin_expect(shown, 1)) return;
    require(static_cast<bool>(OwnedRef(PyObject_CallMethod(container.self(), "_show_anew", nullptr))));
  }
}

// The keys of vertices, taken out of a graph to be made objects.
class ExtractedKeys {
 public:
  ExtractedKeys() = default;
  ~ExtractedKeys() { clear(); }
  ExtractedKeys(const ExtractedKeys& other);
  ExtractedKeys(ExtractedKeys&& other) noexcept { swap(other); }
  ExtractedKeys& operator=(ExtractedKeys other) noexcept {
    swap(other);
    return *this;
  }
  void swap(ExtractedKeys& other) noexcept {
    items_.swap(other.items_);
    bytes_.swap(other.bytes_);
  }

  void clear();
  void reserve(std::size_t count) { items_.reserve(count); }
  // Within a read. Errors: PythonError.
  void add(const emd::Graph::Key& key);
  std::size_t size() const { return items_.size(); }
  // Outside of it: the object, a new reference, once each; null with an error set. Not from several threads.
  PyObject* object(std::size_t i, Codec& codec);

  // One of them, for whoever shares them with others: take() while they are kept out, made() outside.
  struct One {
    PyObject* object;  // null: of `bytes`
    std::vector<u8> bytes;
    std::size_t key_size;
  };
  One take(std::size_t i, Codec& codec);
  static PyObject* made(const One& one, Codec& codec);

 private:
  struct Item {
    PyObject* object;  // null: to be decoded
    std::size_t at, key_size, annex_size;
  };
  std::vector<Item> items_;
  std::vector<u8> bytes_;
};

// Creates the types and adds them to the module; false with an error set.
bool add_graph_types(PyObject* module);
bool add_graph_view_types(PyObject* module);

}  // namespace pyr
