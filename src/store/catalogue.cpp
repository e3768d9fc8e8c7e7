// Catalogue: rows of the two tables, read and validated as bytes that anybody may have written; regions and members
// made, dropped and exchanged; which files are nobody's.
#include "store/catalogue.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <unordered_set>

#include "base/utf8.h"
#include "store/findings.h"
#include "store/follower.h"

namespace emd {
namespace {

// No writer gives out a number up to here: page checksums and the journal need some of its bits.
constexpr u64 kMostFiles = u64{1} << 40;

// The number in "region-<number>" or "sums-<number>", or nothing.
std::optional<u64> file_number(const std::string& name) {
  const std::size_t prefix = name.starts_with("region-") ? 7 : name.starts_with("sums-") ? 5 : 0;
  if (prefix == 0) return std::nullopt;
  u64 number = 0;
  const char* const end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + prefix, end, number);
  if (error != std::errc{} || at != end) return std::nullopt;
  return number;
}

}  // namespace

void Catalogue::damaged(const std::string& what) const {
  throw DamagedError(
      state_.path + ": the store's tables are damaged: " + what + "; restore the store from a backup",
      state_.path);
}

// ---- Where the tables' bytes are

u64 Catalogue::regions_size() const {
  return store_.live() ? state_.followed.regions.size() : state_.region_table().size();
}

u64 Catalogue::members_size() const {
  return store_.live() ? state_.followed.members.size() : state_.member_table().size();
}

const u8* Catalogue::regions_at(u64 offset, u64 length) const {
  if (!store_.live()) return state_.region_table().at(offset, length);
  const std::vector<u8>& table = state_.followed.regions;
  if (offset > table.size() || length > table.size() - offset)
    damaged("an entry lies outside the region table");
  return table.data() + offset;
}

const u8* Catalogue::members_at(u64 offset, u64 length) const {
  if (!store_.live()) return state_.member_table().at(offset, length);
  const std::vector<u8>& table = state_.followed.members;
  if (offset > table.size() || length > table.size() - offset)
    damaged("an entry lies outside the member table");
  return table.data() + offset;
}

u64 Catalogue::region_count() const {
  return (regions_size() - sizeof(RegionTableHeader)) / sizeof(RegionEntry);
}

RegionEntry Catalogue::region_entry(u32 id) const {
  return load<RegionEntry>(regions_at(region_entry_offset(RegionId{id}), sizeof(RegionEntry)));
}

MemberEntry Catalogue::member_entry(u32 slot) const {
  return load<MemberEntry>(members_at(u64{slot} * sizeof(MemberEntry), sizeof(MemberEntry)));
}

// ---- Opening

void Catalogue::require_backed(FileId id, u64 size) const {
  const auto file = state_.directory->open(region_file_name(id), platform::Directory::Open::read_only);
  require_table_backed(*file, size);
}

std::vector<u8> Catalogue::read_whole(FileId id, u64 size) const {
  const auto file = state_.directory->open(region_file_name(id), platform::Directory::Open::read_only);
  if (file->size() < size) damaged("the file " + region_file_name(id) + " is truncated");
  std::vector<u8> bytes(size);
  file->read(0, bytes.data(), size);
  for (const auto& [offset, change] : state_.overlay[log_file(id)]) {
    if (offset < size)
      std::memcpy(bytes.data() + offset, change.data(), std::min<u64>(change.size(), size - offset));
  }
  return bytes;
}

// The tables' own sizes, from the first entries of the region table.
Catalogue::Sizes Catalogue::read_sizes() const {
  constexpr u64 kHead = sizeof(RegionTableHeader) + 2 * sizeof(RegionEntry);
  const std::vector<u8> head = read_whole(kRegionTableFile, kHead);
  if (load<RegionTableHeader>(head.data()).magic != kTableMagic) damaged("the region table has no magic");
  const auto table = load<RegionEntry>(head.data() + region_entry_offset(kRegionTable));
  const auto members = load<RegionEntry>(head.data() + region_entry_offset(kMemberTable));
  if (table.file != static_cast<u64>(kRegionTableFile) ||
      members.file != static_cast<u64>(kMemberTableFile) || table.size < kHead ||
      (table.size - sizeof(RegionTableHeader)) % sizeof(RegionEntry) != 0 ||
      members.size % sizeof(MemberEntry) != 0) {
    damaged("the region table does not describe itself");
  }
  require_backed(kRegionTableFile, table.size);
  require_backed(kMemberTableFile, members.size);
  return {table.size, members.size};
}

