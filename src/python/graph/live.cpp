// The numbers by which the Python class keeps dicts of live attributes, and when they have become others: a compaction gives
// vertices other numbers, a rollback may give the numbers of new ones to others. Whoever looks for a number finds that out
// here, in the same read, so that nothing depends on anybody having been told.
#include "python/graph/arguments.h"

namespace pyr {

GraphContainer::Noted GraphContainer::note_removal() {
  const auto& outcome = handle().outcome();
  const bool same = removed_in_ == outcome;
  removed_in_ = outcome;
  if (!outcome) return Noted::no_transaction;
  return same ? Noted::same : Noted::another;
}

bool show_anew(PyObject* graph) {
  const Ref shown(PyObject_CallMethod(graph, "_show_anew", nullptr));
  return static_cast<bool>(shown);
}

namespace {

// A number for a vertex: negative, those of edges are not.
PyObject* vertex_number(std::optional<emd::VertexId> id) {
  if (!id) Py_RETURN_NONE;
  return PyLong_FromLongLong(-1 - static_cast<long long>(*id));
}

std::optional<unsigned long long> edge_number(const emd::Graph& graph, SoughtEdge& edge) {
  if (!edge.find(graph) || !graph.has_edge(*edge.u, *edge.v)) return std::nullopt;
  return place_number(graph, *edge.u, *edge.v);
}

PyObject* edge_object(std::optional<unsigned long long> number) {
  if (!number) Py_RETURN_NONE;
  return PyLong_FromUnsignedLongLong(*number);
}

}  // namespace

// _vertex_place(node), _edge_place(u, v): the number by which live attributes are kept now; None if there is none.
PyObject* graph_vertex_place(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    if (!container || !sought.take(*container, key)) return nullptr;
    std::optional<emd::VertexId> id;
    const auto find = [&] { id = sought.in(container->graph()); };
    return read_as_shown(self, *container, find) ? vertex_number(id) : nullptr;
  });
}

PyObject* graph_edge_place(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    std::optional<unsigned long long> number;
    const auto find = [&] { number = edge_number(container->graph(), edge); };
    return read_as_shown(self, *container, find) ? edge_object(number) : nullptr;
  });
}

// _vertex_at(node), _edge_at(u, v): the same for _show_anew(), while what is shown is of another state.
PyObject* graph_vertex_at(PyObject* self, PyObject* key) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtKey sought;
    if (!container || !sought.take(*container, key)) return nullptr;
    return vertex_number(container->read([&] { return sought.in(container->graph()); }));
  });
}

PyObject* graph_edge_at(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    SoughtEdge edge;
    if (!check_count(count, 2) || !container || !edge.take(*container, args)) return nullptr;
    return edge_object(container->read([&] { return edge_number(container->graph(), edge); }));
  });
}

// _current(): sees to it that live attributes are of the present state; of a closed graph nothing.
PyObject* graph_current(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer& container = graph_container(self);
    if (container.attached() && !read_as_shown(self, container, [] {})) return nullptr;
    Py_RETURN_NONE;
  });
}

// _begin_showing(): the present state as two numbers; whether a transaction was rolled back since the last _end_showing();
// and what has become of the one in which something was last removed: 0 it is over (or there is none), 1 it is on, 2 it was
// rolled back.
PyObject* graph_begin_showing(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    GraphContainer::Seen seen;
    int removal = 0;
    bool rolled_back = false;
    container->read([&] {
      seen = container->seen();
      removal = container->removal_state();
      const auto& last = container->last_shown();
      rolled_back = last && last->rollbacks != seen.rollbacks;
    });
    return Py_BuildValue("KKNi", static_cast<unsigned long long>(seen.state),
                         static_cast<unsigned long long>(seen.rollbacks), PyBool_FromLong(rolled_back),
                         removal);
  });
}

// _end_showing(state, rollbacks): live attributes are of that state.
PyObject* graph_end_showing(PyObject* self, PyObject* const* args, Py_ssize_t count) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!check_count(count, 2) || !container) return nullptr;
    const GraphContainer::Seen seen{PyLong_AsUnsignedLongLong(args[0]), PyLong_AsUnsignedLongLong(args[1])};
    if (PyErr_Occurred()) return nullptr;
    const Container::Entered entered(*container);
    container->set_shown(seen);
    Py_RETURN_NONE;
  });
}

// _note_removal(): 0 outside of a transaction, 1 in another one than at the last call, 2 in the same.
PyObject* graph_note_removal(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    const Container::Entered entered(*container);
    return PyLong_FromLong(static_cast<long>(container->note_removal()));
  });
}

// _seen(): another number when what was derived from the graph before may be wrong, though no call has changed it: a
// transaction was rolled back, or a writer in another process has committed.
PyObject* graph_seen(PyObject* self, PyObject*) {
  return guarded_object([&]() -> PyObject* {
    GraphContainer* const container = usable(self);
    if (!container) return nullptr;
    return PyLong_FromUnsignedLongLong(container->read([&] {
      return container->store().read_only() ? container->store().changes() : container->handle().rollbacks();
    }));
  });
}

}  // namespace pyr
