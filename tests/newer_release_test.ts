import { assertEquals } from "@std/assert";
import { isNewer, type Release } from "../lib/base/release.ts";

const of = (version: string, committedAt?: string): Release => ({ version, committedAt });
const [MAY, JUNE] = ["2026-05-01T00:00:00Z", "2026-06-01T00:00:00+02:00"];

/** Each is older than the next. */
const LINE = [
  of("0.9.0"),
  of("0.10.0-alpha"),
  of("0.10.0-alpha.2"),
  of("0.10.0-rc.1"),
  of("0.10.0", MAY),
  of("0.10.0", JUNE),
  of("0.10.1"),
  of("1.0.0", MAY),
];

Deno.test("of two releases one is newer at most: by version, then by commit", () => {
  for (const [i, a] of LINE.entries()) {
    for (const [j, b] of LINE.entries()) {
      assertEquals(isNewer(a, b), i > j, `${JSON.stringify(a)} and ${JSON.stringify(b)}`);
    }
  }
});

Deno.test("a release that cannot be told is neither newer nor older than another", () => {
  for (const odd of [of(""), of("next"), of("1"), of("v 2"), of("1.0.0", "yesterday"), of("1.0.0")]) {
    const own = of("1.0.0", MAY);
    assertEquals([isNewer(odd, own), isNewer(own, odd)], [false, false], JSON.stringify(odd));
  }
});
