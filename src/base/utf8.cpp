// Each code point is decoded, and refused if it is a surrogate, too large, or could have been shorter.
#include "base/utf8.h"

namespace emd {

bool is_utf8(Bytes bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const u8 first = bytes[i++];
    if (first < 0x80) continue;
    const unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || bytes.size() - i < more) return false;
    u32 point = first & (0x3fu >> more);
    for (unsigned k = 0; k < more; ++k, ++i) {
      if ((bytes[i] & 0xc0) != 0x80) return false;
      point = point << 6 | (bytes[i] & 0x3fu);
    }
    const bool surrogate = point >= 0xd800 && point < 0xe000;
    if (surrogate || point > 0x10ffff || (more == 2 && point < 0x800) || (more == 3 && point < 0x10000))
      return false;
  }
  return true;
}

}  // namespace emd
