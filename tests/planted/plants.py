"""The bugs that run.py plants, each with the test that must fail then.

A plant is a name, what it would do to a user's data, substitutions (file, old text, new text) and a GoogleTest
filter. The old text must occur exactly once, so that a plant cannot rot unnoticed.
"""

from __future__ import annotations

from typing import NamedTuple


class Plant(NamedTuple):
    name: str
    harm: str
    substitutions: tuple[tuple[str, str, str], ...]
    test: str


CRASH = "Of/Crash.EverySyncPoint*"

PLANTS = (
    Plant(
        "stale frames of a recycled journal are taken for new",
        "old bytes come back after a crash",
        (
            (
                "src/store/superblock.cpp",
                "  slot_.salt = platform::random_bits();\n  slot_.sequence = sequence;",
                "  slot_.sequence = sequence;",
            ),
            ("src/store/journal.cpp", "header.generation == generation_ &&", ""),
            (
                "src/store/journal.cpp",
                "if (!plausible(header) || header.previous != previous) return false;",
                "if (!plausible(header)) return false;",
            ),
            (
                "src/store/journal.cpp",
                "return header.payload_checksum == hash64(payload, previous);",
                "return header.payload_checksum == hash64(payload, header.previous);",
            ),
            ("src/store/journal.cpp", "    if (header.sequence != found.sequence + 1) break;\n", ""),
            ("src/store/journal.cpp", "  refuse_later_commit(found.bytes, found.sequence);\n", ""),
        ),
        CRASH,
    ),
    Plant(
        "a file's number is used again: fresh bytes are overwritten by replay",
        "a crash brings bytes of a replaced content into the new one",
        (
            (
                "src/store/store.cpp",
                "  const FileId id{header.next_file};\n",
                "  u64 number = 3;\n  while (state_->directory->exists(region_file_name(FileId{number}))) ++number;\n  const FileId id{number};\n",
            ),
            (
                "src/store/committer.cpp",
                "  state_.obsolete_files.push_back(content->id);",
                "  store_.discard_file(content->id);",
            ),
        ),
        CRASH,
    ),
    Plant(
        "the boundary page's new bytes are lost",
        "small appends vanish in a crash",
        (
            (
                "src/store/committer.cpp",
                "  if (used_end > diff_end) {",
                "  if (used_end > diff_end && content.committed == 0) {",
            ),
        ),
        CRASH,
    ),
    Plant(
        "recovery trusts the page cache: the journal is not written again",
        "half a commit after kill -9 and a power cut",
        (("src/store/opener.cpp", "    state_.journal->write_again(found.bytes);\n", ""),),
        CRASH,
    ),
    Plant(
        "a rollback cuts the file under live views and readers",
        "SIGBUS in whoever reads the rolled-back bytes",
        (
            (
                "src/store/content.cpp",
                "file->zero(fresh_begin, page_up(size) - fresh_begin);",
                "file->truncate(fresh_begin);",
            ),
        ),
        "Store.RollbackKeepsMappedFreshBytesReadable",
    ),
    Plant(
        "a record is appended before the index has room: a full disk in the middle of an operation",
        "a key that is in the log and cannot be found",
        (
            (
                "src/structures/dict/dict.cpp",
                "  index_.make_room(hash, point);\n  // Nothing fails from here on.\n  const u64 offset = log_.append(shape, key, annex, value);\n",
                "  const u64 offset = log_.append(shape, key, annex, value);\n  index_.make_room(hash, point);\n",
            ),
        ),
        "Fault.ADict*",
    ),
    Plant(
        "a commit inside an operation",
        "half an operation becomes durable",
        (
            (
                "src/store/store.cpp",
                '  if (operations_ != 0) throw StateError(path() + ": commit inside an operation");\n  if (in_transaction()) throw',
                "  if (in_transaction()) throw",
            ),
        ),
        "Store.ACommitInsideAnOperationIsRefused",
    ),
    Plant(
        "the journal's sync is left out",
        "a commit that returned is lost in a power cut",
        (("src/store/journal.cpp", "  file_->sync();\n  ++sequence_;", "  ++sequence_;"),),
        CRASH,
    ),
    Plant(
        "a range is missing from the diff",
        "a changed word keeps its old value after a crash",
        (
            (
                "src/store/committer.cpp",
                "    if (end != 0 && at - end > kMergeGap) {\n      f(begin, end);\n",
                "    if (end != 0 && at - end > kMergeGap) {\n",
            ),
        ),
        CRASH,
    ),
    Plant(
        "a size is committed before its bytes",
        "zeros or rubbish at the end of a region after a power cut",
        (
            (
                "src/store/committer.cpp",
                "    or_fail([&] { state_.background.settle(*content.file); });\n    sync_or_fail(*content.file);\n",
                "",
            ),
        ),
        CRASH,
    ),
    Plant(
        "a write is not marked",
        "a change that no commit sees",
        (
            (
                "src/store/content.cpp",
                "  dirty.add(page);\n",
                "  if (page % 8 == 3) return;\n  dirty.add(page);\n",
            ),
        ),
        "Store.RandomOperationsEqualAModel:" + CRASH,
    ),
    Plant(
        "a changed page's checksum is not renewed",
        "sound pages look damaged",
        (
            (
                "src/store/committer.cpp",
                "  if (page << kPageShift < content.committed && sum == content.sums->get(page)) return false;\n",
                "  if (page << kPageShift < content.committed) return false;\n",
            ),
        ),
        CRASH,
    ),
    Plant(
        "a renewed checksum is not journaled",
        "after a power cut sound pages look damaged, and changes to them are refused",
        (
            (
                "src/store/committer.cpp",
                "  content.sums->stage(page, sum);\n  state_.journal->add(log_sums(content.id), page * sizeof sum,\n                      {reinterpret_cast<const u8*>(&sum), sizeof sum});\n",
                "  content.sums->stage(page, sum);\n",
            ),
        ),
        CRASH,
    ),
    Plant(
        "the checksums of fresh pages are neither journaled nor synced",
        "after a power cut new pages look damaged",
        (
            (
                "src/store/committer.cpp",
                "    content.sums->write(page, sums);\n    state_.journal->add(log_sums(content.id), page * sizeof(u32),\n                        {reinterpret_cast<const u8*>(sums.data()), sums.size() * sizeof(u32)});\n",
                "    content.sums->write(page, sums);\n",
            ),
        ),
        CRASH,
    ),
    Plant(
        "a checkpoint does not sync the checksums",
        "after a power cut sound pages look damaged",
        (("src/store/committer_checkpoint.cpp", "    or_fail([&] { content->sums->sync(); });\n", ""),),
        CRASH,
    ),
    Plant(
        "the background does not sync what it was asked to",
        "a power cut after the next checkpoint leaves old pages",
        (
            (
                "src/store/committer_checkpoint.cpp",
                "      if (unsynced) files.push_back(content->file);\n",
                "      (void)unsynced;\n",
            ),
        ),
        CRASH,
    ),
    Plant(
        "entries that were merged stay in the delta index",
        "a key that was deleted is found again",
        (("src/index/buffered_index.cpp", "  delta_.empty_segment(hash);\n", ""),),
        "BufferedIndex.*",
    ),
    Plant(
        "a merge takes one bit of a hash too many for known",
        "keys are lost when the index grows",
        (
            (
                "src/index/hash_index_merge.cpp",
                "range.depth + known, slot & kPositionMask",
                "range.depth + known + 1, slot & kPositionMask",
            ),
        ),
        "BufferedIndex.*",
    ),
    Plant(
        "a page is not tested before it is sealed anew",
        "damage gets a sound page's checksum",
        (("src/store/committer.cpp", "    require_sound(content, pages[i]);\n", ""),),
        "Verify.*",
    ),
    Plant(
        "the sequence counter is not made odd while pages are applied",
        "a reader takes half of a commit for a state",
        (
            (
                "src/store/reader_table.cpp",
                "  shared_->sequence.fetch_or(1, std::memory_order_seq_cst);\n",
                "",
            ),
            ("src/store/reader_table.cpp", "  EMD_CHECK(now % 2 == 1);\n", ""),
            (
                "src/store/reader_table.cpp",
                "  shared_->sequence.store(now + 1, std",
                "  shared_->sequence.store(now + 2 - now % 2, std",
            ),
        ),
        "Reader.SeesWholeCommitsInOrderBesideAWriter:Reader.OutlivesKilledWriters",
    ),
    Plant(
        "a commit does not wait for snapshots",
        "a reader's snapshot changes under its hands",
        (("src/store/reader_table.cpp", "    table_.wait_for_snapshots(patience);\n", ""),),
        "Reader.ASnapshotIsOneStateOverManyReads",
    ),
    Plant(
        "an edge is put into one list before there is room in the other",
        "on a full disk, an edge that only one of its ends has",
        (
            (
                "src/structures/graph/edges.cpp",
                "  if (twice(from, to)) make_room(to, back());\n  // Nothing fails from here on.\n  push(from, Side::successors, to);\n",
                "  push(from, Side::successors, to);\n  if (twice(from, to)) make_room(to, back());\n",
            ),
        ),
        "Fault.AGraph*",
    ),
    Plant(
        "the old record of attributes is freed before there is room for the new one",
        "on a full disk, attributes that are lost, and a block that two things own",
        (
            (
                "src/structures/graph/graph.cpp",
                "return reference;\n  return static_cast<u64>(heap_.allocate(bytes));\n",
                "return reference;\n  if (reference != 0) heap_.free(HeapRef{reference});\n  return static_cast<u64>(heap_.allocate(bytes));\n",
            ),
            (
                "src/structures/graph/edges.cpp",
                "  if (old != 0) heap_.free(HeapRef{old});\n  return true;\n",
                "  if (old != 0 && is_nothing(bytes)) heap_.free(HeapRef{old});\n  return true;\n",
            ),
        ),
        "Fault.AGraph*",
    ),
    Plant(
        "a list's length and degree are changed without a mark",
        "a rollback or a crash leaves numbers that are not those of the list",
        (
            (
                "src/structures/graph/edges.cpp",
                "  NeighbourRow& row = change_list(id, side);\n  ++row.used;\n",
                "  auto& row = const_cast<NeighbourRow&>(live_row(id).lists[static_cast<unsigned>(side)]);\n  ++row.used;\n",
            ),
        ),
        "Of/GraphTest.EachChangeByItself*",
    ),
    Plant(
        "a removed neighbour stays in the table of a hub",
        "edges that cannot be added again, and a table that fills up",
        (
            (
                "src/structures/graph/neighbour_table.h",
                "    write(hole, u32{0});\n",
                "",
            ),
        ),
        "NeighbourTable.*:Of/GraphTest.*Table*",
    ),
    Plant(
        "the table of a hub is not freed with its list",
        "space that nothing gives back",
        (
            (
                "src/structures/graph/edges.cpp",
                "  if (old.table) heap_.free(old.table_block);\n  change_list",
                "  change_list",
            ),
        ),
        "Of/GraphTest.*Table*",
    ),
    Plant(
        "a journal makes a file as long as it says",
        "a frame of 512 bytes fills the disk",
        (
            (
                "src/store/recovered_files.cpp",
                "      if (begin > end) refuse(*its.file, begin, run_end - begin, end);\n",
                "",
            ),
        ),
        "Recovery.RefusesAGapInTheChecksums",
    ),
    Plant(
        "regions are not one member's",
        "two structures free and cut under each other",
        (
            (
                "src/store/catalogue.cpp",
                "      owned[id] = true;\n",
                "",
            ),
        ),
        "Store.AMemberThatNamesAnothersRegionIsRefused",
    ),
    Plant(
        "a deque gives up pages of its first elements",
        "elements are holes after a checkpoint",
        (
            (
                "src/structures/deque/deque.cpp",
                "round_down(packed_offset(now.first - kept), kPageSize)",
                "round_down(packed_offset(now.first + kept), kPageSize)",
            ),
        ),
        "Of/Crash.EverySyncPoint*/deque",
    ),
    Plant(
        "blocks of elements that a full deque never takes are kept",
        "the heap of a bounded deque grows for ever",
        (
            (
                "src/structures/deque/deque.cpp",
                "  for (const Word word : words.first(words.size() - kept)) discard(word);\n",
                "",
            ),
        ),
        "DequeTest.AFullOnePushesOutAtTheOtherEnd",
    ),
    Plant(
        "an assignment to a deque ends its iterations",
        "a loop that assigns raises RuntimeError",
        (
            (
                "src/structures/list/list.cpp",
                "  if (slides_) words_.writable_as<ListHeader>(0)->changes = before;\n",
                "",
            ),
        ),
        "DequeTest.AssignmentIsNoChangeOfTheSequence",
    ),
    Plant(
        "a deque grows in front into pages that it has given up",
        "elements are holes after a checkpoint",
        (
            (
                "src/structures/deque/deque.cpp",
                "  if (room_before() >= count) return true;\n  if (!small",
                "  if (extent().first >= count) return true;\n  if (!small",
            ),
        ),
        "Seeds/DequeModelTest.Tiny*",
    ),
)
