#!/bin/sh
# Runs a GoogleTest program as one process a processor, each with its share of the tests; fails if one of them does.
#
#   run_sharded.sh PROGRAM
set -eu
program=$1
count=$(nproc)
export GTEST_TOTAL_SHARDS="$count" GTEST_BRIEF=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
processes=""
shard=0
while [ "$shard" -lt "$count" ]; do
  GTEST_SHARD_INDEX=$shard "$program" &
  processes="$processes $!"
  shard=$((shard + 1))
done
status=0
for process in $processes; do
  wait "$process" || status=1
done
exit $status
