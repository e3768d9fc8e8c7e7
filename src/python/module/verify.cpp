#include "python/module/verify.h"

#include <utility>

#include "python/kit/gil.h"
#include "structures/array/array.h"
#include "structures/dict/dict.h"
#include "structures/graph/graph.h"
#include "structures/list/list.h"
#include "structures/shadow/shadow.h"
#include "structures/typed_dict/typed_dict.h"

namespace pyr {
namespace {

template <class Structure>
void check_structure(emd::Store& store, emd::Member& member, emd::Findings& findings) {
  try {
    Structure(store, member).check(findings);
  } catch (const emd::DamagedError& error) {
    if (store.live()) throw;  // which may be torn: then it is looked at again
    findings.push_back({error.path(), error.what()});
  }
}

// A member without bytes is empty: opening it would write.
bool has_bytes(const emd::Member& member) {
  return member.region_count > 0 && member.regions[0] && member.regions[0]->size() > 0;
}

emd::Findings check_member(emd::Store& store, emd::Member& member, const emd::Findings& so_far) {
  emd::Findings findings;
  findings.on_step = so_far.on_step;
  if (!has_bytes(member)) return findings;
  switch (member.kind) {
    case emd::Kind::dict:
      check_structure<emd::Dict>(store, member, findings);
      break;
    case emd::Kind::list:
      check_structure<emd::List>(store, member, findings);
      break;
    case emd::Kind::array:
      check_structure<emd::Array>(store, member, findings);
      break;
    case emd::Kind::typed_dict:
      check_structure<emd::TypedDict>(store, member, findings);
      break;
    case emd::Kind::graph:
      check_structure<emd::Graph>(store, member, findings);
      break;
    case emd::Kind::shadow:
      check_structure<emd::Shadow>(store, member, findings);
      break;
  }
  return findings;
}

void verify_member(emd::Store& store, emd::Member& member, emd::Findings& findings) {
  emd::Findings own;
  store.acquire(member);
  try {
    own = store.look(member, [&] { return check_member(store, member, findings); });
  } catch (const emd::DamagedError& error) {
    own.push_back({error.path(), error.what()});
  } catch (...) {
    store.release(member);
    throw;
  }
  store.release(member);
  for (emd::Finding& finding : own) {
    if (!member.name.empty()) finding.where = member.name + ": " + finding.where;
    findings.push_back(std::move(finding));
  }
}

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
    handle.run_long([&] {
      store.verify(findings);
      for (const auto& member : store.members()) verify_member(store, *member, findings);
    });
  }
  std::vector<std::string> result;
  for (const emd::Finding& finding : findings) result.push_back(finding.where + ": " + finding.what);
  return result;
}

}  // namespace pyr
