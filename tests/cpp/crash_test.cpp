// Power cuts and killed processes in the commit protocol, at every sync point of short random workloads.
//
// A workload runs on a simulated disk. Before every effect on the disk, and thus at every sync point, images
// are built of what a power cut could leave; each is opened with the real file system and must hold,
// whole, the state of the last commit that returned or one that an operation in flight was about to make. Some
// images are cut off again while they are being recovered. docs/durability.md numbers the cases.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "scratch.h"
#include "simulated_disk.h"
#include "store/store.h"

namespace emd {
namespace {

using testing::ProcessKilled;
using testing::SimulatedDisk;

// The content of every member, by name.
using State = std::map<std::string, std::string>;

u64 workloads() {
  const char* const wanted = std::getenv("CRASH_WORKLOADS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 8;
}

u64 first_seed() {
  const char* const wanted = std::getenv("CRASH_SEED");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : std::random_device{}();
}

StoreOptions options_for(std::shared_ptr<platform::FileSystem> file_system) {
  StoreOptions options;
  options.commit_interval_seconds = -1;
  options.file_system = std::move(file_system);
  return options;
}

Region& region_of(Store& store, const std::string& name) {
  const auto member = store.find(name);
  if (member->regions[0] == nullptr) store.acquire(*member);
  return *member->regions[0];
}

State state_of(Store& store) {
  State state;
  for (const auto& member : store.members()) {
    const Region& region = region_of(store, member->name);
    state[member->name] = std::string(reinterpret_cast<const char*>(region.data()), region.size());
  }
  return state;
}

// The states that may be found after a crash now.
struct Allowed {
  std::vector<State> states;

  bool contains(const State& found) const {
    return std::find(states.begin(), states.end(), found) != states.end();
  }
};

// Builds images, and opens them.
class Inspector {
 public:
  Inspector(const Scratch& scratch, u64 seed) : scratch_(scratch), random_(seed) {}

  void inspect(SimulatedDisk& disk, const Allowed& allowed, bool again) {
    for (const auto unsynced : {SimulatedDisk::Unsynced::lost, SimulatedDisk::Unsynced::kept,
                                SimulatedDisk::Unsynced::random, SimulatedDisk::Unsynced::random}) {
      const std::string image = scratch_.path("image" + std::to_string(count_++));
      std::filesystem::create_directory(image);
      disk.make_image(image, unsynced, random_);
      if (again && random_() % 4 == 0) cut_off_recovery(image, allowed);
      open_image(image, allowed);
      std::filesystem::remove_all(image);
      if (::testing::Test::HasFailure()) return;
    }
  }
  u64 count() const { return count_; }

 private:
  void open_image(const std::string& image, const Allowed& allowed) {
    try {
      auto store = Store::open(image, options_for(nullptr));
      Findings findings;
      store->verify(findings);
      EXPECT_TRUE(findings.empty()) << findings[0].where << ": " << findings[0].what;
      const State found = state_of(*store);
      EXPECT_TRUE(allowed.contains(found))
          << "neither the last commit nor one in flight: " << describe(found);
      store->close();
    } catch (const std::exception& error) {
      ADD_FAILURE() << "the image cannot be opened: " << error.what();
    }
  }

  // Recovers a copy of the image on a simulated disk, with power cuts at each of its effects.
  void cut_off_recovery(const std::string& image, const Allowed& allowed) {
    const std::string copy = image + "-again";
    std::filesystem::copy(image, copy);
    const auto disk = std::make_shared<SimulatedDisk>(copy);
    disk->before_effect = [&](u64, const std::string&, const std::string&) {
      inspect(*disk, allowed, false);
    };
    auto store = Store::open(copy, options_for(disk->file_system()));
    EXPECT_TRUE(allowed.contains(state_of(*store)));
    store.reset();
    std::filesystem::remove_all(copy);
  }

  static std::string describe(const State& state) {
    std::string text;
    for (const auto& [name, content] : state)
      text += name + ": " + std::to_string(content.size()) + " bytes; ";
    return text;
  }

  const Scratch& scratch_;
  std::mt19937_64 random_;
  u64 count_ = 0;
};

// A random workload of one "process" after another on one disk, and the model of what it did.
class Workload {
 public:
  explicit Workload(u64 seed)
      : random_(seed),
        inspector_(scratch_, seed + 1),
        disk_(std::make_shared<SimulatedDisk>(scratch_.path("disk"))) {
    allowed_.states = {{}};
    disk_->before_effect = [this](u64, const std::string& call, const std::string&) { before_effect(call); };
  }

  u64 run(int steps) {
    open();
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      try {
        one_step();
      } catch (const ProcessKilled&) {
        restart_after_kill();
      }
    }
    return inspector_.count();
  }

 private:
  void before_effect(const std::string& call) {
    const bool sync = call == "sync";
    if (sync || random_() % 6 == 0) inspector_.inspect(*disk_, allowed_, true);
    if (killable_ && random_() % 40 == 0) throw ProcessKilled{};
  }

  void open() { store_ = Store::open(scratch_.path("disk"), options_for(disk_->file_system())); }

  // The process died: what it had mapped privately is gone, what the page cache holds is not.
  void restart_after_kill() {
    killable_ = false;
    store_.reset();
    open();
    current_ = state_of(*store_);
    EXPECT_TRUE(allowed_.contains(current_)) << "after a kill";
    allowed_.states = {current_};
    in_transaction_ = false;
  }

  std::string noise(u64 bytes) {
    std::string text(bytes, 0);
    for (char& c : text) c = static_cast<char>(random_() % 255 + 1);
    return text;
  }

  void one_step() {
    switch (random_() % 12) {
      case 0:
      case 1:
        return append();
      case 2:
      case 3:
      case 4:
        return overwrite();
      case 5:
        return rewrite();
      case 6:
      case 7:
        return commit();
      case 8:
        return begin_or_end();
      case 9:
        return create_or_drop();
      case 10:
        return mark_dead();
      case 11:
        return checkpoint_or_reopen();
    }
  }

  std::string some_member() {
    if (current_.empty()) return "";
    auto at = current_.begin();
    std::advance(at, random_() % current_.size());
    return at->first;
  }

  void append() {
    const std::string name = some_member();
    if (name.empty()) return;
    const std::string text = noise(random_() % 4 == 0 ? random_() % 90000 : random_() % 600);
    const Operation operation(*store_);
    region_of(*store_, name).append(as_bytes(text));
    current_[name] += text;
  }

  void overwrite() {
    const std::string name = some_member();
    if (name.empty() || current_[name].empty()) return;
    std::string& content = current_[name];
    const u64 at = random_() % content.size();
    const std::string text =
        noise(std::min<u64>(1 + random_() % (random_() % 3 == 0 ? 6000 : 40), content.size() - at));
    const Operation operation(*store_);
    std::memcpy(region_of(*store_, name).writable(at, text.size()), text.data(), text.size());
    content.replace(at, text.size(), text);
  }

  void rewrite() {
    const std::string name = some_member();
    if (name.empty()) return;
    const std::string text = noise(random_() % 30000);
    const Operation operation(*store_);
    Region& region = region_of(*store_, name);
    Region::Rewrite rewrite = region.rewrite(text.size());
    rewrite.write(0, as_bytes(text));
    region.finish(std::move(rewrite));
    current_[name] = text;
  }

  // Runs a call that makes the current state the committed one; a crash in it may find either.
  template <class F>
  void committing(F&& call) {
    allowed_.states.push_back(current_);
    killable_ = true;
    call();
    killable_ = false;
    allowed_.states = {current_};
  }

  void commit() {
    if (!in_transaction_) committing([this] { store_->commit(); });
  }

  void begin_or_end() {
    if (!in_transaction_) {
      committing([this] { store_->begin(); });
      in_transaction_ = true;
      return;
    }
    in_transaction_ = false;
    if (random_() % 3 != 0) return committing([this] { store_->commit_transaction(); });
    store_->rollback();
    current_ = allowed_.states.front();
    EXPECT_EQ(state_of(*store_), current_);
  }

  void create_or_drop() {
    const std::string name = "m" + std::to_string(random_() % 3);
    if (!current_.contains(name)) {
      store_->create(name, Kind::list, 1);
      current_[name];
    } else if (random_() % 4 == 0) {
      store_->drop(name);
      current_.erase(name);
    }
  }

  // Dead bytes may read as anything, so they are given known bytes before the space is used again.
  void mark_dead() {
    const std::string name = some_member();
    if (name.empty() || current_[name].size() < 20000 || in_transaction_) return;
    {
      const Operation operation(*store_);
      Region& region = region_of(*store_, name);
      std::memset(region.writable(4096, 8192), 0, 8192);
      region.note_dead(4096, 8192);
    }
    current_[name].replace(4096, 8192, std::string(8192, 0));
    committing([this] { store_->checkpoint(); });
  }

  void checkpoint_or_reopen() {
    if (in_transaction_) return;
    if (random_() % 2 == 0) return committing([this] { store_->checkpoint(); });
    committing([this] { store_->close(); });
    open();
    EXPECT_EQ(state_of(*store_), current_);
  }

  Scratch scratch_{"/dev/shm"};
  std::mt19937_64 random_;
  Inspector inspector_;
  std::shared_ptr<SimulatedDisk> disk_;
  std::unique_ptr<Store> store_;
  State current_;
  Allowed allowed_;
  bool in_transaction_ = false;
  bool killable_ = false;
};

TEST(Crash, EverySyncPointLeavesACommittedState) {
  const u64 seed = first_seed();
  u64 images = 0;
  for (u64 i = 0; i < workloads() && !HasFailure(); ++i) {
    SCOPED_TRACE("one command repeats it: CRASH_SEED=" + std::to_string(seed + i) +
                 " CRASH_WORKLOADS=1 emd_tests --gtest_filter=Crash.Every*");
    images += Workload(seed + i).run(40);
  }
  std::printf("%llu crash images from seed %llu on\n", static_cast<unsigned long long>(images),
              static_cast<unsigned long long>(seed));
}

}  // namespace
}  // namespace emd
