// A C++ user's program, with the public headers alone: what handles of a store, its transactions and snapshots promise.
#include <emd/emd.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "support/scratch.h"

namespace {

std::map<std::string, std::string> content(const emd::Dict& dict) {
  std::map<std::string, std::string> result;
  for (const auto& [key, value] : dict) result.emplace(key, value);
  return result;
}

// The exit status of a child that runs this; 99 if it throws.
template <class Work>
int in_child(const Work& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = work();
    } catch (...) {
    }
    ::_exit(status);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(PublicApi, TheExampleOfTheHeader) {
  const Scratch scratch;
  const std::string words = scratch.path("words");
  {
    auto store = emd::Store::open(words);
    emd::Dict counts = store.dict("counts");
    {
      auto t = store.transaction();
      counts.put("hello", "1");
      t.commit();
    }
    EXPECT_TRUE(store.verify().empty());
  }
  auto store = emd::Store::open(words, {.mode = emd::Mode::read_write});
  EXPECT_EQ(store.dict("counts").get("hello"), "1");
  EXPECT_EQ(std::string(emd::version()), EMD_VERSION);
}

TEST(PublicApi, ATransactionThatIsNotCommittedIsUndone) {
  const Scratch scratch;
  auto store = emd::Store::open(scratch.path());
  emd::Dict counts = store.dict("counts");
  counts.put("a", "1");
  {
    auto transaction = store.transaction();
    EXPECT_TRUE(store.in_transaction());
    EXPECT_THROW((void)store.transaction(), emd::StateError);
    EXPECT_THROW(store.commit(), emd::StateError);
    counts.put("a", "2");
    counts.put("b", "2");
  }
  EXPECT_FALSE(store.in_transaction());
  EXPECT_EQ(content(counts), (std::map<std::string, std::string>{{"a", "1"}}));

  auto transaction = store.transaction();
  counts.put("a", "3");
  emd::Transaction moved = std::move(transaction);
  EXPECT_FALSE(transaction.active());  // NOLINT: a moved one has ended
  moved.commit();
  EXPECT_FALSE(moved.active());
  EXPECT_THROW(moved.commit(), emd::StateError);
  moved.rollback();
  EXPECT_EQ(counts.get("a"), "3");
}

TEST(PublicApi, AContainerOfARolledBackTransactionIsGone) {
  const Scratch scratch;
  auto store = emd::Store::open(scratch.path());
  emd::Dict dict;
  emd::Array<int> array;
  {
    auto transaction = store.transaction();
    dict = store.dict("dict");
    array = store.array<int>("array");
    dict.put("a", "1");
    array.push_back(1);
  }
  EXPECT_FALSE(dict);
  EXPECT_THROW((void)dict.get("a"), emd::ClosedError);
  EXPECT_THROW((void)array.size(), emd::ClosedError);
  EXPECT_FALSE(store.contains("dict"));
  EXPECT_EQ(store.dict("dict").size(), 0u);
  EXPECT_THROW((void)dict.size(), emd::ClosedError);  // the new one is another
}

TEST(PublicApi, ATransactionThatOutgrowsTheBudgetEndsAndSaysSo) {
  const Scratch scratch = Scratch::fast();
  auto store = emd::Store::open(scratch.path(), {.memory_bytes = 1 << 20});
  auto array = store.array<std::uint64_t>("array");
  array.resize(std::uint64_t{1} << 20);
  store.commit();
  auto transaction = store.transaction();
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < array.size(); i += 512) array.set(i, 1);
  };
  EXPECT_THROW(fill(), emd::BudgetError);
  EXPECT_THROW(array.set(0, 1), emd::StateError);  // until it ends
  EXPECT_THROW(transaction.commit(), emd::StateError);
  transaction.rollback();
  EXPECT_EQ(array.get(0), 0u);
  array.set(0, 2);
  EXPECT_EQ(array.get(0), 2u);
}

