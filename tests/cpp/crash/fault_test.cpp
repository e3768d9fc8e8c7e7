// Errors of the disk in the middle of operations: from each call in turn on, the disk gives ENOSPC or EIO. The
// operation raises, the structure is as before it, and the store goes on or says that it must be reopened.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>

#include "crash/fault_run.h"
#include "crash/simulated_disk.h"
#include "model/graph_model.h"
#include "structures/array/array.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/shadow/shadow.h"
#include "structures/verify.h"
#include "support/scratch.h"

namespace emd {
namespace {

using testing::Call;
using testing::is_effect;
using testing::SimulatedDisk;

constexpr u64 kNever = ~u64{0};

// A store on a disk where, when armed, all effects from the n-th on fail.
class FaultyStore {
 public:
  FaultyStore() : disk_(std::make_shared<SimulatedDisk>(scratch_.path("disk"))) {
    disk_->before_call = [this](Call call, const std::string& file) {
      if (countdown_ == kNever || !is_effect(call)) return;
      if (countdown_ != 0) {
        --countdown_;
        return;
      }
      met_ = true;
      throw SystemError(error_, std::string("injected into ") + to_string(call), file);
    };
    open();
  }
  void open() {
    StoreOptions options;
    options.commit_interval_seconds = -1;
    options.file_system = disk_->file_system();
    store = Store::open(scratch_.path("disk"), options);
  }
  void fail_after(u64 effects, int error) {
    countdown_ = effects;
    error_ = error;
    met_ = false;
  }
  // Returns whether the fault was met.
  bool disarm() {
    countdown_ = kNever;
    return met_;
  }

  std::unique_ptr<Store> store;

