// Dates and times as values, where they are naive; and as keys, by the rules of datetime's own __eq__: a naive time
// equals no aware one, aware ones are equal if they are the same instant, unless an offset depends on the fold (PEP
// 495). See key_codec.h and docs/keys.md.
#include "python/codec/key_codec.h"

#include <datetime.h>

#include <cstring>

#include "python/codec/key_time.h"
#include "python/codec/ordered.h"

namespace pyr {

namespace {

constexpr i64 kMicrosecondsPerSecond = 1'000'000;
constexpr i64 kSecondsPerDay = 86'400;

// Days since 0000-03-01 of the proleptic Gregorian calendar (Howard Hinnant's days_from_civil, without its epoch).
i64 day_number(int year, int month, int day) {
  const i64 y = year - (month <= 2);
  const i64 era = y / 400;
  const i64 year_of_era = y % 400;
  const i64 day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
}

DateTimeFields fields_of(PyObject* datetime) {
  return {static_cast<emd::u16>(PyDateTime_GET_YEAR(datetime)),
          static_cast<u8>(PyDateTime_GET_MONTH(datetime)),
          static_cast<u8>(PyDateTime_GET_DAY(datetime)),
          {static_cast<u8>(PyDateTime_DATE_GET_HOUR(datetime)),
           static_cast<u8>(PyDateTime_DATE_GET_MINUTE(datetime)),
           static_cast<u8>(PyDateTime_DATE_GET_SECOND(datetime)), 0,
           static_cast<emd::u32>(PyDateTime_DATE_GET_MICROSECOND(datetime))}};
}

DateFields date_fields_of(PyObject* date) {
  return {static_cast<emd::u16>(PyDateTime_GET_YEAR(date)), static_cast<u8>(PyDateTime_GET_MONTH(date)),
          static_cast<u8>(PyDateTime_GET_DAY(date))};
}

DeltaFields delta_fields_of(PyObject* delta) {
  return {PyDateTime_DELTA_GET_DAYS(delta), PyDateTime_DELTA_GET_SECONDS(delta),
          PyDateTime_DELTA_GET_MICROSECONDS(delta)};
}

TimeFields time_fields_of(PyObject* time) {
  return {static_cast<u8>(PyDateTime_TIME_GET_HOUR(time)), static_cast<u8>(PyDateTime_TIME_GET_MINUTE(time)),
          static_cast<u8>(PyDateTime_TIME_GET_SECOND(time)), 0,
          static_cast<emd::u32>(PyDateTime_TIME_GET_MICROSECOND(time))};
}

i64 microseconds(const TimeFields& time) {
  return (time.hour * 3600 + time.minute * 60 + time.second) * kMicrosecondsPerSecond + time.microsecond;
}

i64 microseconds(const DateTimeFields& fields) {
  return day_number(fields.year, fields.month, fields.day) * kSecondsPerDay * kMicrosecondsPerSecond +
         microseconds(fields.time);
}

enum class Offset { none, known, error };

Offset offset_of(PyObject* time, i64& offset) {
  const OwnedRef delta(PyObject_CallMethod(time, "utcoffset", nullptr));
  if (!delta) return Offset::error;
  if (delta.get() == Py_None) return Offset::none;
  if (!PyDelta_Check(delta.get())) {  // of a class that overrides it
    PyErr_Format(PyExc_TypeError, "%R: utcoffset() must return None or a timedelta, not %R", Py_TYPE(time),
                 Py_TYPE(delta.get()));
    return Offset::error;
  }
  offset =
      (PyDateTime_DELTA_GET_DAYS(delta.get()) * kSecondsPerDay + PyDateTime_DELTA_GET_SECONDS(delta.get())) *
          kMicrosecondsPerSecond +
      PyDateTime_DELTA_GET_MICROSECONDS(delta.get());
  return Offset::known;
}

// The same time in the other or the given fold.
OwnedRef with_fold(PyObject* time, int fold) {
  const OwnedRef method(PyObject_GetAttrString(time, "replace"));
  const OwnedRef none(method ? PyTuple_New(0) : nullptr);
  const OwnedRef keywords(none ? Py_BuildValue("{s:i}", "fold", fold) : nullptr);
  return OwnedRef(keywords ? PyObject_Call(method.get(), none.get(), keywords.get()) : nullptr);
}

// Called before any macro of datetime.h that needs the module's table.
bool ready() {
  if (!PyDateTimeAPI) PyDateTime_IMPORT;
  return PyDateTimeAPI != nullptr;
}

// A plain object of datetime's of the same fields. Precondition: ready().
OwnedRef plain_of(PyObject* object) {
  if (PyDateTime_Check(object)) {
    return OwnedRef(PyDateTimeAPI->DateTime_FromDateAndTimeAndFold(
        PyDateTime_GET_YEAR(object), PyDateTime_GET_MONTH(object), PyDateTime_GET_DAY(object),
        PyDateTime_DATE_GET_HOUR(object), PyDateTime_DATE_GET_MINUTE(object),
        PyDateTime_DATE_GET_SECOND(object), PyDateTime_DATE_GET_MICROSECOND(object),
        PyDateTime_DATE_GET_TZINFO(object), PyDateTime_DATE_GET_FOLD(object), PyDateTimeAPI->DateTimeType));
  }
  if (PyDate_Check(object)) {
    return OwnedRef(PyDate_FromDate(PyDateTime_GET_YEAR(object), PyDateTime_GET_MONTH(object),
                                    PyDateTime_GET_DAY(object)));
  }
  if (PyDelta_Check(object)) {
    return OwnedRef(PyDelta_FromDSU(PyDateTime_DELTA_GET_DAYS(object), PyDateTime_DELTA_GET_SECONDS(object),
                                    PyDateTime_DELTA_GET_MICROSECONDS(object)));
  }
  return OwnedRef(PyDateTimeAPI->Time_FromTimeAndFold(
      PyDateTime_TIME_GET_HOUR(object), PyDateTime_TIME_GET_MINUTE(object),
      PyDateTime_TIME_GET_SECOND(object), PyDateTime_TIME_GET_MICROSECOND(object),
      PyDateTime_TIME_GET_TZINFO(object), PyDateTime_TIME_GET_FOLD(object), PyDateTimeAPI->TimeType));
}

}  // namespace

Encoded encode_time(PyObject* value, Buffer& out) {
  if (!PyDateTimeAPI) {
    return std::strncmp(Py_TYPE(value)->tp_name, "datetime.", 9) == 0 ? Encoded::unprepared
                                                                      : Encoded::foreign;
  }
  const auto put = [&](Tag tag, const auto& fields) {
    u8* const to = out.room(1 + sizeof fields);
    if (!to) return Encoded::error;
    *to = tag;
    emd::store(to + 1, fields);
    out.advance(1 + sizeof fields);
    return Encoded::yes;
  };
  if (PyDateTime_CheckExact(value)) {
    const bool plain = PyDateTime_DATE_GET_TZINFO(value) == Py_None && !PyDateTime_DATE_GET_FOLD(value);
    return plain ? put(kDateTime, fields_of(value)) : Encoded::foreign;
  }
  if (PyDate_CheckExact(value)) return put(kDate, date_fields_of(value));
  if (PyDelta_CheckExact(value)) return put(kTimeDelta, delta_fields_of(value));
  if (!PyTime_CheckExact(value)) return Encoded::foreign;
  const bool plain = PyDateTime_TIME_GET_TZINFO(value) == Py_None && !PyDateTime_TIME_GET_FOLD(value);
  return plain ? put(kTime, time_fields_of(value)) : Encoded::foreign;
}

bool prepare_times() { return ready(); }

bool KeyEncoder::put_like_plain_time(PyObject* object, Framing framing) {
  if (Py_TYPE(object)->tp_hash == PyObject_HashNotImplemented)
    return check_hashable(object) && put_reduced(object);
  if (!ready()) return false;
  const OwnedRef plain = plain_of(object);
  const Py_hash_t hash = plain ? PyObject_Hash(plain.get()) : -1;
  const Py_hash_t own = hash != -1 ? PyObject_Hash(object) : -1;
  if (own == -1 && PyErr_Occurred()) return false;
  const int equal = own == hash ? PyObject_RichCompareBool(plain.get(), object, Py_EQ) : 0;
  if (equal < 0) return false;
  return equal ? put(plain.get(), framing) : put_reduced(object);
}

bool KeyEncoder::put_fields(Tag tag, const void* fields, std::size_t size) {
  return put_tag(out_, tag) && append(fields, size);
}

bool KeyEncoder::put_date(PyObject* date) {
  if (!ready()) return false;
  if (!PyDate_CheckExact(date)) natural_ = false;
  const DateFields fields = date_fields_of(date);
  return put_fields(kDate, &fields, sizeof fields);
}

bool KeyEncoder::put_naive(PyObject* datetime) {
  if (!PyDateTime_CheckExact(datetime) || PyDateTime_DATE_GET_FOLD(datetime) ||
      PyDateTime_DATE_GET_TZINFO(datetime) != Py_None)
    natural_ = false;
  const DateTimeFields fields = fields_of(datetime);
  return put_fields(kDateTime, &fields, sizeof fields);
}

bool KeyEncoder::put_datetime(PyObject* datetime) {
  if (!ready()) return false;
  if (PyDateTime_DATE_GET_TZINFO(datetime) == Py_None) return put_naive(datetime);
  i64 offset = 0, other = 0;
  const OwnedRef first = with_fold(datetime, 0);
  const Offset kind = first ? offset_of(first.get(), offset) : Offset::error;
  if (kind != Offset::known) return kind == Offset::none && put_naive(datetime);
  natural_ = false;
  const OwnedRef second = with_fold(datetime, 1);
  const Offset second_kind = second ? offset_of(second.get(), other) : Offset::error;
  if (second_kind == Offset::error) return false;
  const DateTimeFields fields = fields_of(datetime);
  if (second_kind == Offset::known && offset == other) {
    const i64 instant = microseconds(fields) - offset;
    return put_fields(kInstant, &instant, sizeof instant);
  }
  // In a gap or a repeated hour it equals only what has the same clock and the same time zone.
  if (!put_fields(kAmbiguous, &fields, sizeof fields)) return false;
  const bool outer = std::exchange(in_state_, true);
  const bool ok = nested(PyDateTime_DATE_GET_TZINFO(datetime));
  in_state_ = outer;
  return ok;
}

bool KeyEncoder::put_time(PyObject* time) {
  if (!ready()) return false;
  const TimeFields fields = time_fields_of(time);
  const bool zoned = PyDateTime_TIME_GET_TZINFO(time) != Py_None;
  if (!PyTime_CheckExact(time) || PyDateTime_TIME_GET_FOLD(time) || zoned) natural_ = false;
  if (zoned) {
    i64 offset = 0;
    const OwnedRef first = with_fold(time, 0);
    const Offset kind = first ? offset_of(first.get(), offset) : Offset::error;
    if (kind == Offset::error) return false;
    if (kind == Offset::known) {
      const i64 instant = microseconds(fields) - offset;
      return put_fields(kAwareTime, &instant, sizeof instant);
    }
  }
  return put_fields(kTime, &fields, sizeof fields);
}

bool KeyEncoder::put_timedelta(PyObject* delta) {
  if (!ready()) return false;
  if (!PyDelta_CheckExact(delta)) natural_ = false;
  const DeltaFields fields = delta_fields_of(delta);
  return put_fields(kTimeDelta, &fields, sizeof fields);
}

namespace {

template <class Fields>
bool take_fields(Reader& reader, Fields& fields) {
  const u8* from = reader.take(sizeof fields);
  if (from) fields = emd::load<Fields>(from);
  return from != nullptr;
}

PyObject* make_time(u8 tag, Reader& reader) {
  if (tag == kDate) {
    DateFields f;
    return take_fields(reader, f) ? PyDate_FromDate(f.year, f.month, f.day) : nullptr;
  }
  if (tag == kDateTime) {
    DateTimeFields f;
    if (!take_fields(reader, f) || f.time.microsecond > 999'999) return nullptr;
    return PyDateTime_FromDateAndTime(f.year, f.month, f.day, f.time.hour, f.time.minute, f.time.second,
                                      static_cast<int>(f.time.microsecond));
  }
  if (tag == kTime) {
    TimeFields f;
    if (!take_fields(reader, f) || f.microsecond > 999'999) return nullptr;
    return PyTime_FromTime(f.hour, f.minute, f.second, static_cast<int>(f.microsecond));
  }
  DeltaFields f;
  const bool normal = take_fields(reader, f) && f.seconds >= 0 && f.seconds < kSecondsPerDay &&
                      f.microseconds >= 0 && f.microseconds < kMicrosecondsPerSecond;
  return normal ? PyDelta_FromDSU(f.days, f.seconds, f.microseconds) : nullptr;
}

}  // namespace

PyObject* read_plain_time(Reader& reader, u8 tag) {
  if (!ready()) return nullptr;
  PyObject* object = make_time(tag, reader);
  if (object) return object;
  return PyErr_Occurred() ? damaged_from_error("damaged date or time") : damaged("damaged date or time");
}

// ---- In the order of sorted containers: fields and counts, the highest byte first

namespace {

void put_big(u8*& to, u64 value, unsigned bytes) {
  while (bytes-- > 0) *to++ = static_cast<u8>(value >> (8 * bytes));
}
u64 take_big(const u8*& from, unsigned bytes) {
  u64 value = 0;
  while (bytes-- > 0) value = value << 8 | *from++;
  return value;
}
// Numbers below zero come first.
u64 shifted(i64 value) {
  return static_cast<u64>(value) ^ u64 { 1 } << 63;
}

Ordered put_instant(PyObject* object, u8 tag, i64 instant, Buffer& out) {
  (void)object;
  u8* to = out.room(9);
  if (!to) return Ordered::error;
  *to++ = tag;
  put_big(to, shifted(instant), 8);
  out.advance(9);
  return Ordered::yes;
}

// Whether the time has an offset, and which. In a gap or a repeated hour of its zone Python orders by the clock what has the same
// zone, and by the instant what has another: no one order does both.
Offset ordered_offset(PyObject* time, i64& offset) {
  i64 other = 0;
  const OwnedRef first = with_fold(time, 0);
  const Offset kind = first ? offset_of(first.get(), offset) : Offset::error;
  if (kind != Offset::known) return kind;
  const OwnedRef second = with_fold(time, 1);
  const Offset second_kind = second ? offset_of(second.get(), other) : Offset::error;
  if (second_kind == Offset::error) return second_kind;
  if (second_kind == Offset::known && offset == other) return kind;
  PyErr_Format(PyExc_ValueError,
               "%R cannot be a key of a sorted container: in a gap or a repeated hour of its time zone its "
               "place in the order "
               "depends on what it is compared with; convert it to UTC",
               time);
  return Offset::error;
}

Ordered put_ordered_date(PyObject* date, Buffer& out) {
  const DateFields f = date_fields_of(date);
  u8* to = out.room(5);
  if (!to) return Ordered::error;
  *to++ = kOrderedDate;
  put_big(to, f.year, 2);
  put_big(to, f.month, 1);
  put_big(to, f.day, 1);
  out.advance(5);
  return Ordered::yes;
}

void put_clock(u8*& to, const TimeFields& f) {
  put_big(to, f.hour, 1);
  put_big(to, f.minute, 1);
  put_big(to, f.second, 1);
  put_big(to, f.microsecond, 3);
}

Ordered put_ordered_datetime(PyObject* datetime, Buffer& out, bool& natural) {
  i64 offset = 0;
  const bool zoned = PyDateTime_DATE_GET_TZINFO(datetime) != Py_None;
  if (zoned || PyDateTime_DATE_GET_FOLD(datetime)) natural = false;
  const DateTimeFields f = fields_of(datetime);
  if (zoned) {
    const Offset kind = ordered_offset(datetime, offset);
    if (kind == Offset::error) return Ordered::error;
    if (kind == Offset::known) return put_instant(datetime, kOrderedInstant, microseconds(f) - offset, out);
  }
  u8* to = out.room(11);
  if (!to) return Ordered::error;
  *to++ = kOrderedDateTime;
  put_big(to, f.year, 2);
  put_big(to, f.month, 1);
  put_big(to, f.day, 1);
  put_clock(to, f.time);
  out.advance(11);
  return Ordered::yes;
}

Ordered put_ordered_clock(PyObject* time, Buffer& out, bool& natural) {
  i64 offset = 0;
  const bool zoned = PyDateTime_TIME_GET_TZINFO(time) != Py_None;
  if (zoned || PyDateTime_TIME_GET_FOLD(time)) natural = false;
  const TimeFields f = time_fields_of(time);
  if (zoned) {
    const Offset kind = ordered_offset(time, offset);
    if (kind == Offset::error) return Ordered::error;
    if (kind == Offset::known) return put_instant(time, kOrderedAwareTime, microseconds(f) - offset, out);
  }
  u8* to = out.room(7);
  if (!to) return Ordered::error;
  *to++ = kOrderedTime;
  put_clock(to, f);
  out.advance(7);
  return Ordered::yes;
}

Ordered put_ordered_delta(PyObject* delta, Buffer& out) {
  const DeltaFields f = delta_fields_of(delta);
  u8* to = out.room(11);
  if (!to) return Ordered::error;
  *to++ = kOrderedTimeDelta;
  put_big(to, static_cast<emd::u32>(f.days) ^ 0x80000000u, 4);
  put_big(to, static_cast<u64>(f.seconds), 3);
  put_big(to, static_cast<u64>(f.microseconds), 3);
  out.advance(11);
  return Ordered::yes;
}

// A class with an order of its own (pandas.Timestamp, which has nanoseconds) is not taken for the plain time.
Ordered refuse_order(PyObject* object) {
  PyErr_Format(
      PyExc_TypeError,
      "%R has an order of its own, which a sorted container does not know; give key= (a function to a plain "
      "time or a number)",
      Py_TYPE(object));
  return Ordered::error;
}

bool orders_as(PyObject* object, PyTypeObject* base) {
  if (Py_TYPE(object) == base) return true;
  const OwnedRef own(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__lt__"));
  const OwnedRef inherited(own ? PyObject_GetAttrString(reinterpret_cast<PyObject*>(base), "__lt__")
                               : nullptr);
  if (!inherited) PyErr_Clear();
  return inherited && own.get() == inherited.get();
}

}  // namespace

Ordered encode_ordered_time(PyObject* object, Buffer& out, bool& natural) {
  if (!PyDateTimeAPI) {
    static PyObject* module = nullptr;
    if (!if_imported(module, "datetime", "datetime"))
      return PyErr_Occurred() ? Ordered::error : Ordered::not_this;
    if (!ready()) return Ordered::error;
  }
  PyTypeObject* base = nullptr;
  if (PyDateTime_Check(object)) {
    base = PyDateTimeAPI->DateTimeType;
  } else if (PyDate_Check(object)) {
    base = PyDateTimeAPI->DateType;
  } else if (PyTime_Check(object)) {
    base = PyDateTimeAPI->TimeType;
  } else if (PyDelta_Check(object)) {
    base = PyDateTimeAPI->DeltaType;
  } else {
    return Ordered::not_this;
  }
  if (!orders_as(object, base)) return refuse_order(object);
  if (Py_TYPE(object) != base) natural = false;
  if (base == PyDateTimeAPI->DateTimeType) return put_ordered_datetime(object, out, natural);
  if (base == PyDateTimeAPI->DateType) return put_ordered_date(object, out);
  if (base == PyDateTimeAPI->TimeType) return put_ordered_clock(object, out, natural);
  return put_ordered_delta(object, out);
}

unsigned ordered_time_bytes(u8 tag) {
  switch (tag) {
    case kOrderedDate:
      return 4;
    case kOrderedDateTime:
    case kOrderedTimeDelta:
      return 10;
    case kOrderedTime:
      return 6;
    case kOrderedInstant:
    case kOrderedAwareTime:
      return 8;
    default:
      return 0;
  }
}

PyObject* decode_ordered_time(u8 tag, const u8* from) {
  if (!ready()) return nullptr;
  PyObject* object = nullptr;
  const auto next = [&](unsigned bytes) { return static_cast<int>(take_big(from, bytes)); };
  if (tag == kOrderedInstant || tag == kOrderedAwareTime)
    return damaged("damaged key: a time with a zone needs an annex");
  if (tag == kOrderedTimeDelta) {
    const auto days = static_cast<std::int32_t>(static_cast<emd::u32>(take_big(from, 4)) ^ 0x80000000u);
    const int seconds = next(3), micros = next(3);
    if (seconds < kSecondsPerDay && micros < kMicrosecondsPerSecond)
      object = PyDelta_FromDSU(days, seconds, micros);
  } else {
    int year = 0, month = 0, day = 0;
    if (tag != kOrderedTime) year = next(2), month = next(1), day = next(1);
    if (tag == kOrderedDate) {
      object = PyDate_FromDate(year, month, day);
    } else {
      const int hour = next(1), minute = next(1), second = next(1), micros = next(3);
      if (micros < kMicrosecondsPerSecond)
        object = tag == kOrderedTime
                     ? PyTime_FromTime(hour, minute, second, micros)
                     : PyDateTime_FromDateAndTime(year, month, day, hour, minute, second, micros);
    }
  }
  if (object) return object;
  return PyErr_Occurred() ? damaged_from_error("damaged date or time") : damaged("damaged date or time");
}

}  // namespace pyr
