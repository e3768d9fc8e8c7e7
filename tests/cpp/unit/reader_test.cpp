// Readers in other processes beside a live writer: what they see is one committed state. docs/concurrency.md
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "store/store.h"
#include "structures/dict/dict.h"
#include "structures/list/list.h"
#include "support/scratch.h"

namespace emd {
namespace {

StoreOptions options(Mode mode) {
  StoreOptions result;
  result.mode = mode;
  result.commit_interval_seconds = -1;
  return result;
}

// Runs `work` in a child process; what it returns is its exit code.
class Child {
 public:
  explicit Child(const std::function<int()>& work) : process_(::fork()) {
    if (process_ != 0) return;
    int code = 99;
    try {
      code = work();
    } catch (const std::exception& error) {
      (void)!::write(2, error.what(), std::strlen(error.what()));
    }
    ::_exit(code);
  }
  ~Child() {
    if (process_ > 0) kill(SIGKILL), wait();
  }
  void kill(int signal) const { ::kill(process_, signal); }
  // The exit code, or minus the signal.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  bool ended() {
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) != process_) return false;
    process_ = -1;
    return true;
  }

 private:
  pid_t process_;
};

// A byte from one process to another.
class Signal {
 public:
  Signal() { EXPECT_EQ(::pipe(ends_), 0); }
  void send() { EXPECT_EQ(::write(ends_[1], "x", 1), 1); }
  void wait() {
    char byte;
    EXPECT_EQ(::read(ends_[0], &byte, 1), 1);
  }

 private:
  int ends_[2];
};

constexpr u64 kKeys = 300;
constexpr int kTorn = 1;

void write_generation(Store& store, Dict& dict, u64 generation) {
  const Operation operation(store);
  for (u64 key = 0; key < kKeys; ++key) {
    // Lengths vary, so that values move from record to heap and back.
    const std::string value(8 + (key * 7 + generation * 13) % 60, static_cast<char>('a' + generation % 26));
    std::string text = std::to_string(generation) + ":" + value;
    dict.put(as_bytes("key" + std::to_string(key)), {}, as_bytes(text));
  }
  for (u64 key = 0; key < 5; ++key)
    dict.erase(as_bytes("old" + std::to_string(generation - 1) + "-" + std::to_string(key)));
  for (u64 key = 0; key < 5; ++key)
    dict.put(as_bytes("old" + std::to_string(generation) + "-" + std::to_string(key)), {}, as_bytes("x"));
}

struct Writer {
  explicit Writer(const std::string& path) : Writer(Store::open(path, options(Mode::append))) {}
  explicit Writer(std::unique_ptr<Store> opened) : store(std::move(opened)) {
    member = store->find("");
    if (member == nullptr) member = store->create("", Dict::kKind, Dict::kRegionCount);
    store->acquire(*member);
    dict = std::make_unique<Dict>(*store, *member, Dict::Options{.max_segment_buckets = 8, .hash_bits = 64});
  }
  void commit(u64 generation) {
    write_generation(*store, *dict, generation);
    store->commit();
  }
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<Dict> dict;
};

struct Reader {
  explicit Reader(const std::string& path)
      : store(Store::open(path, options(Mode::read))), member(store->find("")) {
    store->acquire(*member);
    store->read_consistent(*member, [&] { dict = std::make_unique<Dict>(*store, *member); });
  }
  u64 generation_of(u64 key) {
    const auto record = dict->find(as_bytes("key" + std::to_string(key)));
    return record ? std::stoull(std::string(as_text(record->value))) : 0;
  }
  // The generation that all keys of one read agree on, or nothing.
  std::optional<u64> read() {
    return store->read_consistent(*member, [&]() -> std::optional<u64> {
      const u64 first = generation_of(0);
      for (u64 key : {kKeys / 2, kKeys - 1}) {
        if (generation_of(key) != first) return std::nullopt;
      }
      return first;
    });
  }
  std::unique_ptr<Store> store;
  std::shared_ptr<Member> member;
  std::unique_ptr<Dict> dict;
};

TEST(Reader, SeesWholeCommitsInOrderBesideAWriter) {
  const Scratch scratch;
  Writer(scratch.path("s")).commit(1);
  Signal ready;
  const auto read = [&] {
    Reader reader(scratch.path("s"));
    ready.send();
    for (u64 last = 0; last < 400;) {
      const auto now = reader.read();
      if (!now || *now < last) return kTorn;
      last = *now;
    }
    return 0;
  };
  Child first(read), second(read);
  ready.wait();
  ready.wait();
  Writer writer(scratch.path("s"));
  for (u64 generation = 2; generation <= 400; ++generation) writer.commit(generation);
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
}