TEST(PublicApi, HandlesOfOneNameAreOneContainer) {
  const Scratch scratch;
  auto store = emd::Store::open(scratch.path());
  emd::Dict one = store.dict("counts"), other = store.dict("counts"), copy = one;
  one.put("a", "1");
  EXPECT_EQ(other.get("a"), "1");
  copy.erase("a");
  EXPECT_TRUE(one.empty());
  EXPECT_EQ(one.name(), "counts");
  EXPECT_EQ(one.store().path(), store.path());
}

TEST(PublicApi, TheLastHandleClosesTheStore) {
  const Scratch scratch;
  std::optional<emd::Dict> counts = emd::Store::open(scratch.path()).dict("counts");
  counts->put("a", "1");
  EXPECT_THROW((void)emd::Store::open(scratch.path()), emd::LockedError);
  counts.reset();
  EXPECT_EQ(emd::Store::open(scratch.path()).dict("counts").get("a"), "1");
}

TEST(PublicApi, AClosedStoreRefuses) {
  const Scratch scratch;
  auto store = emd::Store::open(scratch.path());
  emd::Dict dict = store.dict("dict");
  dict.put("a", "1");
  auto step = dict.begin();
  auto transaction = store.transaction();
  dict.put("b", "2");
  store.close();
  store.close();
  EXPECT_FALSE(store);
  EXPECT_FALSE(dict);
  EXPECT_THROW(dict.put("a", "2"), emd::ClosedError);
  EXPECT_THROW((void)store.dict("dict"), emd::ClosedError);
  EXPECT_THROW(++step, emd::ClosedError);
  EXPECT_THROW(transaction.commit(), emd::StateError);
  EXPECT_EQ(content(emd::Store::open(scratch.path()).dict("dict")),
            (std::map<std::string, std::string>{{"a", "1"}}));
}

TEST(PublicApi, AnEmptyHandleRefuses) {
  emd::Store store;
  emd::Dict dict;
  EXPECT_FALSE(store);
  EXPECT_FALSE(dict);
  EXPECT_THROW(store.commit(), emd::ClosedError);
  EXPECT_THROW((void)store.dict("a"), emd::ClosedError);
  EXPECT_THROW((void)dict.size(), emd::ClosedError);
  EXPECT_THROW((void)dict.name(), emd::ClosedError);
  EXPECT_THROW((void)emd::Array<int>().view(), emd::ClosedError);
  store.close();
}

TEST(PublicApi, MembersAreListedAndDropped) {
  const Scratch scratch;
  auto store = emd::Store::open(scratch.path());
  emd::Dict dict = store.dict("a");
  store.list("b");
  store.array<double>("c");
  store.typed_dict<int, int>("d");
  store.graph("e");
  store.shadow("f");
  store.set("g");
  store.deque("h");
  std::string kinds;
  for (const emd::MemberInfo& member : store.members()) kinds += member.name + " " + member.kind + "; ";
  EXPECT_EQ(kinds, "a dict; b list; c array; d typed dict; e graph; f shadow memory; g set; h deque; ");
  EXPECT_THROW((void)store.list("a"), emd::FormatError);
  store.drop("a");
  EXPECT_THROW((void)dict.size(), emd::ClosedError);
  EXPECT_THROW(store.drop("a"), emd::StateError);
  EXPECT_FALSE(store.contains("a"));
  EXPECT_EQ(store.list("a").size(), 0u);
}

TEST(PublicApi, OptionsAreTakenAndWrongOnesRefused) {
  const Scratch scratch;
  EXPECT_THROW((void)emd::Store::open(scratch.path(), {.mode = emd::Mode::read}), emd::SystemError);
  EXPECT_THROW((void)emd::Store::open(scratch.path(), {.lock_timeout_seconds = -1}), std::invalid_argument);
  {
    auto store =
        emd::Store::open(scratch.path(), {.mode = emd::Mode::exclusive, .commit_interval_seconds = -1});
  }
  EXPECT_THROW((void)emd::Store::open(scratch.path(), {.mode = emd::Mode::exclusive}), emd::SystemError);
  auto store = emd::Store::open(scratch.path(), {.mode = emd::Mode::read});
  EXPECT_TRUE(store.read_only());
  EXPECT_THROW((void)store.dict("a"), emd::FormatError);
  EXPECT_THROW((void)store.transaction(), emd::ReadOnlyError);
}

