// Exports: a content's window as the views of it know it (Region::View). It outlives the content where views do: the
// addresses stay theirs until the last one has gone.
//
// Threads: as the store's.
#pragma once

#include "platform/mapping.h"
#include "store/region.h"

namespace emd {

struct Content;

struct Exports {
  explicit Exports(Content& the_content) : content(&the_content) {}
  ~Exports() {
    if (window != nullptr) platform::unreserve(window, reserved);
  }
  Exports(const Exports&) = delete;
  Exports& operator=(const Exports&) = delete;

  Content* content;  // null when it has gone: what is stored through the views then goes nowhere
  unsigned views = 0;
  unsigned writers = 0;  // of them, those to store through
  u64 end = 0;           // no view has ever reached further
  // Once the content has gone.
  u8* window = nullptr;
  u64 reserved = 0;
};

}  // namespace emd
