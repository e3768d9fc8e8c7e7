#include "python/module/verify.h"

#include "python/kit/gil.h"
#include "structures/verify.h"

namespace pyr {
namespace {

// Beside a writer: what is found is of one state, which the writer is kept from leaving.
class HeldState {
 public:
  explicit HeldState(StoreHandle& handle) : handle_(handle), held_(handle.begin_snapshot_if_possible()) {}
  ~HeldState() {
    if (held_) handle_.end_snapshot();
  }
  HeldState(const HeldState&) = delete;
  HeldState& operator=(const HeldState&) = delete;

 private:
  StoreHandle& handle_;
  bool held_;
};

}  // namespace

std::vector<std::string> verify(StoreHandle& handle) {
  const HeldState held(handle);
  SignalWatch signals;
  emd::Findings findings;
  findings.on_step = [&] {
    if (signals.due()) signals.look();
  };
  {
    const StoreHandle::Entered entered(handle);
    emd::Store& store = handle.use();
    handle.run_long([&] { emd::verify(store, findings); });
  }
  std::vector<std::string> result;
  for (const emd::Finding& finding : findings) result.push_back(finding.where + ": " + finding.what);
  return result;
}

}  // namespace pyr
