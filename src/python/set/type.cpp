// The EMSet base type. What is not hot, the algebra of sets before all, is written in Python
// (pyrsistence/_containers/set.py).
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "python/dict/batch.h"
#include "python/kit/buffer_argument.h"
#include "python/kit/method.h"
#include "python/set/object.h"
#include "structures/set/membership.h"

namespace pyr {
namespace {

void add(SetContainer& container, PyObject* element) {
  Buffer canonical, annex;
  require(container.codec().encode_key(element, canonical, &annex));
  const Container::Entered entered(container);
  emd::Dict& dict = container.dict();
  container.change(
      [&] { dict.put(dict.wanted(canonical.bytes()), annex.bytes(), {}, emd::Dict::Existing::kept); });
}

// The canonical bytes of an element that is looked for: of a set, which is none, those of the frozenset that it equals, as
// for set.
void encode_sought(SetContainer& container, PyObject* element, Buffer& canonical) {
  if (encode_key(container, element, canonical)) return;
  require(PySet_Check(element) && PyErr_ExceptionMatches(PyExc_TypeError));
  PyErr_Clear();
  canonical.clear();
  const Ref frozen(PyFrozenSet_New(element));
  require(frozen && encode_key(container, frozen.get(), canonical));
}

int contains(SetContainer& container, PyObject* element) {
  Buffer canonical;
  encode_sought(container, element, canonical);
  return container.read([&] { return container.dict().find(canonical.bytes()).has_value() ? 1 : 0; });
}

bool erase(SetContainer& container, PyObject* element) {
  Buffer canonical;
  encode_sought(container, element, canonical);
  return dict_remove(container, canonical.bytes());
}

void discard(SetContainer& container, PyObject* element) { erase(container, element); }

void remove(SetContainer& container, PyObject* element) {
  if (erase(container, element)) return;
  set_key_error(element);
  throw PythonError();
}

PyObject* pop(SetContainer& container) {
  PyObject* const element = dict_pop_last(container, Part::key);
  if (!element && !PyErr_Occurred()) PyErr_SetString(PyExc_KeyError, "pop from an empty set");
  return element;
}

// Adds all elements of an iterable: in groups, where nobody's code runs between two of them.
void add_all(SetContainer& container, PyObject* iterable) {
  { const Container::Entered entered(container); }  // a closed one is refused, whatever the argument is
  ObjectSource source;
  require(source.open(iterable));
  if (!source.runs_no_code() && !is_dict_iterator(iterable)) {
    while (const Ref element = source.next()) {
      add(container, element.get());
      require(source.given() % Py_ssize_t{emd::Dict::kMaxGroup} != 0 || let_others_in());
    }
    return require(!PyErr_Occurred());
  }
  PairGroup group(container);
  bool good = true;
  while (const Ref element = source.next()) {
    good = group.add(element.get(), nullptr);
    if (!good) break;
  }
  if (good && !PyErr_Occurred()) return group.store();
  group.store_rest();
  throw PythonError();
}

// How many of an iterable's elements were there, and are removed.
Py_ssize_t discard_all(SetContainer& container, PyObject* iterable) {
  ObjectSource source;
  require(source.open(iterable));
  Py_ssize_t removed = 0;
  while (const Ref element = source.next()) {
    removed += erase(container, element.get());
    require(source.given() % Py_ssize_t{emd::Dict::kMaxGroup} != 0 || let_others_in());
  }
  require(!PyErr_Occurred());
  return removed;
}

// ---- The algebra of two sets: see structures/set/membership.h

void require_version(SetContainer& container, u64 version) {
  container.read([&] {
    if (container.dict().version() != version) throw emd::StateError("Set changed size during iteration");
  });
}

// _members(other): a bit for each element, in their order, of those that are in the other set too; how many; the version.
PyObject* members(SetContainer& container, PyObject* object) {
  if (!TypeOf<SetContainer>::is(object)) {
    PyErr_SetString(PyExc_TypeError, "expected an EMSet");
    return nullptr;
  }
  SetContainer& other = unboxed<SetContainer>(object);
  const Container::Snapshot held(container), other_held(other);
  emd::MembershipOptions options{};
  u64 version = 0;
  std::shared_ptr<emd::Dict> first, second;
  container.read([&] {
    options.memory = container.store().buffer_budget();
    version = container.dict().version();
    first = container.share();
  });
  other.read([&] { second = other.share(); });
  options.look_at_first = [&](const std::function<void()>& part) { container.read(part); };
  options.look_at_second = [&](const std::function<void()>& part) { other.read(part); };
  options.on_step = [&] { require(let_others_in()); };
  const emd::Membership result = emd::members_of(*first, *second, options);
  require_version(container, version);
  const Bytes bits = result.bytes();
  return Py_BuildValue("NKK",
                       PyBytes_FromStringAndSize(reinterpret_cast<const char*>(bits.data()),
                                                 static_cast<Py_ssize_t>(bits.size())),
                       static_cast<unsigned long long>(result.found()),
                       static_cast<unsigned long long>(version));
}

// Keys on their way out.
struct TakenElements {
  static constexpr std::size_t kMost = 512;
  static constexpr u64 kMostSeen = 65536;