std::unique_ptr<Content> Catalogue::open_content(FileId id, u64 size, bool overlaid) const {
  using Open = platform::Directory::Open;
  const Open how = store_.read_only() ? Open::read_only : Open::read_write;
  const std::string name = region_file_name(id);
  if (!state_.directory->exists(name)) damaged("the file " + name + " is missing");
  auto file = state_.directory->open(name, how);
  if (store_.live() && !overlaid)
    return std::make_unique<Content>(state_.budget, std::move(file), id, size, Content::Reading::live);
  if (store_.read_only()) {
    auto content =
        std::make_unique<Content>(state_.budget, std::move(file), id, size, Content::Reading::overlaid);
    for (const auto& [offset, bytes] : state_.overlay[log_file(id)]) {
      // A range goes in whole words, and may pass the end by a few bytes.
      if (offset < size)
        std::memcpy(content->window + offset, bytes.data(), std::min<u64>(bytes.size(), size - offset));
    }
    return content;
  }
  if (!state_.directory->exists(sums_file_name(id)))
    damaged("the file " + sums_file_name(id) + " is missing");
  auto sums = std::make_unique<PageSums>(state_.directory->open(sums_file_name(id), how), size);
  return std::make_unique<Content>(state_.budget, std::move(file), std::move(sums), id, size,
                                   Content::Origin::existing);
}

void Catalogue::map_table(RegionId id, FileId file_id, u64 size) {
  const bool overlaid = !store_.live() || state_.follower->overlaid();
  state_.regions[static_cast<u32>(id)] =
      std::unique_ptr<Region>(new Region(store_, id, open_content(file_id, size, overlaid)));
}

void Catalogue::open_tables() {
  const Sizes sizes = read_sizes();
  map_table(kRegionTable, kRegionTableFile, sizes.regions);
  map_table(kMemberTable, kMemberTableFile, sizes.members);
  reload();
}

void Catalogue::reload() {
  load_free_entries();
  load_members();
}

// ---- Following a writer

FollowedTables Catalogue::read_tables() const {
  const Sizes sizes = read_sizes();
  return {read_whole(kRegionTableFile, sizes.regions), read_whole(kMemberTableFile, sizes.members)};
}

void Catalogue::follow(FollowedTables tables, bool remap, bool overlaid) {
  const bool members_changed = tables.members != state_.followed.members;
  state_.followed = std::move(tables);
  try {
    if (members_changed || remap) load_members();
  } catch (...) {
    state_.followed.members.clear();  // so that the next read reads them again
    throw;
  }
  for (const auto& [id, region] : state_.regions) follow_region(*region, region_entry(id), remap, overlaid);
}

void Catalogue::follow_region(Region& region, const RegionEntry& entry, bool remap, bool overlaid) {
  Content& content = *region.state_->content;
  const bool same = !remap && content.id == FileId{entry.file} && entry.size >= content.size &&
                    entry.size <= content.reserved;
  if (!same) {
    region.state_->content = open_content(FileId{entry.file}, entry.size, overlaid);
  } else if (entry.size != content.size) {
    content.grow_to(entry.size);
  }
  region.adopt();
}

// What is left of a member that is gone: handles may still refer to its regions.
void Catalogue::abandon(Member& member) {
  member.live = false;
  for (Region* region : member.regions) {
    if (region == nullptr) continue;
    auto node = state_.regions.extract(static_cast<u32>(region->id()));
    if (!node.empty()) state_.abandoned_regions.push_back(std::move(node.mapped()));
  }
}

void Catalogue::load_free_entries() {
  state_.free_regions.clear();
  for (u64 id = region_count(); id-- > 2;) {
    if (region_entry(static_cast<u32>(id)).state == 0) state_.free_regions.push_back(static_cast<u32>(id));
  }
  state_.free_members.clear();
  for (u64 slot = members_size() / sizeof(MemberEntry); slot-- > 0;) {
    if (member_entry(static_cast<u32>(slot)).state == 0)
      state_.free_members.push_back(static_cast<u32>(slot));
  }
}

