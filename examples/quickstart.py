"""A dict on disk in ten lines. Run it twice: the second run counts on from the first."""

import sys

import pyrsistence as em

with em.EMDict(sys.argv[1] if len(sys.argv) > 1 else "counts") as counts:  # a directory; made if missing
    for word in ("to", "be", "or", "not", "to", "be"):
        counts[word] = counts.get(word, 0) + 1
    counts.commit()  # from here on it survives kill -9 and power loss

    with counts.transaction():  # all of it or nothing
        counts["runs", "total"] = counts.get(("runs", "total"), 0) + 1
        counts["last"] = {"words": len(counts), "seen": ["to", "be"]}

    print(len(counts), counts["be"], list(counts))
