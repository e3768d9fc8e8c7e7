// ShadowObject: the C part of EMShadowMemory: what is called for each instruction of a program, and all that runs over
// many addresses. What is convenient is the Python class's business. See python/dict/object.h for the order of work in a slot.
//
// Threads: any; see container.h.
#pragma once

#include <Python.h>

#include <memory>

#include "python/core/container.h"
#include "structures/shadow/shadow.h"

namespace pyr {

using emd::Bytes;
using emd::u64;
using emd::u8;

class ShadowContainer final : public Container {
 public:
  using Container::Container;
  ~ShadowContainer() override { detach(); }

  // Before attach(): the width of a new one; of another one it must be that, if it was said.
  void want(unsigned width, bool said) {
    width_ = width;
    width_said_ = said;
  }

  // Precondition of the rest: entered.
  emd::Shadow& shadow() { return *shadow_; }

  // As look(); where it is long, with the GIL released.
  template <class Work>
  auto look_at(bool is_long, Work&& work) {
    if (!is_long) return look(work);
    if (live()) handle().require_snapshot();
    decltype(work()) result{};
    handle().run_long([&] { result = store().look(member(), work); });
    return result;
  }
  // Runs `work` as one operation of the store; a long one with the GIL released.
  template <class Work>
  void operate(bool is_long, Work&& work) {
    const auto operation = [&] {
      const emd::Operation scope(store());
      work();
    };
    if (is_long) {
      handle().run_long(operation);
    } else {
      operation();
    }
  }

 protected:
  void open_structure(emd::Store& store, emd::Member& member) override;
  void close_structure(bool leak) noexcept override;
  bool laid_out() const override { return shadow_->laid_out(); }

 private:
  std::shared_ptr<emd::Shadow> shadow_;
  unsigned width_ = 1;
  bool width_said_ = false;
};

struct ShadowObject {
  ContainerHead head;
  ShadowContainer container;
};

inline ShadowContainer& shadow_container(PyObject* self) {
  return reinterpret_cast<ShadowObject*>(self)->container;
}

bool is_shadow_object(PyObject* object);

// Work on more addresses than this releases the GIL.
inline constexpr u64 kLongRun = u64{64} << 10;

// ---- Arguments; false with an error set

// IndexError if it is no address: negative, or of more than 64 bits.
bool as_address(PyObject* object, u64& address);
// A length, which may be far too much. ValueError if it is negative.
bool as_length(PyObject* object, u64& length);
// Flags of at most 64 bits. ValueError.
bool as_flags(PyObject* object, u64& flags);

// The address behind this one, which may be 2^64: a new reference, or null with an error set.
Ref end_of(u64 last);
// The last of `length` addresses. Precondition: length != 0. Errors by exception: UnbackedError if they go beyond 2^64.
u64 last_of(u64 address, u64 length);
// Errors by exception: std::invalid_argument if there are none, where some are asked for, or more than the width takes.
void require_fit(const emd::Shadow& shadow, u64 flags);
void require_some(const emd::Shadow& shadow, u64 flags);
// Sets the flags of a run of addresses, in as many operations as it takes. Precondition: entered.
void change_run(ShadowContainer& container, u64 address, u64 length, emd::FlagChange change);

extern PyMethodDef shadow_methods[];
// Of bulk.cpp.
PyObject* shadow_remove_range(PyObject* self, PyObject* args);
PyObject* shadow_flag_runs(PyObject* self, PyObject* args);
PyObject* shadow_gather(PyObject* self, PyObject* args);
PyObject* shadow_scatter(PyObject* self, PyObject* args);
PyObject* shadow_count_up(PyObject* self, PyObject* args);
PyObject* shadow_count_up_at(PyObject* self, PyObject* args);

// Creates the type and adds it to the module; false with an error set.
bool add_shadow_type(PyObject* module);

}  // namespace pyr
