// The exceptions of the library. Their texts say what was expected, what was found, where, and what to do.
//
// Beside these, std::bad_alloc, and std::invalid_argument for options that make no sense.
#pragma once

#include <emd/export.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace emd {

// Base of all that a program may meet; never thrown itself.
class EMD_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A system call failed. Python: OSError(error, text, path), hence FileNotFoundError and so on.
class EMD_API SystemError : public Error {
 public:
  SystemError(int error, const std::string& what, std::string path)
      : Error(what), error_(error), path_(std::move(path)) {}
  // As errno has it.
  int error() const { return error_; }
  const std::string& path() const { return path_; }

 private:
  int error_;
  std::string path_;
};

// Bytes read from disk contradict the format. Python: pyrsistence.DamagedError (an OSError).
class EMD_API DamagedError : public Error {
 public:
  DamagedError(const std::string& what, std::string path = {}) : Error(what), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Not a store, a newer or foreign format, or another kind of container, or of element, than asked for.
// Python: pyrsistence.FormatError (a ValueError).
class EMD_API FormatError : public Error {
 public:
  using Error::Error;
};

// Somebody else holds the store. Python: pyrsistence.LockedError (a BlockingIOError).
class EMD_API LockedError : public Error {
 public:
  LockedError(const std::string& what, std::string path) : Error(what), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Use after close(), after drop(), or of a container whose creation was rolled back. Python: ValueError.
class EMD_API ClosedError : public Error {
 public:
  using Error::Error;
};

// A call that the state does not allow: commit inside a transaction, write in a read-only store,
// use after fork, use after a failed sync. Python: RuntimeError (io.UnsupportedOperation if read only).
class EMD_API StateError : public Error {
 public:
  using Error::Error;
};

class EMD_API ReadOnlyError : public StateError {
 public:
  using StateError::StateError;
};

// A reader's snapshot was given up: a writer had waited for it as long as it was told to. Python:
// pyrsistence.SnapshotError (a RuntimeError).
class EMD_API SnapshotError : public StateError {
 public:
  using StateError::StateError;
};

// Views of the bytes exist that would dangle, or stay behind. Python: BufferError.
class EMD_API ViewError : public Error {
 public:
  using Error::Error;
};

// An address outside of the ranges of a shadow memory. Python: IndexError.
class EMD_API UnbackedError : public Error {
 public:
  using Error::Error;
};

// An index beyond the end, a vertex that is not there, a number that does not fit. Of the C++ library alone.
class EMD_API RangeError : public Error {
 public:
  using Error::Error;
};

// A transaction's dirty bytes exceed the budget; it has been rolled back. Python: MemoryError.
class EMD_API BudgetError : public Error {
 public:
  using Error::Error;
};

// A check inside the library has failed, which is a bug: of the library, or of a program that uses a store from two
// threads at once. Python: SystemError.
class EMD_API CheckError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace emd
