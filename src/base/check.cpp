// What a failed check throws: CheckError with the condition and where it stands.
#include "base/check.h"

#include <string>

namespace emd {

void check_failed(const char* condition, const char* file, int line) {
  throw CheckError(std::string("internal check failed: ") + condition + " (" + file + ":" +
                   std::to_string(line) + "); please report this as a bug");
}

}  // namespace emd