 private:
  Scratch scratch_ = Scratch::fast();
  std::shared_ptr<SimulatedDisk> disk_;
  u64 countdown_ = kNever;
  bool met_ = false;
  int error_ = ENOSPC;
};

using Model = std::map<std::string, std::string>;

Model content(const Dict& dict) {
  Model model;
  for (auto record = dict.first(); record; record = dict.next(record->position)) {
    model[std::string(as_text(record->key))] = std::string(as_text(record->value));
  }
  return model;
}

void expect_sound(const Dict& dict, const Model& model) {
  Findings findings;
  dict.check(findings);
  for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  EXPECT_EQ(content(dict), model);
}

std::shared_ptr<Member> member(Store& store, Kind kind, unsigned regions) {
  auto found = store.find("m");
  if (found == nullptr) found = store.create("m", kind, regions);
  store.acquire(*found);
  return found;
}

TEST(Fault, ADictIsAsBeforeWhenTheDiskIsFullInAnOperation) {
  std::mt19937_64 random(std::random_device{}());
  u64 faults = 0;
  for (u64 round = 0; round < 6; ++round) {
    FaultyStore faulty;
    const auto entry = member(*faulty.store, Dict::kKind, Dict::kRegionCount);
    std::optional<Dict> handle(std::in_place, *faulty.store, *entry);
    Dict& dict = *handle;
    Model model;
    for (int step = 0; step < 1500; ++step) {
      const std::string key = "key" + std::to_string(random() % 4000);
      const std::string value(random() % (step % 50 == 0 ? 20000 : 60),
                              static_cast<char>('a' + random() % 26));
      const bool erase = random() % 4 == 0;
      Model after = model;
      erase ? (void)after.erase(key) : (void)(after[key] = value);
      const auto change = [&] {
        const Operation operation(*faulty.store);
        erase ? (void)dict.erase(as_bytes(key)) : (void)dict.put(as_bytes(key), {}, as_bytes(value));
      };
      // Every growth of every region meets the full disk once, and then goes on.
      faulty.fail_after(0, ENOSPC);
      try {
        change();
      } catch (const SystemError&) {
        ++faults;
        expect_sound(dict, model);
        faulty.disarm();
        change();
      }
      model = after;
      faulty.disarm();
    }
    expect_sound(dict, model);
    faulty.store->close();
    handle.reset();
    faulty.open();
    const auto again = member(*faulty.store, Dict::kKind, Dict::kRegionCount);
    expect_sound(Dict(*faulty.store, *again), model);
    if (HasFailure()) return;
  }
  EXPECT_GT(faults, 5u);
}

TEST(Fault, AListIsAsBeforeWhenTheDiskIsFullInAnOperation) {
  std::mt19937_64 random(std::random_device{}());
  u64 faults = 0;
  for (u64 round = 0; round < 16; ++round) {
    FaultyStore faulty;
    const auto entry = member(*faulty.store, List::kKind, List::kRegionCount);
    List list(*faulty.store, *entry);
    std::vector<u64> model;
    for (int step = 0; step < 400; ++step) {
      std::vector<Word> words(random() % 3000);
      for (Word& word : words) word = Word::integer(static_cast<i64>(random() % 1000000));
      const u64 from = random() % (model.size() + 1), to = from + random() % (model.size() - from + 1);
      std::vector<u64> after = model;
      if (step % 2 == 0) faulty.fail_after(random() % 3, ENOSPC);
      try {
        const Operation operation(*faulty.store);
        list.splice(from, to, words);
        after.erase(after.begin() + static_cast<std::ptrdiff_t>(from),
                    after.begin() + static_cast<std::ptrdiff_t>(to));
        for (u64 i = 0; i < words.size(); ++i) {
          after.insert(after.begin() + static_cast<std::ptrdiff_t>(from + i), words[i].bits);
        }
        model = after;
      } catch (const SystemError&) {
        ++faults;
      }
      faulty.disarm();
      ASSERT_EQ(list.size(), model.size());
    }
    Findings findings;
    list.check(findings);
    EXPECT_TRUE(findings.empty());
    for (u64 i = 0; i < model.size(); ++i) ASSERT_EQ(list.get(i).bits, model[i]);
  }
  EXPECT_GT(faults, 3u);
}

// So much that it is written by a call, which fails when the header's place is there already.
TEST(Fault, AListIsEmptyWhenItsFirstChangeHasFailed) {
  FaultyStore faulty;
  const auto entry = member(*faulty.store, List::kKind, List::kRegionCount);
  const std::vector<Word> words(100'000, Word::integer(1));
  u64 faults = 0;
  for (u64 call = 0; faults == call; ++call) {
    List list(*faulty.store, *entry);
    faulty.fail_after(call, EIO);
    try {
      const Operation operation(*faulty.store);
      list.splice(0, 0, words);
    } catch (const SystemError&) {
      ++faults;
      const List again(*faulty.store, *entry);
      EXPECT_EQ(again.size(), 0u);
      Findings findings;
      again.check(findings);
      EXPECT_TRUE(findings.empty());
    }
    faulty.disarm();
  }
  EXPECT_GT(faults, 0u);
  EXPECT_EQ(List(*faulty.store, *entry).size(), words.size());
}

TEST(Fault, AGraphIsAsBeforeWhenTheDiskIsFullInAnOperation) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  u64 faults = 0;
  for (u64 round = 0; round < 4; ++round) {
    FaultyStore faulty;
    const auto entry = member(*faulty.store, Graph::kKind, Graph::kRegionCount);
    Graph graph(*faulty.store, *entry, 16);
    testing::GraphModel model;
    model.directed = round % 2 == 0;
    {
      const Operation operation(*faulty.store);
      graph.lay_out({model.directed, false});
    }
    testing::GraphDriver driver(graph, model, [&](u64 limit) { return random() % limit; });
    for (int step = 0; step < 1500; ++step) {
      // A commit puts an end to the room that growth has in hand.
      if (step % 20 == 0) faulty.store->commit();
      faulty.fail_after(random() % 2, ENOSPC);
      try {
        const Operation operation(*faulty.store);
        driver.change();
      } catch (const SystemError&) {
        ++faults;
        Findings findings;
        graph.check(findings);
        for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
        ASSERT_EQ(difference(graph, model), std::nullopt);
      }
      faulty.disarm();
    }
    ASSERT_EQ(difference(graph, model), std::nullopt);
  }
  EXPECT_GT(faults, 5u);
}

TEST(Fault, AShadowMemoryIsAsBeforeWhenTheDiskIsFullInAnOperation) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  u64 faults = 0, of_conversions = 0;
  for (u64 round = 0; round < 24; ++round) {
    FaultyStore faulty;
    const auto entry = member(*faulty.store, Shadow::kKind, Shadow::kRegionCount);
    Shadow shadow(*faulty.store, *entry);
    const u64 reach = round % 2 == 0 ? u64{1} << 44 : 400'000;
    {
      const Operation operation(*faulty.store);
      const AddressRange range{0, reach - 1};
      shadow.lay_out(1 + round % 8);
      shadow.add_ranges({&range, 1});
    }
    std::map<u64, u64> model;
    const auto as_the_model = [&] {
      const auto runs = shadow.runs(0, ~u64{0}, {~u64{0}, 0, true}, ~u64{0});
      u64 count = 0;
      for (const AddressRange& run : runs) count += run.last - run.first + 1;
      for (const auto& [address, flags] : model) ASSERT_EQ(shadow.get(address), flags);
      ASSERT_EQ(count, model.size());
    };
    const auto format = [&] { return load<u32>(entry->regions[0]->data() + offsetof(ShadowHeader, format)); };
    for (int step = 0; step < 250; ++step) {
      // A commit puts an end to the room that growth has in hand.
      if (step % 3 == 0) faulty.store->commit();
      const u32 format_before = format();
      faulty.fail_after(0, ENOSPC);
      const u64 first = random() % 3 == 0 ? random() % std::min<u64>(reach, 9000) : random() % (reach - 60);
      const u64 count = 1 + random() % 3, flags = random() % 4 == 0 ? 0 : 1 + random() % 3;
      const bool written = random() % 8 == 0;
      std::vector<u8> bytes((written ? 50 : 1) * shadow.stored_width());
      for (u64 i = 0; i < bytes.size(); i += shadow.stored_width()) bytes[i] = 1 + random() % 2;
      try {
        const Operation operation(*faulty.store);
        if (written) {
          shadow.write(first, bytes);
        } else {
          shadow.change(first, first + count - 1, {0, flags});
        }
        for (u64 i = 0; i < (written ? 50 : count); ++i) {
          model[first + i] = written ? bytes[i * shadow.stored_width()] : flags;
          if (model[first + i] == 0) model.erase(first + i);
        }
      } catch (const SystemError&) {
        ++faults;
        of_conversions += format_before == kShadowFormat;
        ASSERT_EQ(format(), format_before);
        Findings findings;
        shadow.check(findings);
        for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
        as_the_model();
      }
      faulty.disarm();
    }
    as_the_model();
    Findings findings;
    shadow.check(findings);
    for (const Finding& finding : findings) ADD_FAILURE() << finding.where << ": " << finding.what;
  }
  EXPECT_GT(faults, 20u);
  EXPECT_GT(of_conversions, 0u);
}

// A commit that fails for want of space commits nothing and can be tried again; one whose sync fails makes the
// store refuse to write until it is opened again, and then it holds a committed state.
class CommitFault : public ::testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(CommitFault, EveryCallOfACommitFailsInTurn) {
  const auto [error, in_transaction] = GetParam();
  for (u64 call = 0;; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    FaultyStore faulty;
    const auto entry = member(*faulty.store, Dict::kKind, Dict::kRegionCount);
    std::optional<Dict> dict(std::in_place, *faulty.store, *entry);
    const auto put = [&](const std::string& key, const std::string& value) {
      const Operation operation(*faulty.store);
      dict->put(as_bytes(key), {}, as_bytes(value));
    };
    put("a", "1");
    faulty.store->commit();
    const Model before = content(*dict);
    if (in_transaction) faulty.store->begin();
    put("a", "2");
    put("b", std::string(200000, 'b'));
    const Model after = content(*dict);
    faulty.fail_after(call, error);
    bool failed = false;
    try {
      in_transaction ? faulty.store->commit_transaction() : faulty.store->checkpoint();
    } catch (const SystemError&) {
      failed = true;
    }
    if (faulty.disarm() && !failed) continue;  // met a call whose failure only keeps space
    if (!failed) break;                        // past the last call
    expect_sound(*dict, after);
    try {  // usable, or refused
      if (in_transaction) {
        faulty.store->rollback();
        faulty.store->require_readable();
        EXPECT_EQ(content(*dict), before);
      } else {
        faulty.store->commit();
      }
      put("c", "3");
    } catch (const StateError&) {
    }
    dict.reset();
    faulty.store.reset();
    faulty.open();
    const auto again = member(*faulty.store, Dict::kKind, Dict::kRegionCount);
    const Dict recovered(*faulty.store, *again);
    const Model found = content(recovered);
    EXPECT_TRUE(found == before || found == after);
    expect_sound(recovered, found);
    if (HasFailure()) return;
  }
}

// The kernel tells an error of writing back once: to the sync in the background, and not to the commit's.
TEST(Fault, ACommitFailsWithTheSyncInTheBackgroundOfItsFreshBytes) {
  const Scratch scratch = Scratch::fast();
  const auto disk = std::make_shared<SimulatedDisk>(scratch.path("disk"));
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.background_sync_bytes = kPageSize;
  options.file_system = disk->file_system();
  const auto store = Store::open(scratch.path("disk"), options);
  const auto member = store->create("fresh", Array::kKind, 1);
  store->acquire(*member);
  int failed = 0;
  disk->before_call = [&](Call call, const std::string& file) {
    if (call == Call::sync && failed++ == 0) throw SystemError(EIO, "not written", file);
  };
  const std::vector<u8> page(kPageSize, 1);
  for (int i = 0; i < 4; ++i) {
    const Operation operation(*store);
    member->regions[0]->append(page);
    if (failed != 0) break;
  }
  EXPECT_EQ(failed, 1);
  EXPECT_THROW(store->commit(), SystemError);
  EXPECT_THROW(Operation{*store}, StateError);
  disk->before_call = nullptr;
}

// A journal that cannot grow any more begins anew, so that deleting goes on for as long as anybody wants.
TEST(Fault, OnAFullDiskDeletionsCommitHoweverMany) {
  const Scratch scratch = Scratch::fast();
  const auto disk = std::make_shared<SimulatedDisk>(scratch.path("disk"));
  bool full = false;
  disk->before_call = [&](Call call, const std::string& file) {
    if (full && call == Call::allocate) throw SystemError(ENOSPC, "the disk is full", file);
  };
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.file_system = disk->file_system();
  const auto store = Store::open(scratch.path("disk"), options);
  const auto of_dict = member(*store, Dict::kKind, Dict::kRegionCount);
  Dict dict(*store, *of_dict);
  for (u64 key = 0; key < 3000; ++key) {
    const Operation operation(*store);
    dict.put(as_bytes(std::to_string(key)), {}, as_bytes(std::string(300, 'v')));
  }
  store->checkpoint();
  full = true;
  const u64 capacity = store->stats().journal_capacity;
  const u64 checkpoints = store->stats().checkpoints;
  for (u64 key = 0; key < 3000; ++key) {
    {
      const Operation operation(*store);
      dict.erase(as_bytes(std::to_string(key)));
    }
    store->commit();
  }
  EXPECT_EQ(dict.size(), 0u);
  EXPECT_EQ(store->stats().journal_capacity, capacity);
  EXPECT_GT(store->stats().checkpoints, checkpoints);
  store->close();
}

// The journal begins anew although the commit that it was to hold does not fit then either: what it had vouched for
// must be in the files, also where the commit would have replaced them.
TEST(Fault, AJournalThatBeginsAnewInVainLosesNothing) {
  const Scratch scratch = Scratch::fast();
  const auto disk = std::make_shared<SimulatedDisk>(scratch.path("disk"));
  bool full = false;
  disk->before_call = [&](Call call, const std::string& file) {
    if (full && call == Call::allocate) throw SystemError(ENOSPC, "the disk is full", file);
  };
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.file_system = disk->file_system();
  const auto store = Store::open(scratch.path("disk"), options);
  const auto small = store->create("small", Array::kKind, 1);
  const auto dropped = store->create("dropped", Array::kKind, 1);
  const auto large = store->create("large", Array::kKind, 1);
  for (const auto& one : {small, dropped, large}) store->acquire(*one);
  const std::vector<u8> zeros(u64{4} << 20);
  {
    const Operation operation(*store);
    for (const auto& one : {small, dropped}) one->regions[0]->append(Bytes(zeros).first(kPageSize));
    large->regions[0]->append(zeros);
  }
  store->checkpoint();
  {
    const Operation operation(*store);
    for (const auto& one : {small, dropped}) std::memcpy(one->regions[0]->writable(100, 9), "committed", 9);
  }
  store->commit();  // applied, and not synced
  {
    const Operation operation(*store);
    small->regions[0]->finish(small->regions[0]->rewrite(kPageSize));
    store->drop("dropped");
    std::mt19937_64 random(1);
    for (u64 at = 0; at < zeros.size(); at += 8) {
      const u64 noise = random();
      std::memcpy(large->regions[0]->writable(at, 8), &noise, 8);
    }
  }
  const u64 checkpoints = store->stats().checkpoints;
  full = true;
  EXPECT_THROW(store->commit(), SystemError);
  EXPECT_GT(store->stats().checkpoints, checkpoints);
  std::mt19937_64 random(2);
  const std::string image = scratch.path("image");
  std::filesystem::create_directory(image);
  disk->image(SimulatedDisk::Unsynced::lost, random).write_to(image);
  const auto found = Store::open(image);
  for (const char* name : {"small", "dropped"}) {
    const auto member = found->find(name);
    ASSERT_NE(member, nullptr);
    found->acquire(*member);
    EXPECT_EQ(std::memcmp(member->regions[0]->data() + 100, "committed", 9), 0) << name;
  }
  Findings findings;
  found->verify(findings);
  EXPECT_TRUE(findings.empty());
}

INSTANTIATE_TEST_SUITE_P(Fault, CommitFault,
                         ::testing::Combine(::testing::Values(ENOSPC, EIO), ::testing::Bool()));

// A sample of what `make faults` does at every call.
class WorkloadFault : public ::testing::TestWithParam<testing::Subject> {};

TEST_P(WorkloadFault, NothingCommittedIsLostWhateverCallFails) {
  constexpr u64 kSteps = 12, kSample = 8;
  const char* const wanted = std::getenv("FAULT_SEED");
  const u64 seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
  const testing::Workload workload = testing::make_workload(GetParam(), seed, kSteps);
  const std::vector<Call> calls = testing::calls_of(workload);
  std::mt19937_64 random(seed);
  for (u64 i = 0; i < kSample; ++i) {
    const u64 position = random() % calls.size();
    for (int fault = 0; fault < testing::kFaultCount; ++fault) {
      if (!testing::is_possible(testing::Fault{fault}, calls[position])) continue;
      const testing::FaultReport report = testing::run_with_fault(workload, position, testing::Fault{fault});
      ASSERT_FALSE(report.failure) << *report.failure << "\nrepeat: emd_faults --subject "
                                   << to_string(GetParam()) << " --seed " << seed << " --steps " << kSteps
                                   << " --position " << position << " --fault "
                                   << to_string(testing::Fault{fault});
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Of, WorkloadFault,
                         ::testing::Values(testing::Subject::dict, testing::Subject::list,
                                           testing::Subject::store, testing::Subject::typed,
                                           testing::Subject::array, testing::Subject::shadow,
                                           testing::Subject::graph, testing::Subject::set,
                                           testing::Subject::deque),
                         [](const auto& tested) { return std::string(to_string(tested.param)); });

// What verify() has mapped is given back at its end, and with it what others had to leave mapped: an error of that may
// not end the process.
TEST(Fault, VerifyRaisesOrReports) {
  for (u64 effects = 0;; ++effects) {
    FaultyStore faulty;
    Store& store = *faulty.store;
    const auto member = store.create("a", Dict::kKind, Dict::kRegionCount);
    store.acquire(*member);
    {
      Dict dict(store, *member);
      const Operation operation(store);
      dict.put(as_bytes("key"), {}, as_bytes("value"));
    }
    store.commit();
    store.begin();
    store.release(*member);  // within a transaction it stays mapped, and what was committed is not synced
    store.rollback();
    faulty.fail_after(effects, EIO);
    Findings findings;
    try {
      verify(store, findings);
    } catch (const Error&) {
    }
    if (!faulty.disarm()) {
      EXPECT_TRUE(findings.empty());
      EXPECT_NE(effects, 0u) << "nothing was written: the test shows nothing";
      return;
    }
  }
}

}  // namespace
}  // namespace emd