// As many as a member can have, and, where the kinds are known, as its kind has.
void Catalogue::require_regions(const std::string& name, Kind kind, unsigned found) const {
  if (found == 0 || found > kMaxRegionsPerMember) {
    damaged("member '" + name + "': expected 1 to " + std::to_string(kMaxRegionsPerMember) +
            " regions, found " + std::to_string(found));
  }
  if (state_.options.region_count_of == nullptr) return;
  const unsigned expected = state_.options.region_count_of(kind);
  if (expected == 0) {
    throw FormatError(state_.path + ": member '" + name + "' is of a kind (" +
                      std::to_string(static_cast<u32>(kind)) +
                      ") that this version does not know; install a newer pyrsistence");
  }
  if (found != expected) {
    damaged("member '" + name + "': expected " + std::to_string(expected) + " regions, found " +
            std::to_string(found));
  }
}

// All that the tables say of each other: each member has the regions that its kind has, each region is one member's,
// and each has a file of its own. Two structures on one region, or two windows on one file, would free and cut under
// each other.
void Catalogue::require_sound_tables() const {
  const u64 next_file = load<RegionTableHeader>(regions_at(0, sizeof(RegionTableHeader))).next_file;
  if (next_file > kMostFiles) damaged("the next file would be number " + std::to_string(next_file));
  const u64 count = region_count();
  std::vector<u64> files;
  for (u64 id = 0; id < count; ++id) {
    const RegionEntry entry = region_entry(static_cast<u32>(id));
    if (entry.state == 0) continue;
    const bool table = entry.file == id + 1;  // entries 0 and 1 describe the files 1 and 2
    if (entry.state != 1 || entry.file == 0 || entry.file >= next_file || (id < 2 && !table) ||
        entry.size > kMostRegionBytes)
      damaged("entry " + std::to_string(id) + " of the region table is not valid");
    files.push_back(entry.file);
  }
  std::sort(files.begin(), files.end());
  const auto twice = std::adjacent_find(files.begin(), files.end());
  if (twice != files.end()) damaged("two regions claim the file " + region_file_name(FileId{*twice}));
  std::vector<bool> owned(count);
  owned[0] = owned[1] = true;
  for (u64 slot = 0; slot < members_size() / sizeof(MemberEntry); ++slot) {
    const MemberEntry entry = member_entry(static_cast<u32>(slot));
    if (entry.state == 0) continue;
    const std::string which = "member entry " + std::to_string(slot);
    if (entry.state != 1 || entry.name_bytes > kMaxMemberName) damaged(which + " is not valid");
    const std::string name(entry.name, entry.name_bytes);
    if (!is_utf8(as_bytes(name))) damaged(which + " has a name that is not UTF-8");
    const unsigned regions = entry.region_count;
    require_regions(name, static_cast<Kind>(entry.kind), regions);
    for (unsigned i = 0; i < regions; ++i) {
      const u32 id = entry.regions[i];
      if (id >= count || region_entry(id).state != 1)
        damaged("member '" + name + "' names a region that does not exist");
      if (owned[id])
        damaged("member '" + name + "' names region " + std::to_string(id) + ", which is another's");
      owned[id] = true;
    }
  }
}

// Members that are known already keep their object; those that are gone (rolled back) are dead.
void Catalogue::load_members() {
  require_sound_tables();
  std::map<std::string, std::shared_ptr<Member>, std::less<>> members;
  for (u64 slot = members_size() / sizeof(MemberEntry); slot-- > 0;) {
    const MemberEntry entry = member_entry(static_cast<u32>(slot));
    if (entry.state == 0) continue;
    auto member = read_member(static_cast<u32>(slot), entry);
    const auto known = state_.members.find(member->name);
    if (known != state_.members.end() && is_same(*known->second, static_cast<u32>(slot), entry))
      member = known->second;
    if (!members.emplace(member->name, member).second)
      damaged("two members are called '" + member->name + "'");
  }
  for (const auto& [name, member] : state_.members) {
    const auto now = members.find(name);
    if (now != members.end() && now->second == member) continue;
    if (store_.live()) {
      abandon(*member);
    } else {
      member->live = false;
    }
  }
  state_.members = std::move(members);
}

