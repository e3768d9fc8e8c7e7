// A whole store whose files were damaged, then used: opened, read, changed, committed, verified, closed and opened
// again. Every call answers or throws an error of the library. An undamaged store must do just what the model says; one
// whose bytes were damaged, but in which verify() finds nothing, must hold a state that was committed.
#include <algorithm>
#include <random>

#include "deterministic_random.h"
#include "oracle.h"
#include "scratch_directory.h"
#include "store/journal.h"
#include "store/reader_table.h"
#include "store/superblock.h"
#include "store_image.h"
#include "store_session.h"

namespace emd::fuzz {
namespace {

// A directory to begin with, and what the store in it holds.
struct Beginning {
  Files files;
  Model model;
  // What it may hold when commits at the end of its journal are lost: no checksum can tell that they were there.
  std::vector<Model> committed;
};

// What a first writer does: enough that regions have several pages and the heap free blocks.
void fill(Session& session) {
  static const std::vector<u8> script = [] {
    std::vector<u8> bytes;
    for (unsigned i = 0; i < 70; ++i)
      bytes.insert(bytes.end(), {0x00, static_cast<u8>(i), static_cast<u8>(i * 3), 'v'});
    for (unsigned i = 0; i < 70; i += 4)
      bytes.insert(bytes.end(), {0x02, static_cast<u8>(i), static_cast<u8>(i * 9), 1, 'w'});
    for (unsigned i = 0; i < 70; i += 5) bytes.insert(bytes.end(), {0x01, static_cast<u8>(i)});
    for (unsigned i = 0; i < 80; ++i) {
      bytes.insert(bytes.end(), {0x39, static_cast<u8>(i)});
      if (i % 2 == 0) bytes.push_back('e');
    }
    for (unsigned i = 0; i < 90; ++i) bytes.insert(bytes.end(), {0x34, static_cast<u8>(i * 7)});
    for (unsigned i = 0; i < 90; i += 4) bytes.insert(bytes.end(), {0x35, static_cast<u8>(i * 7)});
    for (unsigned i = 0; i < 90; ++i) bytes.insert(bytes.end(), {static_cast<u8>(0x30 + i % 2), 0x80, 0x33});
    for (unsigned i = 0; i < 90; i += 4) bytes.insert(bytes.end(), {static_cast<u8>(0x32 + i / 4 % 2), 2});
    for (unsigned i = 0; i < 60; ++i)
      bytes.insert(bytes.end(), {0x6f, static_cast<u8>(i), static_cast<u8>(i * 5), 0x64, static_cast<u8>(i)});
    for (unsigned i = 0; i < 60; i += 4) bytes.insert(bytes.end(), {0x68, static_cast<u8>(i), 0});
    for (unsigned i = 0; i < 20; ++i)
      bytes.insert(bytes.end(), {0x5c, static_cast<u8>(i * 2), static_cast<u8>(i * 37),
                                 static_cast<u8>(i % 3), static_cast<u8>(i * 50), static_cast<u8>(i * 7)});
    return bytes;
  }();
  for (Input input{Bytes(script)}; !input.empty();) session.step(input);
  std::minstd_rand random(1);
  for (unsigned i = 0; i < 150; ++i) {
    u8 change[16];
    for (u8& byte : change) byte = static_cast<u8>(random() >> 16);
    change[0] = 0x54;  // of the graph
    Input input(change, sizeof change);
    session.step(input);
  }
}

void commit(Session& session) {
  const u8 control[] = {0x80};
  Input input(control, sizeof control);
  session.step(input);
}

// In order: closed; copied while its writer lived, with commits in the journal; and the same, but with the other files
// as they were before those commits, so that recovery has something to do.
std::vector<Beginning> make_beginnings(const std::string& path) {
  std::vector<Beginning> beginnings;
  write_directory(path, {});
  Session session(path, {}, true);
  session.open(Mode::append);
  fill(session);
  session.close();
  std::vector<Model> committed = {session.model()};
  beginnings.push_back({read_directory(path), session.model(), committed});
  session.open(Mode::append);
  const u8 more[] = {0x00, 3,    200, 'x', 0x39, 7, 0x01, 11,   0x38, 0,    9, 5, 0x00, 90, 10,
                     'y',  0x6f, 1,   1,   0x68, 2, 0,    0x64, 7,    0x60, 9, 3, 0x62, 10};
  for (Input input(more, sizeof more); !input.empty();) {
    session.step(input);
    commit(session);
    committed.push_back(session.model());
  }
  Files live = read_directory(path);
  beginnings.push_back({live, session.model(), committed});
  Files torn = beginnings.front().files;
  for (const char* name : {kSuperblockName, kJournalName, "lock"}) torn[name] = live[name];
  // What is new must be there; what a commit made longer keeps its length, as growth is durable before.
  for (const auto& [name, bytes] : live) {
    std::vector<u8>& old = torn[name];
    if (old.size() < bytes.size())
      old.insert(old.end(), bytes.begin() + static_cast<i64>(old.size()), bytes.end());
  }
  // What processes tell each other does not outlive a power cut.
  torn.erase(kReadersName);
  beginnings.push_back({torn, session.model(), committed});
  session.abandon();
  return beginnings;
}

// Damage that nothing noticed has done nothing.
void require_committed(Session& session, const std::vector<Model>& committed) {
  answers(false, [&] {
    if (!session.verify().empty()) return;
    const Model now = session.contents();
    require(std::find(committed.begin(), committed.end(), now) != committed.end(),
            "where verify() finds nothing, a store holds a state that was committed");
  });
}

void use(Session& session, Input& input, bool sound) {
  for (unsigned count = input.byte() % 48; count != 0; --count) {
    answers(sound, [&] { session.step(input); });
    if (!session.is_open()) return;
  }
  answers(sound, [&] { session.contents(); });
  answers(sound, [&] { session.verify(); });
  if (input.byte() & 1) return session.abandon();
  answers(sound, [&] { session.close(); });
}

void run(Input input) {
  restart_random();
  static const ScratchDirectory scratch;
  static const std::string path = scratch.path("store");
  static const std::vector<Beginning> beginnings = make_beginnings(path);
  restart_random();
  const Beginning& beginning = beginnings[input.byte() % beginnings.size()];
  Files files = beginning.files;
  const Damage damaged = damage(input, files);
  const bool sound = damaged == Damage::none;
  // Without its superblock a directory is no store yet, and a writer makes it one.
  const bool is_store = files.contains(kSuperblockName);
  write_directory(path, files);
  Session session(path, beginning.model, sound);
  const bool opened = answers(sound, [&] { session.open(static_cast<Mode>(input.byte() % 3)); });
  if (opened && sound) require(session.contents() == session.model(), "a store holds what was committed");
  if (opened && is_store && damaged == Damage::bytes) require_committed(session, beginning.committed);
  if (opened) use(session, input, sound);
  // What it left behind opens again, or is refused.
  answers(sound, [&] { session.open(Mode::read_write); });
  if (session.is_open()) answers(sound, [&] { session.contents(), session.verify(), session.close(); });
}

}  // namespace
}  // namespace emd::fuzz

extern "C" int LLVMFuzzerTestOneInput(const emd::u8* data, std::size_t size) {
  emd::fuzz::run(emd::fuzz::Input(data, size));
  return 0;
}