// ---- Readers

// A writer in a process of its own, which takes one step after the other when it is told to.
class Writer {
 public:
  template <class... Steps>
  explicit Writer(const std::string& path, const Steps&... steps) {
    EXPECT_EQ(::pipe(orders_) | ::pipe(done_), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      try {
        auto store = emd::Store::open(path, {.snapshot_timeout_seconds = 0});
        (serve([&] { steps(store); }), ...);
      } catch (...) {
      }
      ::_exit(0);
    }
    child_ = child;
  }
  ~Writer() {
    ::close(orders_[1]);
    ::waitpid(child_, nullptr, 0);
    for (const int end : {orders_[0], done_[0], done_[1]}) ::close(end);
  }
  // Has it take the next step and commit.
  void step() {
    char byte = 0;
    EXPECT_EQ(::write(orders_[1], &byte, 1), 1);
    EXPECT_EQ(::read(done_[0], &byte, 1), 1);
    EXPECT_EQ(byte, 1);
  }

 private:
  template <class Step>
  void serve(const Step& step) {
    ::close(orders_[1]);
    char byte = 0;
    if (::read(orders_[0], &byte, 1) != 1) ::_exit(0);
    try {
      step();
      byte = 1;
    } catch (const std::exception&) {
    }
    if (::write(done_[1], &byte, 1) != 1) ::_exit(0);
  }

  int orders_[2], done_[2];
  pid_t child_;
};

// What a writer does with the dict "counts".
template <class Change>
auto counts_step(const Change& change) {
  return [change](emd::Store& store) {
    emd::Dict counts = store.dict("counts");
    change(counts);
    store.commit();
  };
}
auto put_step(const char* key, const char* value) {
  return counts_step([=](emd::Dict& counts) { counts.put(key, value); });
}

TEST(PublicApi, AReaderFollowsTheWriterAndASnapshotExpires) {
  const Scratch scratch;
  Writer writer(scratch.path(), put_step("a", "1"), put_step("a", "2"), put_step("a", "3"),
                put_step("b", "1"), [](emd::Store& store) {
                  store.drop("counts");
                  store.commit();
                });
  writer.step();
  auto reader = emd::Store::open(scratch.path(), {.mode = emd::Mode::read});
  emd::Dict counts = reader.dict("counts");
  EXPECT_EQ(counts.get("a"), "1");
  EXPECT_THROW(counts.put("a", "2"), emd::ReadOnlyError);
  writer.step();
  EXPECT_EQ(counts.get("a"), "2");
  EXPECT_TRUE(reader.verify().empty());
  {
    const emd::Snapshot outer = reader.snapshot();
    std::optional<emd::Snapshot> inner = reader.snapshot();
    EXPECT_EQ(counts.get("a"), "2");
    inner.reset();
    writer.step();  // which waits for no time, and expires it
    EXPECT_THROW((void)counts.get("a"), emd::SnapshotError);
  }
  EXPECT_EQ(counts.get("a"), "3");
  auto step = counts.begin();
  writer.step();
  EXPECT_THROW(++step, emd::StateError);  // a key has come
  writer.step();
  EXPECT_THROW((void)counts.get("a"), emd::ClosedError);
  EXPECT_THROW((void)reader.dict("counts"), emd::FormatError);
}

TEST(PublicApi, AReadersViewNeedsASnapshot) {
  const Scratch scratch;
  Writer writer(scratch.path(), [](emd::Store& store) {
    store.array<int>("array").push_back(7);
    store.commit();
  });
  writer.step();
  auto reader = emd::Store::open(scratch.path(), {.mode = emd::Mode::read});
  auto array = reader.array<int>("array");
  EXPECT_THROW((void)array.view(), emd::StateError);
  const auto snapshot = reader.snapshot();
  EXPECT_EQ(array.view()[0], 7);
}