  void clear() {
    copies.clear();
    ends.clear();
  }
  bool add(const emd::Dict::Record& record, bool live) {
    if (!copies.add(record.key, live)) return false;
    const std::size_t key_end = copies.size();
    if (!copies.add(record.annex, live)) return false;
    ends.emplace_back(key_end, copies.size());
    return true;
  }
  bool full() const { return ends.size() >= kMost || copies.size() >= kGroupBytes; }
  // A new list, or none with an error set.
  Ref list(Codec& codec) const {
    Ref result(PyList_New(static_cast<Py_ssize_t>(ends.size())));
    std::size_t begin = 0;
    for (std::size_t i = 0; result && i < ends.size(); ++i) {
      const auto [key_end, end] = ends[i];
      const Bytes all = copies.bytes();
      PyObject* const element =
          codec.decode_key(all.subspan(begin, key_end - begin), all.subspan(key_end, end - key_end));
      if (!element) return Ref();
      PyList_SET_ITEM(result.get(), static_cast<Py_ssize_t>(i), element);
      begin = end;
    }
    return result;
  }
  Copies copies;
  std::vector<std::pair<std::size_t, std::size_t>> ends;  // of a key and of its annex
};

// _chosen(bits, wanted, version, number, position): some elements whose bit is `wanted`, from a place on (0, 0: the first);
// the place behind them; whether there may be more.
PyObject* chosen(SetContainer& container, const ReadBuffer& bits, bool wanted, u64 version, u64 number,
                 u64 position) {
  TakenElements elements;
  u64 next = 0, behind = 0;
  bool more = false;
  do {
    container.read([&] {
      elements.clear();
      next = number;
      behind = position;  // of the record before, and one
      more = false;
      const emd::Dict& dict = container.dict();
      if (dict.version() != version) throw emd::StateError("Set changed size during iteration");
      auto record = behind == 0 ? dict.first() : dict.next(emd::RecordPos{behind - 1});
      for (; record && next / 8 < bits.size(); record = dict.next(record->position)) {
        more = elements.full() || next - number >= TakenElements::kMostSeen;
        if (more) break;
        const bool bit = (bits.data()[next / 8] >> (next % 8) & 1) != 0;
        if (bit == wanted && !elements.add(*record, container.live())) break;
        ++next;
        behind = static_cast<u64>(record->position) + 1;
      }
    });
  } while (elements.copies.grow());
  const Ref list = elements.list(container.codec());
  return list ? Py_BuildValue("OKKN", list.get(), static_cast<unsigned long long>(next),
                              static_cast<unsigned long long>(behind), PyBool_FromLong(more))
              : nullptr;
}

PyMethodDef methods[] = {
    method<"add", &add>(
        "add($self, element, /)\n--\n\nAdd an element, unless it is there.\n\n**Cost**: one look-up; "
        "an insertion if it is new."),
    method<"discard", &discard>(
        "discard($self, element, /)\n--\n\nRemove an element if it is there.\n\n**Cost**: one "
        "look-up, and a removal."),
    method<"remove", &remove>("remove($self, element, /)\n--\n\nRemove an element; KeyError if it is not "
                              "there.\n\n**Cost**: as discard()."),
    method<"pop", &pop>(
        "pop($self, /)\n--\n\nRemove the element added last and return it; KeyError if there is "
        "none.\n\n**Cost**: one look-up."),
    method<"clear", &dict_clear>(
        "clear($self, /)\n--\n\nRemove all elements.\n\n**Cost**: O(1); space returns to the "
        "disk at a checkpoint."),
    method<"contains_many", &dict_contains_many>(
        "contains_many($self, elements, /)\n--\n\nReturn, as a list of booleans, which of elements are "
        "there.\n\n"
        "**Cost**: a look-up each, but side by side: warm a half to a third of the loop, beyond RAM at the "
        "disk's "
        "full rate. Errors: TypeError of an element that is none, with its place."),
    method<"__reversed__", &dict_reversed>("Iterate over the elements, the last added first."),
    method<"_add_all", &add_all>("Add the elements of an iterable."),
    method<"_discard_all", &discard_all>("Remove the elements of an iterable; return how many were there."),
    method<"_members", &members>("Return which elements another set has, as bits."),
    method<"_chosen", &chosen>("Return some elements by their bits."),
    kEndOfMethods};

}  // namespace

bool add_set_types(PyObject* module) {
  return add_container_type<SetContainer>(module, methods,
                                          {slot<&dict_iter>(Py_tp_iter),
                                           {Py_tp_hash, reinterpret_cast<void*>(PyObject_HashNotImplemented)},
                                           slot<&dict_length>(Py_mp_length),
                                           slot<&dict_length>(Py_sq_length),
                                           slot<&contains>(Py_sq_contains)});
}

}  // namespace pyr