// Whether an entry is that of a member known already. In a live reader another member may have come in its place.
bool Catalogue::is_same(const Member& known, u32 slot, const MemberEntry& entry) const {
  if (known.slot != slot) return false;
  if (!store_.live()) return true;
  if (static_cast<u32>(known.kind) != entry.kind || known.region_count != entry.region_count) return false;
  for (unsigned i = 0; i < known.region_count; ++i) {
    if (known.regions[i] != nullptr && static_cast<u32>(known.regions[i]->id()) != entry.regions[i])
      return false;
  }
  return true;
}

// Precondition: the entry is sound.
std::shared_ptr<Member> Catalogue::read_member(u32 slot, const MemberEntry& entry) const {
  auto member = std::make_shared<Member>();
  member->name.assign(entry.name, entry.name_bytes);
  member->kind = static_cast<Kind>(entry.kind);
  member->slot = slot;
  member->region_count = entry.region_count;
  return member;
}

// The files that the tables refer to; nothing if they are not all that they should be: each region in use belongs to a
// member, and its file is there.
std::optional<std::unordered_set<u64>> Catalogue::files_in_use() const {
  u64 owned = 2;
  for (const auto& [name, member] : state_.members) owned += member->region_count;
  std::unordered_set<u64> files;
  for (u64 id = 0; id < region_count(); ++id) {
    const RegionEntry entry = region_entry(static_cast<u32>(id));
    if (entry.state == 0) continue;
    files.insert(entry.file);
    if (!state_.directory->exists(region_file_name(FileId{entry.file}))) return std::nullopt;
  }
  if (files.size() != owned) return std::nullopt;
  return files;
}

// A damaged table must not cost more than itself, so nothing is removed by its word.
void Catalogue::remove_orphans() {
  const auto used = files_in_use();
  if (!used) return;
  for (const std::string& name : state_.directory->list()) {
    const auto number = file_number(name);
    if (number && !used->contains(*number)) state_.directory->remove(name);
  }
}

Region& Catalogue::map_region(u32 id) {
  const auto present = state_.regions.find(id);
  if (present != state_.regions.end()) return *present->second;
  const RegionEntry entry = region_entry(id);
  map_table(RegionId{id}, FileId{entry.file}, entry.size);
  return *state_.regions.at(id);
}

u32 Catalogue::take_region_id() {
  if (!state_.free_regions.empty()) {
    const u32 id = state_.free_regions.back();
    state_.free_regions.pop_back();
    return id;
  }
  const u64 offset = state_.region_table().extend(sizeof(RegionEntry));
  return static_cast<u32>((offset - sizeof(RegionTableHeader)) / sizeof(RegionEntry));
}

std::vector<std::unique_ptr<Content>> Catalogue::create_contents(unsigned count) {
  std::vector<std::unique_ptr<Content>> contents;
  try {
    for (unsigned i = 0; i < count; ++i) contents.push_back(store_.create_content());
  } catch (...) {
    for (const auto& content : contents) store_.discard_file(content->id);
    throw;
  }
  return contents;
}

std::shared_ptr<Member> Catalogue::create(std::string_view name, Kind kind, unsigned count) {
  if (!is_utf8(as_bytes(name))) throw FormatError(state_.path + ": a member's name is a text in UTF-8");
  EMD_CHECK(count >= 1 && count <= kMaxRegionsPerMember);
  if (name.size() > kMaxMemberName) {
    throw FormatError(state_.path + ": a member's name may have " + std::to_string(kMaxMemberName) +
                      " bytes of UTF-8, this one has " + std::to_string(name.size()));
  }
  const Operation operation(store_);
  // All that can fail: files and room in the tables.
  state_.region_table().reserve(count * sizeof(RegionEntry));
  state_.member_table().reserve(sizeof(MemberEntry));
  std::vector<std::unique_ptr<Content>> contents = create_contents(count);
  MemberEntry entry{};
  entry.state = 1;
  entry.kind = static_cast<u32>(kind);
  entry.region_count = count;
  entry.name_bytes = static_cast<u32>(name.size());
  std::copy(name.begin(), name.end(), entry.name);
  for (unsigned i = 0; i < count; ++i) {
    const u32 id = take_region_id();
    entry.regions[i] = id;
    store(state_.region_table().writable(region_entry_offset(RegionId{id}), sizeof(RegionEntry)),
          RegionEntry{static_cast<u64>(contents[i]->id), 0, 1, 0, 0});
    state_.regions[id] = std::unique_ptr<Region>(new Region(store_, RegionId{id}, std::move(contents[i])));
  }
  u32 slot;
  if (!state_.free_members.empty()) {
    slot = state_.free_members.back();
    state_.free_members.pop_back();
  } else {
    slot = static_cast<u32>(state_.member_table().extend(sizeof entry) / sizeof entry);
  }
  store(state_.member_table().writable(slot * sizeof entry, sizeof entry), entry);
  auto member = read_member(slot, entry);
  state_.members.emplace(member->name, member);
  return member;
}

