import { assertEquals } from "@std/assert";
import { exhaustedResource } from "../lib/base/exhaustion.ts";

Deno.test("the number of a system error is read as that system means it", () => {
  const isExhausted = (errno: number, os: typeof Deno.build.os) =>
    exhaustedResource(new TypeError(`error sending request (os error ${errno})`), os) !== undefined;
  const numbers = [4, 8, 11, 12, 14, 23, 24, 35, 10024];
  const found = (os: typeof Deno.build.os) => numbers.filter((errno) => isExhausted(errno, os));
  assertEquals(found("linux"), [11, 12, 23, 24]);
  assertEquals(found("darwin"), [12, 23, 24, 35]);
  assertEquals(found("windows"), [4, 8, 14, 10024]);
});