TEST(Reader, ASnapshotIsOneStateOverManyReads) {
  const Scratch scratch;
  Writer writer(scratch.path("s"));
  writer.commit(1);
  Signal held, go_on;
  Child child([&] {
    Reader reader(scratch.path("s"));
    reader.store->take_snapshot();
    const auto before = reader.read();
    held.send();
    ::usleep(100'000);  // the writer is in its commit by now, or it comes later: both are fine
    for (u64 key = 0; key < kKeys; ++key) {
      if (reader.store->read_consistent(*reader.member, [&] { return reader.generation_of(key); }) != before)
        return kTorn;
    }
    reader.store->end_snapshot();
    go_on.wait();
    return reader.read() == 2 ? 0 : 2;
  });
  held.wait();
  writer.commit(2);  // waits for it
  go_on.send();
  EXPECT_EQ(child.wait(), 0);
}

// What ends a wait comes through, and all is as before it: nothing was committed, readers are not kept out.
TEST(Reader, AWaitThatIsGivenUpLeavesAllAsItWas) {
  struct GivenUp {};
  const Scratch scratch;
  Writer(scratch.path("s")).commit(1);
  bool gives_up = true;
  StoreOptions patient = options(Mode::append);
  patient.snapshot_timeout_seconds = patient.lock_timeout_seconds = 3600;
  patient.pause = [&](std::chrono::microseconds time) {
    if (gives_up) throw GivenUp();
    std::this_thread::sleep_for(time);
  };
  Signal held, go_on, opened;
  Child child([&] {
    {
      const Writer other(scratch.path("s"));
      held.send();
      go_on.wait();
    }
    Reader reader(scratch.path("s"));
    opened.wait();
    reader.store->take_snapshot();
    held.send();
    go_on.wait();
    const bool one_state = reader.read() == 1;
    reader.store->end_snapshot();
    reader.store->take_snapshot();  // which no intent prevents
    reader.store->end_snapshot();
    return one_state && reader.read() == 1 ? 0 : 2;
  });
  held.wait();
  EXPECT_THROW(Store::open(scratch.path("s"), patient), GivenUp);
  go_on.send();
  gives_up = false;
  Writer writer(Store::open(scratch.path("s"), patient));
  opened.send();
  held.wait();
  gives_up = true;
  EXPECT_THROW(writer.commit(2), GivenUp);
  go_on.send();
  EXPECT_EQ(child.wait(), 0);
  writer.store->commit();
  EXPECT_EQ(writer.store->stats().dirty_bytes, 0u);
}

TEST(Reader, TimesThatAreNoneAreRefused) {
  const Scratch scratch;
  for (const double seconds : {-1.0, std::numeric_limits<double>::quiet_NaN()}) {
    for (double StoreOptions::*time :
         {&StoreOptions::lock_timeout_seconds, &StoreOptions::snapshot_timeout_seconds,
          &StoreOptions::read_timeout_seconds}) {
      StoreOptions wrong;
      wrong.*time = seconds;
      EXPECT_THROW(Store::open(scratch.path("s"), wrong), std::invalid_argument);
    }
  }
}

// A writer that opens what the last one has closed changes nothing yet.
TEST(Reader, ASnapshotOutlivesTheOpeningOfAWriter) {
  const Scratch scratch;
  const auto run_writer = [&](u64 generation) {
    Writer writer(scratch.path("s"));
    if (generation != 0) writer.commit(generation);
    writer.dict.reset();
    writer.store->close();
  };
  run_writer(1);
  Signal held, opened, looked;
  Child child([&] {
    Reader reader(scratch.path("s"));
    reader.store->take_snapshot();
    held.send();
    opened.wait();
    if (reader.read() != 1) return kTorn;
    reader.store->end_snapshot();
    looked.send();
    opened.wait();
    return reader.read() == 2 ? 0 : 2;
  });
  held.wait();
  run_writer(0);
  opened.send();
  looked.wait();
  run_writer(2);
  opened.send();
  EXPECT_EQ(child.wait(), 0);
}

// A sequence that no writer has counted to: to a reader there is no table, and a writer lays it anew.
TEST(Reader, AnImpossibleSequenceIsNotBelieved) {
  const Scratch scratch;
  for (const u64 sequence : {u64{0}, u64{1} << 63, ~u64{0}}) {
    for (u64 generation = 1; generation <= 2; ++generation) {
      Writer writer(scratch.path("s"));
      writer.commit(generation);
      writer.dict.reset();
      writer.store->close();
      std::fstream table(scratch.path("s/readers"), std::ios::in | std::ios::out | std::ios::binary);
      table.seekp(sizeof(u64));
      table.write(reinterpret_cast<const char*>(&sequence), sizeof sequence);
      table.close();
      EXPECT_EQ(Reader(scratch.path("s")).read(), generation);
    }
  }
}

TEST(Reader, AStoppedReaderCannotStopTheWriter) {
  const Scratch scratch;
  Writer writer(scratch.path("s"));
  writer.commit(1);
  Signal held;
  Child child([&] {
    Reader reader(scratch.path("s"));
    reader.store->take_snapshot();
    held.send();
    ::raise(SIGSTOP);
    try {
      reader.read();
    } catch (const SnapshotError&) {
      return reader.read() == 3 ? 0 : 2;
    }
    return 3;
  });
  held.wait();
  writer.commit(2);
  writer.commit(3);
  child.kill(SIGCONT);
  EXPECT_EQ(child.wait(), 0);
}

TEST(Reader, TheSlotOfADeadReaderIsFree) {
  const Scratch scratch;
  Writer writer(scratch.path("s"));
  writer.commit(1);
  Signal held;
  Child child([&] {
    Reader reader(scratch.path("s"));
    reader.store->take_snapshot();
    held.send();
    ::pause();
    return 0;
  });
  held.wait();
  child.kill(SIGKILL);
  child.wait();
  writer.commit(2);
  Child other([&] { return Reader(scratch.path("s")).read() == 2 ? 0 : kTorn; });
  EXPECT_EQ(other.wait(), 0);
}

// The writer dies at random moments, also in the middle of writing a commit to the files; readers that are open then,
// and new ones, go on, with and without a new writer.
TEST(Reader, OutlivesKilledWriters) {
  const Scratch scratch;
  Writer(scratch.path("s")).commit(1);
  std::mt19937 random(::testing::UnitTest::GetInstance()->random_seed());
  Signal ready, done;
  Child reader([&] {
    Reader old(scratch.path("s"));
    ready.send();
    u64 last = 0;
    for (int reads = 0; last < 1'000'000; ++reads) {
      const auto now = old.read();
      if (!now || *now < last) return kTorn;
      last = *now;
      if (reads % 64 == 0 && Reader(scratch.path("s")).read() < last) return 2;
    }
    return 0;
  });
  ready.wait();
  u64 generation = 2;
  for (int round = 0; round < 25; ++round) {
    const u64 begin = generation + 100;
    Child writer([&] {
      Writer own(scratch.path("s"));
      for (u64 i = begin;; ++i) own.commit(i);
      return 0;
    });
    ::usleep(2000 + random() % 40'000);
    writer.kill(SIGKILL);
    EXPECT_EQ(writer.wait(), -SIGKILL);
    EXPECT_FALSE(reader.ended());
    Child inspector([&] {
      const auto now = Reader(scratch.path("s")).read();
      if (!now) return kTorn;
      // The generation reached, by way of the exit code's 7 bits: enough to go on from.
      return 0;
    });
    EXPECT_EQ(inspector.wait(), 0);
    generation = begin + 100'000 / 25;
  }
  Writer(scratch.path("s")).commit(1'000'000);
  EXPECT_EQ(reader.wait(), 0);
}

TEST(Reader, FollowsClearDropAndNewMembers) {
  const Scratch scratch;
  Writer writer(scratch.path("s"));
  writer.commit(1);
  Signal step, done;
  Child child([&] {
    Reader reader(scratch.path("s"));
    done.send();
    step.wait();
    if (reader.store->read_consistent(*reader.member, [&] { return reader.dict->size(); }) != 0) return 2;
    done.send();
    step.wait();
    if (reader.store->members().size() != 2) return 3;
    const auto other = reader.store->find("other");
    reader.store->acquire(*other);
    done.send();
    step.wait();
    try {
      reader.store->read_consistent(*other, [] {});
    } catch (const ClosedError&) {
      return reader.store->members().size() == 1 ? 0 : 4;
    }
    return 5;
  });
  done.wait();
  {
    const Operation operation(*writer.store);
    writer.dict->clear();
  }
  writer.store->commit();
  step.send();
  done.wait();
  writer.store->create("other", List::kKind, 2);
  writer.store->commit();
  step.send();
  done.wait();
  writer.store->drop("other");
  writer.store->commit();
  step.send();
  EXPECT_EQ(child.wait(), 0);
}

TEST(Reader, IsRefusedBesideAWriterOfItsOwnProcess) {
  const Scratch scratch;
  {
    const Writer writer(scratch.path("s"));
    EXPECT_THROW(Store::open(scratch.path("s"), options(Mode::read)), LockedError);
    EXPECT_THROW(Store::open(scratch.path("s"), options(Mode::append)), LockedError);
  }
  const auto reader = Store::open(scratch.path("s"), options(Mode::read));
  EXPECT_NO_THROW(Store::open(scratch.path("s"), options(Mode::read)));
  EXPECT_THROW(Store::open(scratch.path("s"), options(Mode::append)), LockedError);
}

TEST(Reader, AReadOfAClosedStoreIsRefused) {
  const Scratch scratch;
  Writer(scratch.path("s")).commit(1);
  Reader reader(scratch.path("s"));
  EXPECT_EQ(reader.read(), 1);
  reader.store->close();
  EXPECT_THROW(reader.read(), ClosedError);
}

TEST(Reader, ASnapshotIsForLiveReaders) {
  const Scratch scratch;
  Writer writer(scratch.path("s"));
  EXPECT_THROW(writer.store->take_snapshot(), StateError);
}

}  // namespace
}  // namespace emd