void Catalogue::drop(std::string_view name) {
  const auto found = state_.members.find(name);
  if (found == state_.members.end())
    throw StateError(state_.path + ": no member '" + std::string(name) + "'");
  const Operation operation(store_);
  const std::shared_ptr<Member> member = found->second;
  const u64 offset = u64{member->slot} * sizeof(MemberEntry);
  const MemberEntry entry = member_entry(member->slot);
  for (unsigned i = 0; i < entry.region_count; ++i) map_region(entry.regions[i]);
  for (unsigned i = 0; i < entry.region_count; ++i) {
    const u32 id = entry.regions[i];
    store(state_.region_table().writable(region_entry_offset(RegionId{id}), sizeof(RegionEntry)),
          RegionEntry{});
    auto node = state_.regions.extract(id);
    state_.dropped_regions.push_back(std::move(node.mapped()));
  }
  store(state_.member_table().writable(offset, sizeof(MemberEntry)), MemberEntry{});
  member->live = false;
  for (Region*& region : member->regions) region = nullptr;
  state_.members.erase(found);
}

// The regions keep their numbers and objects, and exchange what they hold. The entries are written here: of a content
// that was committed already and has not changed since, the commit sees nothing.
void Catalogue::replace(Member& target, Member& source) {
  const MemberEntry entry = member_entry(source.slot);
  // All that can fail.
  for (unsigned i = 0; i < source.region_count; ++i) map_region(entry.regions[i]);
  for (unsigned i = 0; i < source.region_count; ++i) {
    Region& from = map_region(entry.regions[i]);
    Region& to = *target.regions[i];
    from.save();
    to.save();
    to.state_->exchange(*from.state_);
    from.adopt();
    to.adopt();
    const Content& content = *to.state_->content;
    store(state_.region_table().writable(region_entry_offset(to.id()), sizeof(RegionEntry)),
          RegionEntry{static_cast<u64>(content.id), content.size, 1, 0, 0});
  }
  drop(source.name);
}

void Catalogue::verify(Findings& findings) const {
  std::unordered_set<u32> owned = {static_cast<u32>(kRegionTable), static_cast<u32>(kMemberTable)};
  for (const auto& [name, member] : state_.members) {
    const MemberEntry entry = member_entry(member->slot);
    owned.insert(entry.regions, entry.regions + entry.region_count);
  }
  for (u64 id = 0; id < region_count() && !is_full(findings); ++id) {
    findings.step();
    const RegionEntry entry = region_entry(static_cast<u32>(id));
    if (entry.state != 1) continue;
    if (!owned.contains(static_cast<u32>(id)))
      findings.push_back(
          {"region table, entry " + std::to_string(id), "expected a member that it belongs to"});
    // A new content that is not committed: the table will say so at the commit.
    const auto mapped = state_.regions.find(static_cast<u32>(id));
    if (mapped != state_.regions.end() && mapped->second->state_->content->id != FileId{entry.file}) continue;
    const std::string name = region_file_name(FileId{entry.file});
    if (!state_.directory->exists(name)) {
      findings.push_back({"region table, entry " + std::to_string(id), "the file " + name + " is missing"});
      continue;
    }
    const u64 present = state_.directory->open(name, platform::Directory::Open::read_only)->size();
    if (present < entry.size) {
      findings.push_back({name, "expected at least " + std::to_string(entry.size) + " bytes, found " +
                                    std::to_string(present)});
    }
  }
}

}  // namespace emd
