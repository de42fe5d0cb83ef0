import { assert, assertEquals } from "@std/assert";
import { groupsOf } from "../tools/lib/test_groups.ts";

Deno.test("each file of tests is run once, in a small group, whatever their number", () => {
  for (const count of [0, 1, 23, 24, 25, 60, 191, 192, 193, 300]) {
    const files = Array.from({ length: count }, (_, i) => `${i}_test.ts`);
    const groups = groupsOf(files);
    assertEquals(groups.flat().toSorted(), files.toSorted());
    assert(groups.every(({ length }) => length >= 1 && length <= 8), `${count} files`);
    assert(groups.length >= Math.min(count, 24), `${count} files`);
  }
});
