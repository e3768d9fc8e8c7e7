// TypedDict::check(): what binds index, rows and the map of the dead together.
#include <algorithm>
#include <bit>

#include "store/findings.h"
#include "structures/typed_dict/keys.h"

namespace emd {

namespace {
bool all_zero(const u8* from, const u8* end) {
  return std::all_of(from, end, [](u8 byte) { return byte == 0; });
}
}  // namespace

void TypedDict::check(Findings& findings) const {
  std::vector<u64> named;  // rows that the index names
  try {
    index_.check(findings, [&](u64 row) { named.push_back(row); });
    std::sort(named.begin(), named.end());
    // No row is named twice.
    if (std::adjacent_find(named.begin(), named.end()) != named.end()) {
      findings.push_back({"index", "expected one entry a row, found two"});
    }
    check_dead_map(findings);
    check_rows(named, findings);
  } catch (const DamagedError& error) {
    findings.push_back({"rows", error.what()});
  }
}

void TypedDict::check_dead_map(Findings& findings) const {
  const u64 rows = row_count();
  // The map consists of whole words.
  if (dead_.size() % 8 != 0) findings.push_back({"dead", "expected whole words"});
  // No bit is set behind the last row, and the count is that of the bits.
  u64 dead = 0, behind = 0;
  for (u64 word = 0; word < dead_.size() / 8; ++word) {
    findings.step();
    const u64 bits = dead_word(word);
    const u64 in_use = word * 64 >= rows ? 0 : rows - word * 64;
    const u64 mask = in_use >= 64 ? ~u64{0} : (u64{1} << in_use) - 1;
    dead += static_cast<u64>(std::popcount(bits & mask));
    behind += static_cast<u64>(std::popcount(bits & ~mask));
  }
  if (behind != 0) findings.push_back({"dead", "expected no row behind the last to be marked"});
  if (dead != dead_count()) {
    findings.push_back({"rows header", "expected " + std::to_string(dead) + " dead rows, found a count of " +
                                           std::to_string(dead_count())});
  }
  // The first row that may be alive is the first that is.
  const u64 first = header().first;
  if (first > rows || (first < rows && is_dead(first)) || next_live(0, std::min(first, rows)) != kNone) {
    findings.push_back({"rows header", "expected the first live row, found " + std::to_string(first)});
  }
  // A dead run at the end is cut off, unless it ends with a block that was given back.
  if (rows != 0 && is_dead(rows - 1) && rows_of_block(offset_of(rows) / kDeadBlock - 1).end != rows) {
    findings.push_back({"rows", "expected the last row to be alive"});
  }
}

// The live rows are just those that the index names; each is found by its key, and what no field holds is zero.
void TypedDict::check_rows(const std::vector<u64>& named, Findings& findings) const {
  std::size_t matched = 0;
  u64 alive = 0;
  const u64 rows = row_count();
  for (u64 row = next_live(0, rows); row != kNone; row = next_live(row + 1, rows), ++alive) {
    if (is_full(findings)) return findings.push_back(list_ends("rows"));
    findings.step();
    const auto where = [row] { return "row " + std::to_string(row); };
    while (matched < named.size() && named[matched] < row) ++matched;
    const u8* const at = row_at(row);
    if (matched == named.size() || named[matched] != row) {
      findings.push_back({where(), "expected an entry of the index for it, found none"});
    } else if (find(at) != row) {
      findings.push_back({where(), "expected to find it by its key"});
    }
    if (!all_zero(at + key_bytes_, at + value_offset_) ||
        !all_zero(at + value_offset_ + value_bytes_, at + row_bytes_)) {
      findings.push_back({where(), "expected zeros between its fields"});
    }
  }
  if (alive != named.size()) {
    findings.push_back(
        {"rows", "expected " + std::to_string(named.size()) + " live rows, found " + std::to_string(alive)});
  }
}

}  // namespace emd
