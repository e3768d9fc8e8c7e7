// GraphObject: the C part of a graph's storage: vertices and edges by their keys, and the mappings that NetworkX sees.
// Attribute dicts that are live are the Python class's business (_node_attributes, _edge_attributes). See python/dict/object.h
// for the order of work in a call.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <memory>
#include <optional>
#include <vector>

#include "python/core/container.h"
#include "python/core/taken.h"
#include "structures/graph/graph.h"

namespace pyr {

// What a graph is to be: for a new one all of it counts, of another one the kind only if it was said, and the type of the
// edges if it has one.
struct WantedGraph {
  emd::Graph::Type type;
  bool said = false;
};

class GraphContainer final : public Container {
 public:
  using Container::Container;
  ~GraphContainer() override { detach(); }

  // Before attach().
  void want(const WantedGraph& wanted) { wanted_ = wanted; }
  // Precondition: entered.
  emd::Graph& graph() { return *graph_; }
  // Runs `work` on the graph as one operation of the store. Precondition: entered.
  template <class Work>
  auto change(Work&& work) {
    const emd::Operation operation(store());
    return work(*graph_);
  }

  // ---- The dicts of live attributes, which the Python class keeps by numbers of vertices. Precondition: entered.

  // What those dicts are of: another number where vertices may have got other numbers, or of a reader where a writer has
  // committed; and how many transactions were rolled back.
  struct Seen {
    u64 state = 0, rollbacks = 0;
    friend bool operator==(const Seen&, const Seen&) = default;
  };
  Seen seen() const {
    return {store().read_only() ? store().changes() : graph_->generation(), handle().rollbacks()};
  }
  bool shown() const { return shown_ == seen(); }
  const std::optional<Seen>& last_shown() const { return shown_; }
  void set_shown(const Seen& seen) { shown_ = seen; }
  // Notes that something is removed now. Whether a transaction is on, and whether it is that of the last note.
  enum class Noted { no_transaction = 0, another = 1, same = 2 };
  Noted note_removal();
  // Of the transaction of the last note: 0 it is over, or there was none, 1 it is on, 2 it was rolled back.
  int removal_state() const {
    if (!removed_in_ || *removed_in_ == StoreHandle::Outcome::committed) return 0;
    return *removed_in_ == StoreHandle::Outcome::open ? 1 : 2;
  }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;
  bool laid_out() const override { return graph_->laid_out(); }

 private:
  std::unique_ptr<emd::Graph> graph_;
  WantedGraph wanted_;
  std::optional<Seen> shown_;
  std::shared_ptr<StoreHandle::Outcome> removed_in_;
};

struct GraphObject {
  ContainerHead head;
  GraphContainer container;
};

inline GraphContainer& graph_container(PyObject* self) {
  return reinterpret_cast<GraphObject*>(self)->container;
}

bool is_graph_object(PyObject* object);

// The container, for a call on it: a temporary graph is made at its first use (the method _open_late of the Python class).
// Null with an error set.
inline GraphContainer* usable(PyObject* graph) {
  GraphContainer& container = graph_container(graph);
  if (__builtin_expect(container.attached(), 1)) return &container;
  const Ref opened(PyObject_CallMethod(graph, "_open_late", nullptr));
  return opened ? &container : nullptr;
}

// Has the Python class place its live attributes anew (its method _show_anew); false with an error set.
bool show_anew(PyObject* graph);

// Runs `work` as a read once the live attributes are of the state that is read; false with an error set.
template <class Work>
bool read_as_shown(PyObject* graph, GraphContainer& container, Work&& work) {
  for (;;) {
    bool shown = false;
    container.read([&] {
      shown = container.shown();
      if (shown) work();
    });
    if (__builtin_expect(shown, 1)) return true;
    if (!show_anew(graph)) return false;
  }
}

// The keys of vertices, taken out of a graph to be made objects.
class TakenKeys {
 public:
  TakenKeys() = default;
  ~TakenKeys() { clear(); }
  TakenKeys(const TakenKeys&) = delete;
  TakenKeys& operator=(const TakenKeys&) = delete;

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
  // Takes over those of another from a place on.
  void copy(const TakenKeys& other, std::size_t from);

 private:
  struct Item {
    PyObject* object;  // null: to be decoded
    std::size_t at, key_size, annex_size;
  };
  std::vector<Item> items_;
  std::vector<u8> bytes_;
};

extern PyMethodDef graph_methods[];
PyObject* graph_add_edges(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_vertex_place(PyObject* self, PyObject* key);
PyObject* graph_edge_place(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_vertex_at(PyObject* self, PyObject* key);
PyObject* graph_edge_at(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_current(PyObject* self, PyObject*);
PyObject* graph_begin_showing(PyObject* self, PyObject*);
PyObject* graph_end_showing(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_note_removal(PyObject* self, PyObject*);
PyObject* graph_seen(PyObject* self, PyObject*);
PyObject* graph_edge_layout(PyObject* self, PyObject*);
PyObject* graph_add_typed_edge(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_edge_record(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_set_edge_record(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_key_bytes(PyObject* self, PyObject* key);
PyObject* graph_set_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_put_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_remove_parallel(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_parallel_value(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_parallel_count(PyObject* self, PyObject* const* args, Py_ssize_t count);
PyObject* graph_parallel_items(PyObject* self, PyObject* const* args, Py_ssize_t count);

// Creates the types and adds them to the module; false with an error set.
bool add_graph_types(PyObject* module);
bool add_graph_view_types(PyObject* module);

}  // namespace pyr
