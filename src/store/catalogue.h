// Catalogue: the store's view of its two tables: which regions and members there are, making and dropping
// them.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "store/store_state.h"

namespace emd {

class Catalogue {
 public:
  explicit Catalogue(Store& store) : store_(store), state_(*store.state_) {}

  // Maps the tables, reads them, and checks them as a whole: nothing that they say is used before. Errors:
  // DamagedError, FormatError.
  void open_tables();
  // Reads the member table again, after a rollback.
  void reload();
  // Finds the free entries of both tables again, after a commit that dropped members.
  void load_free_entries();
  // Removes files that no entry refers to: left by a writer that was cut off.
  void remove_orphans();

  std::shared_ptr<Member> create(std::string_view name, Kind kind, unsigned region_count);
  void drop(std::string_view name);
  void replace(Member& target, Member& source);
  // Maps a region that an entry describes.
  Region& map_region(u32 id);
  MemberEntry member_entry(u32 slot) const;
  RegionEntry region_entry(u32 id) const;
  u64 region_count() const;

  // For a live reader. The tables in the files; what is read may be torn.
  FollowedTables read_tables() const;
  // Takes them over: members, and sizes and files of the mapped regions. remap: also where neither has changed.
  void follow(FollowedTables tables, bool remap, bool overlaid);
  void verify(Findings& findings) const;

 private:
  struct Sizes {
    u64 regions, members;
  };
  Sizes read_sizes() const;
  std::vector<u8> read_whole(FileId file, u64 size) const;
  void require_backed(FileId file, u64 size) const;
  // The tables' bytes: of the windows, or of a live reader's copies.
  u64 regions_size() const;
  u64 members_size() const;
  const u8* regions_at(u64 offset, u64 length) const;
  const u8* members_at(u64 offset, u64 length) const;
  std::unique_ptr<Content> open_content(FileId file, u64 size, bool overlaid) const;
  void follow_region(Region& region, const RegionEntry& entry, bool remap, bool overlaid);
  void abandon(Member& member);
  bool is_same(const Member& known, u32 slot, const MemberEntry& entry) const;
  std::optional<std::unordered_set<u64>> files_in_use() const;
  void map_table(RegionId id, FileId file, u64 size);
  void load_members();
  void require_regions(const std::string& name, Kind kind, unsigned found) const;
  void require_sound_tables() const;
  std::shared_ptr<Member> read_member(u32 slot, const MemberEntry& entry) const;
  u32 take_region_id();
  std::vector<std::unique_ptr<Content>> create_contents(unsigned count);
  [[noreturn]] void damaged(const std::string& what) const;

  Store& store_;
  Store::State& state_;
};

}  // namespace emd
