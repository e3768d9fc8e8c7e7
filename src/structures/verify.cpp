// Verification opens each member as its kind, runs its check(), and gives damage that is raised as a finding.
#include "structures/verify.h"

#include <utility>

#include "base/errors.h"
#include "structures/kinds.h"

namespace emd {
namespace {

void add_damage(Findings& findings, const DamagedError& error) {
  findings.push_back({error.path(), error.what()});
}

Findings check_member(Store& store, Member& member, const Findings& so_far) {
  Findings findings;
  findings.on_step = so_far.on_step;
  // A member without bytes is empty: opening it would write.
  if (member.region(0).size() == 0) return findings;
  try {
    visit_kind(store, member, [&]<class S>(Of<S>) { S(store, member).check(findings); });
  } catch (const DamagedError& error) {
    if (store.live()) throw;  // which may be torn: then it is looked at again
    add_damage(findings, error);
  }
  return findings;
}

void verify_member(Store& store, Member& member, Findings& findings) {
  Findings own;
  try {
    const AcquireGuard mapped(store, member);
    own = store.read_consistent(member, [&] { return check_member(store, member, findings); });
  } catch (const DamagedError& error) {
    add_damage(own, error);
  }
  for (Finding& finding : own) {
    if (!member.name.empty()) finding.where = member.name + ": " + finding.where;
    findings.push_back(std::move(finding));
  }
}

}  // namespace

void verify(Store& store, Findings& findings) {
  store.verify(findings);
  for (const auto& member : store.members()) verify_member(store, *member, findings);
}

}  // namespace emd
