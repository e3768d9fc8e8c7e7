#!/bin/sh
# Runs emd_crash or emd_faults as one process a processor, each with its share of the work, and adds up their tables.
#
#   run_shares.sh PROGRAM crash IMAGES SEED
#   run_shares.sh PROGRAM faults WORKLOADS SEED
#
# Exits with 1 if one of them found a failure; what they say about it is shown as it is.
set -eu
program=$1 kind=$2 amount=$3 seed=$4
count=$(nproc)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
share=0
processes=""
while [ "$share" -lt "$count" ]; do
  if [ "$kind" = crash ]; then
    set -- --images $(((amount + count - 1) / count)) --seed $((seed + share)) --stride "$count"
  else
    set -- --seeds "$amount" --seed "$seed" --share "$share/$count"
  fi
  "$program" "$@" >"$scratch/$share" &
  processes="$processes $!"
  share=$((share + 1))
done
status=0
for process in $processes; do
  wait "$process" || status=1
done
# A row is names, then numbers. Rows of the same names are added up; other lines are shown as they are.
cat "$scratch"/* | awk '
  /^(subject|call) /      { header = $0; next }
  NF >= 5 && $NF ~ /^[0-9]+$/ {
    first = 1
    key = ""
    while ($first !~ /^[0-9]+$/) key = key sprintf(key == "" ? "%-16s " : "%-12s ", $(first++))
    if (!(key in columns)) order[rows++] = key
    columns[key] = NF - first
    for (i = first; i <= NF; ++i) sum[key, i - first] += $i
    next
  }
  /^[0-9]+ lost$/         { lost += $1; counted = 1; next }
  { print }
  END {
    print header
    for (row = 0; row < rows; ++row) {
      key = order[row]
      if (key ~ /^all /) { last = key; continue }
      line(key)
    }
    if (last != "") line(last)
    if (counted) print lost + 0 " lost"
  }
  function line(key,   i, text) {
    text = sprintf("%-29s", key)
    for (i = 0; i <= columns[key]; ++i) text = text sprintf("%12d", sum[key, i])
    print text
  }'
exit $status
