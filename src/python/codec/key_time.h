// Dates and times in values and keys: their layout in the file, and their decoding.
#pragma once

#include "python/codec/value_codec.h"

namespace pyr {

struct DateFields {
  emd::u16 year;
  u8 month, day;
};
static_assert(sizeof(DateFields) == 4);

struct TimeFields {
  u8 hour, minute, second, zero;
  emd::u32 microsecond;
};
static_assert(sizeof(TimeFields) == 8);

struct DateTimeFields {
  emd::u16 year;
  u8 month, day;
  TimeFields time;
};
static_assert(sizeof(DateTimeFields) == 12);

struct DeltaFields {
  std::int32_t days, seconds, microseconds;
};
static_assert(sizeof(DeltaFields) == 12);

// Reads a date, naive datetime, naive time or timedelta. A new reference, or null with DamagedError set.
PyObject* read_plain_time(Reader& reader, u8 tag);

}  // namespace pyr
