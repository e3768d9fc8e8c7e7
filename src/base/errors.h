// The exceptions that leave the C++ layers. Each maps to the builtin that a Python user would catch
// (src/python/kit/errors.cpp). Messages say what was expected, what was found, where, and what to do.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace emd {

// Base of all; never thrown itself.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A system call failed. Python: OSError(error, text, path), hence FileNotFoundError and so on.
class SystemError : public Error {
 public:
  SystemError(int error, const std::string& what, std::string path)
      : Error(what), error_(error), path_(std::move(path)) {}
  int error() const { return error_; }
  const std::string& path() const { return path_; }

 private:
  int error_;
  std::string path_;
};

// Bytes read from disk contradict the format. Python: pyrsistence.DamagedError (an OSError).
class DamagedError : public Error {
 public:
  DamagedError(const std::string& what, std::string path = {}) : Error(what), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Not a store, a newer or foreign format, or another kind of container than asked for.
// Python: pyrsistence.FormatError (a ValueError).
class FormatError : public Error {
 public:
  using Error::Error;
};

// Somebody else holds the store. Python: pyrsistence.LockedError (a BlockingIOError).
class LockedError : public Error {
 public:
  LockedError(const std::string& what, std::string path) : Error(what), path_(std::move(path)) {}
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Use after close(), after drop(), or of a member whose creation was rolled back. Python: ValueError.
class ClosedError : public Error {
 public:
  using Error::Error;
};

// A call that the state does not allow: commit inside a transaction, write in a read-only store,
// use after fork, use after a failed sync. Python: RuntimeError (io.UnsupportedOperation if read only).
class StateError : public Error {
 public:
  using Error::Error;
};

class ReadOnlyError : public StateError {
 public:
  using StateError::StateError;
};

// A reader's snapshot was given up: a writer had waited for it as long as it was told to. Python:
// pyrsistence.SnapshotError (a RuntimeError).
class SnapshotError : public StateError {
 public:
  using StateError::StateError;
};

// Views of the bytes exist that would dangle, or stay behind. Python: BufferError.
class ViewError : public Error {
 public:
  using Error::Error;
};

// An address outside of the ranges of a shadow memory. Python: IndexError.
class UnbackedError : public Error {
 public:
  using Error::Error;
};

// A transaction's dirty bytes exceed the budget; it has been rolled back. Python: MemoryError.
class BudgetError : public Error {
 public:
  using Error::Error;
};

}  // namespace emd