TEST(PublicApi, AWriterHasNoSnapshot) {
  const Scratch scratch;
  auto writer = emd::Store::open(scratch.path());
  EXPECT_THROW((void)writer.snapshot(), emd::StateError);
  EXPECT_THROW((void)emd::Store::open(scratch.path(), {.mode = emd::Mode::read}), emd::LockedError);
}

// ---- Maintenance

TEST(PublicApi, CompactsAndBacksUp) {
  const Scratch scratch;
  const std::string path = scratch.path("words"), copy = scratch.path("copy"),
                    compact = scratch.path("compact");
  auto store = emd::Store::open(path);
  emd::Dict counts = store.dict("counts");
  for (int i = 0; i < 100; ++i) counts.put(std::string(50, 'w') + std::to_string(i), std::to_string(i));
  for (int i = 0; i < 99; ++i) counts.erase(std::string(50, 'w') + std::to_string(i));
  EXPECT_GT(counts.stats().dead_bytes, 99u * 50);
  std::uint64_t told = 0;
  store.compact_to(compact,
                   [&](std::uint64_t done, std::uint64_t total) { told = done == total ? total : 0; });
  EXPECT_EQ(told, 1u);
  counts.compact();
  EXPECT_EQ(counts.stats().dead_bytes, 0u);
  EXPECT_EQ(counts.stats().entries, 1u);
  counts.put("later", "1");
  store.backup(copy);
  EXPECT_GT(store.stats().commits, 0u);
  EXPECT_EQ(content(emd::Store::open(copy).dict("counts")), content(counts));
  EXPECT_EQ(emd::Store::open(compact).dict("counts").size(), 1u);
  const auto cancel = [&] {
    counts.compact([](std::uint64_t, std::uint64_t) { throw std::runtime_error("no"); });
  };
  EXPECT_THROW(cancel(), std::runtime_error);
  EXPECT_EQ(counts.size(), 2u);
}

TEST(PublicApi, DamageIsFound) {
  const Scratch scratch;
  {
    auto store = emd::Store::open(scratch.path());
    emd::Dict counts = store.dict("counts");
    counts.put("key", std::string(100, 'v'));
    store.check();
  }
  {
    std::fstream records(scratch.path() + "/region-4", std::ios::in | std::ios::out | std::ios::binary);
    records.seekp(50);
    records.put('x');
  }
  auto store = emd::Store::open(scratch.path(), {.mode = emd::Mode::read});
  const std::vector<emd::Finding> findings = store.verify();
  ASSERT_FALSE(findings.empty());
  EXPECT_FALSE(findings[0].where.empty() || findings[0].what.empty());
  EXPECT_THROW(store.check(), emd::DamagedError);
}

TEST(PublicApi, AForkedChildIsRefusedAndHarmsNothing) {
  const Scratch scratch;
  auto store = std::make_optional(emd::Store::open(scratch.path()));
  auto counts = std::make_optional(store->dict("counts"));
  auto array = store->array<int>("array");
  array.push_back(1);
  auto view = std::make_optional(array.writable_view());
  counts->put("a", "1");
  EXPECT_EQ(in_child([&] {
              int refused = 0;
              try {
                counts->put("a", "2");
              } catch (const emd::StateError&) {
                refused = 1;
              }
              view.reset();
              counts.reset();
              store->close();
              store.reset();
              return refused;
            }),
            1);
  counts->put("b", "2");
  store->commit();
  EXPECT_EQ(content(*counts), (std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}}));
  EXPECT_TRUE(store->verify().empty());
}

// What may be copied freely, and what is one.
static_assert(std::is_copy_constructible_v<emd::Store> && std::is_nothrow_move_constructible_v<emd::Store>);
static_assert(std::is_copy_constructible_v<emd::Dict> && std::is_copy_assignable_v<emd::Graph>);
static_assert(!std::is_copy_constructible_v<emd::Transaction> &&
              std::is_nothrow_move_assignable_v<emd::Transaction>);
static_assert(!std::is_copy_constructible_v<emd::Snapshot>);
static_assert(!std::is_copy_constructible_v<emd::ArrayView<int>>);

}  // namespace
